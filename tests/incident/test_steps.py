"""The steps of an incident, each with its effect on what people hold (R51)."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.core.db.raw import raw
from tests.house import API, PASSWORD, OpenHouse, bearer, client_of, letter_to, login, register, token_in

from ostiary.accounts import NoSuchAccount
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.errors import Misconfigured
from ostiary.core.keyring import KeyMissing
from ostiary.incident import Cause, NoticeDiffers
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary

CAUSE = Cause("kim", "somebody is in")
SECRET = "qL3v9-Zx81kTn_Wf5yRb2GhUd7JmCsPe"
OTHER = "Aa4_tTq9zX-0pLmN3bVc8kJhGfDsRe71"


async def status_of(client: httpx.AsyncClient, grant: dict[str, str]) -> int:
    return (await client.get(f"{API}/me", headers=bearer(grant))).status_code


async def refreshed(client: httpx.AsyncClient, grant: dict[str, str]) -> int:
    answer = await client.post(f"{API}/refresh", json={"refresh_token": grant["refresh_token"]})
    client.cookies.clear()
    return answer.status_code


async def heard(house: Ostiary) -> None:
    """On PostgreSQL word comes by NOTIFY; ask, rather than wait for it."""
    await house.signals.refresh()


async def proven(house: Ostiary, client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    """Register somebody and prove the address; return the grant."""
    grant = await register(client, name)
    proof = token_in(await letter_to(house, f"{name}@example.org"))
    assert (await client.post(f"{API}/email/verify", json={"token": proof})).status_code == 200
    return grant


@pytest.fixture
async def other_process(house: Ostiary, open_house: OpenHouse) -> Ostiary:
    """What another process on the same database holds."""
    opened: Ostiary = await open_house(work=False)
    return opened


@pytest.fixture
async def elsewhere(other_process: Ostiary) -> AsyncIterator[httpx.AsyncClient]:
    """The door of that process."""
    async with client_of(other_process) as client:
        yield client


class TestBlocking:
    async def test_a_blocked_account_holds_nothing_any_more(
        self, house: Ostiary, outside: httpx.AsyncClient, elsewhere: httpx.AsyncClient, other_process: Ostiary
    ) -> None:
        grant, other = await register(outside), await register(outside, "nora")
        assert await status_of(elsewhere, grant) == 200

        ended = await house.incident.block_account(KEEPER, grant["user"]["id"], CAUSE)

        assert ended == 1
        await heard(other_process)
        for client in (outside, elsewhere):
            assert await status_of(client, grant) == 401
            assert await refreshed(client, grant) == 401
        assert await status_of(elsewhere, other) == 200
        answer = await outside.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})
        assert answer.status_code == 401
        assert [account.username for account in (await house.incident.status()).blocked] == ["mira"]
        assert await house.incident.block_account(KEEPER, grant["user"]["id"], CAUSE) == 0

    async def test_an_account_that_is_not_there_is_said_to_be_so(self, house: Ostiary) -> None:
        with pytest.raises(NoSuchAccount):
            await house.incident.block_account(KEEPER, "nobody", CAUSE)

    async def test_a_step_tells_who_and_why_sealed_and_raises_an_alert(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        grant = await register(outside)
        await house.incident.block_account(KEEPER, grant["user"]["id"], CAUSE)

        (line,) = await house.audit.listed(action="incident.step_taken")
        assert line.details == {"step": "block-account", "numbers": {"accounts": 1, "sessions": 1}}
        assert line.private == {"keeper": "kim", "reason": "somebody is in"}
        assert "kim" not in str(await raw(house.database_url, "SELECT details FROM journal"))
        assert [alert.kind for alert in await house.alerts.open()] == ["incident"]
        assert (await house.audit.verify()).ok

    async def test_a_network_that_is_blocked_and_let_in_again_is_a_step_each(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        await house.incident.block_network(KEEPER, "203.0.113.0/24", CAUSE, lifetime=None, spares_known=False)
        await heard(house)
        assert (await outside.get("/auth/sign-in")).status_code == 403
        assert not await house.incident.unblock_network(KEEPER, "198.51.100.0/24", CAUSE)  # no deed, no step
        assert await house.incident.unblock_network(KEEPER, "203.0.113.0/24", CAUSE)
        await heard(house)
        assert (await outside.get("/auth/sign-in")).status_code == 200

        lines = await house.audit.listed(action="incident.step_taken")
        assert [line.details["step"] for line in lines] == ["unblock-network", "block-network"]
        assert [line.private for line in lines] == [{"keeper": "kim", "reason": "somebody is in"}] * 2
        assert "somebody is in" not in str(await raw(house.database_url, "SELECT details FROM journal"))
        assert [alert.kind for alert in await house.alerts.open()] == ["incident", "incident"]

    async def test_a_block_of_strangers_spares_who_is_signed_in(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        grant = await register(outside)
        await house.incident.block_network(KEEPER, "203.0.113.0/24", CAUSE, lifetime=None, spares_known=True)
        await heard(house)
        assert await status_of(outside, grant) == 200


class TestEndingSessions:
    async def test_of_one_account(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        grant, other = await register(outside), await register(outside, "nora")
        assert await house.incident.end_sessions(KEEPER, [grant["user"]["id"]], CAUSE) == 1
        assert [await status_of(outside, one) for one in (grant, other)] == [401, 200]
        assert (await login(outside))["access_token"]

    async def test_of_everybody_in_batches_and_none_that_begins_meanwhile_is_needed_to_end_it(
        self,
        house: Ostiary,
        outside: httpx.AsyncClient,
        elsewhere: httpx.AsyncClient,
        other_process: Ostiary,
        clock: ManualClock,
    ) -> None:
        grant = await register(outside)
        account = await house.accounts.remembered(grant["user"]["id"])
        assert account is not None
        for _ in range(3):
            async with house.database.unit() as unit:
                for _ in range(150):
                    await house.sessions.start(unit, account, methods=("pwd",), device_id=None)

        assert await house.incident.end_sessions(KEEPER, None, CAUSE) == 451

        assert await raw(house.database_url, "SELECT count(*) FROM sessions WHERE ended_at IS NULL") == [(0,)]
        await heard(other_process)
        assert await status_of(elsewhere, grant) == 401
        assert await house.incident.end_sessions(KEEPER, None, CAUSE) == 0
        clock.advance(seconds=1)
        assert await status_of(outside, await login(outside)) == 200
        ends = await raw(house.database_url, "SELECT count(*) FROM journal WHERE action = 'session.ended'")
        assert ends == [(451,)]


class TestReplacingKeys:
    async def test_everybody_is_signed_out_and_what_was_sealed_stays_readable(
        self,
        house: Ostiary,
        outside: httpx.AsyncClient,
        elsewhere: httpx.AsyncClient,
        other_process: Ostiary,
        tmp_path: Path,
    ) -> None:
        grant = await register(outside)
        proof = token_in(await letter_to(house, "mira@example.org"))
        before = (tmp_path / "data" / "root.secret").read_text()
        assert await status_of(elsewhere, grant) == 200

        made = await house.incident.rotate(KEEPER, CAUSE)

        assert {key.purpose for key in made} == {"signing", "mac", "index", "data", "journal", "checkpoint", "apikey"}
        assert (tmp_path / "data" / "root.secret").read_text() != before
        assert (tmp_path / "data" / "root.secret").stat().st_mode & 0o777 == 0o600
        assert not (tmp_path / "data" / "root.secret.next").exists()
        await heard(other_process)
        for client in (outside, elsewhere):
            assert await status_of(client, grant) == 401
            assert await refreshed(client, grant) == 401
            assert (await client.post(f"{API}/email/verify", json={"token": proof})).status_code == 401
        assert await raw(house.database_url, "SELECT count(*) FROM sessions WHERE ended_at IS NULL") == [(0,)]
        again = await login(outside)
        assert [await status_of(client, again) for client in (outside, elsewhere)] == [200, 200]
        (line,) = await house.audit.listed(action="account.opened")
        assert line.private is not None
        assert line.private["address"] == "203.0.113.7"
        assert "keys_rotated" in [alert.kind for alert in await house.alerts.open()]
        assert (await house.audit.verify()).ok

    async def test_it_can_be_done_again_and_the_house_starts_with_the_last(
        self, house: Ostiary, outside: httpx.AsyncClient, open_house: OpenHouse
    ) -> None:
        await register(outside)
        for _ in range(3):
            await house.incident.rotate(KEEPER, CAUSE)
        async with client_of(await open_house(work=False)) as client:
            assert (await login(client))["access_token"]

    async def test_the_old_root_secret_opens_nothing_any_more(
        self, house: Ostiary, open_house: OpenHouse, tmp_path: Path
    ) -> None:
        shutil.copy(tmp_path / "data" / "root.secret", tmp_path / "stolen")
        await house.incident.rotate(KEEPER, CAUSE)
        with pytest.raises(Misconfigured, match="does not open"):
            await open_house(work=False, keys={"root_secret": (tmp_path / "stolen").read_text()})

    async def test_of_two_at_once_one_is_refused_and_the_house_starts(
        self, house: Ostiary, open_house: OpenHouse
    ) -> None:
        other = await open_house(work=False)
        found = await asyncio.gather(
            *(one.incident.rotate(KEEPER, CAUSE) for one in (house, other)), return_exceptions=True
        )
        assert [type(one) for one in found].count(list) >= 1
        assert all(isinstance(one, (list, Misconfigured)) for one in found)
        await open_house(work=False)

    async def test_a_crash_before_the_commit_leaves_the_old_one_in_force(
        self, house: Ostiary, outside: httpx.AsyncClient, open_house: OpenHouse
    ) -> None:
        grant = await register(outside)
        house.keys.root.prepare(None)  # and then the power goes

        restarted = await open_house(work=False)
        async with client_of(restarted) as client:
            assert await status_of(client, grant) == 200
        assert await restarted.incident.rotate(KEEPER, CAUSE)
        await open_house(work=False)

    @pytest.mark.parametrize("starts", [1, 3])
    async def test_a_crash_after_the_commit_is_finished_by_the_next_start(
        self, house: Ostiary, outside: httpx.AsyncClient, open_house: OpenHouse, tmp_path: Path, starts: int
    ) -> None:
        await register(outside)
        secret, waiting = tmp_path / "data" / "root.secret", tmp_path / "data" / "root.secret.next"
        shutil.copy(secret, tmp_path / "old")
        await house.incident.rotate(KEEPER, CAUSE)
        secret.rename(waiting)
        shutil.copy(tmp_path / "old", secret)

        opened = await asyncio.gather(*(open_house(work=False) for _ in range(starts)))

        assert not waiting.exists()
        assert secret.read_text() != (tmp_path / "old").read_text()
        async with client_of(opened[0]) as client:
            assert (await login(client))["access_token"]

    async def test_a_crash_after_the_commit_can_be_met_by_another_rotation(
        self, house: Ostiary, open_house: OpenHouse, tmp_path: Path
    ) -> None:
        """The file that waits is the only one that opens the keys: it must not be overwritten."""
        secret, waiting = tmp_path / "data" / "root.secret", tmp_path / "data" / "root.secret.next"
        shutil.copy(secret, tmp_path / "old")
        await house.incident.rotate(KEEPER, CAUSE)
        secret.rename(waiting)
        shutil.copy(tmp_path / "old", secret)

        await house.incident.rotate(KEEPER, CAUSE)

        assert not waiting.exists()
        await open_house(work=False)


class TestARootSecretFromElsewhere:
    async def test_it_needs_a_file_and_servers_answer_503_until_they_have_it(
        self, open_house: OpenHouse, tmp_path: Path, clock: ManualClock
    ) -> None:
        new = tmp_path / "new.secret"
        new.touch(mode=0o600)
        new.write_text(OTHER)
        place = tmp_path / "vault"
        place.touch(mode=0o600)
        place.write_text(SECRET)
        house, running = [await open_house(work=False, keys={"root_secret_file": str(place)}) for _ in range(2)]
        with pytest.raises(Misconfigured, match="--new-root-secret-file"):
            await house.incident.rotate(KEEPER, CAUSE)

        async with client_of(running) as client:
            grant = await register(client)
            await house.incident.rotate(KEEPER, CAUSE, new)

            await heard(running)
            assert await status_of(client, grant) == 503
            with pytest.raises(Misconfigured):
                await open_house(work=False, keys={"root_secret_file": str(place)})
            place.write_text(OTHER)
            clock.advance(seconds=1)
            assert await status_of(client, grant) == 401
            assert (await login(client))["access_token"]

    async def test_while_it_is_missing_it_is_looked_for_once_a_second(
        self, open_house: OpenHouse, tmp_path: Path, clock: ManualClock
    ) -> None:
        new = tmp_path / "new.secret"
        new.touch(mode=0o600)
        new.write_text(OTHER)
        asked = tmp_path / "asked"
        command = f"sh -c 'echo x >> {asked}; echo {SECRET}'"
        running = await open_house(work=False, keys={"root_secret_command": command})
        house = await open_house(work=False, keys={"root_secret": SECRET})
        await house.incident.rotate(KEEPER, CAUSE, new)
        before = len(asked.read_text())
        for _ in range(10):
            with pytest.raises(KeyMissing):
                await running.keys.reload()
        assert len(asked.read_text()) - before <= 2 * 3

    @pytest.mark.parametrize("text", ["short", "a" * 60])
    async def test_a_weak_one_is_refused_before_anything_is_done(
        self, open_house: OpenHouse, tmp_path: Path, text: str
    ) -> None:
        house = await open_house(work=False, keys={"root_secret": SECRET})
        new = tmp_path / "new.secret"
        new.touch(mode=0o600)
        new.write_text(text)
        before = await raw(house.database_url, "SELECT id, sealed FROM keys ORDER BY id")
        with pytest.raises(Misconfigured, match="too weak"):
            await house.incident.rotate(KEEPER, CAUSE, new)
        assert await raw(house.database_url, "SELECT id, sealed FROM keys ORDER BY id") == before


class TestTelling:
    MESSAGE = "Somebody could read a copy of our database.\n\nYour password is\nsafe; please change it <b>anyway</b>.\n"

    async def test_whoever_has_a_proven_address_gets_one_letter(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        await proven(house, outside, "mira")
        await register(outside, "nora")  # not proven: the address may be anybody's
        named, queued = await house.incident.notify(KEEPER, CAUSE, self.MESSAGE, house.incident.everybody())
        assert queued == 1

        letter = await letter_to(house, "mira@example.org", "Important news")
        assert "Hello mira," in letter.text
        assert "Your password is safe; please change it <b>anyway</b>." in letter.text
        assert "&lt;b&gt;anyway&lt;/b&gt;" in letter.html
        assert isinstance(house.post, Mailbox)
        assert not [one for one in house.post.letters if one.to == "nora@example.org" and "Important" in one.subject]
        for audience in (house.incident.everybody(), house.incident.used_since(0)):
            assert await house.incident.notify(KEEPER, CAUSE, self.MESSAGE, audience) == (named, 0)

    async def test_an_interrupted_notice_goes_on_where_it_was(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        for name in ("mira", "nora", "olga"):
            await proven(house, outside, name)

        async def interrupted() -> AsyncIterator[str]:
            async for account_id in house.incident.everybody():
                yield account_id
                break

        first = await house.incident.notify(KEEPER, CAUSE, self.MESSAGE, interrupted())
        found = await asyncio.gather(
            *(house.incident.notify(KEEPER, CAUSE, self.MESSAGE, house.incident.everybody()) for _ in range(3))
        )
        await house.outbox.drain()

        assert first[1] == 1
        assert sum(queued for _, queued in found) == 2
        assert isinstance(house.post, Mailbox)
        told = [letter.to for letter in house.post.letters if "Important" in letter.subject]
        assert sorted(told) == ["mira@example.org", "nora@example.org", "olga@example.org"]

    async def test_those_of_whom_a_session_was_begun_or_refreshed_since(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        """The refresh may have been the thief's, who has copied a session that is days old."""
        mira = await proven(house, outside, "mira")
        await proven(house, outside, "nora")
        await proven(house, outside, "olga")
        clock.advance(hours=2)
        since = clock.now()
        await login(outside, "nora")
        assert await refreshed(outside, mira) == 200
        await house.incident.end_sessions(KEEPER, None, CAUSE)
        audience = house.incident.used_since(since)
        assert (await house.incident.notify(KEEPER, CAUSE, self.MESSAGE, audience, "n1")) == ("n1", 2)
        for name in ("mira", "nora"):
            assert (await letter_to(house, f"{name}@example.org", "Important")).to == f"{name}@example.org"

    async def test_an_id_stands_for_one_text(self, house: Ostiary) -> None:
        await house.incident.notify(KEEPER, CAUSE, self.MESSAGE, house.incident.everybody(), "n1")
        with pytest.raises(NoticeDiffers):
            await house.incident.notify(KEEPER, CAUSE, "Another.", house.incident.everybody(), "n1")

    async def test_who_is_gone_when_the_letter_would_go_gets_none(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        grant = await proven(house, outside, "mira")
        await house.incident.notify(KEEPER, CAUSE, self.MESSAGE, house.incident.everybody())
        async with house.database.unit() as unit:
            await house.accounts.delete(unit, grant["user"]["id"])
        await house.outbox.drain()
        assert isinstance(house.post, Mailbox)
        assert not [letter for letter in house.post.letters if "Important" in letter.subject]
        assert json.dumps(await raw(house.database_url, "SELECT count(*) FROM incident_receipts")) == "[[0]]"
