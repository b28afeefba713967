"""What ends here is refused there, at once; and a key that goes on being good costs no read (D3, D13)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete
from tests.apikeys.steps import made, name_of, owner, showing, status
from tests.house import API, OpenHouse, bearer, client_of, login
from tests.privacy.steps import keep_token
from tests.recovery.steps import FRESH, confirm, disown_token, reset_token

from ostiary.accounts import queries
from ostiary.apikeys import NewKey, service
from ostiary.core.caller import HOUSE, KEEPER, Caller
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.core.signals import steady_seconds
from ostiary.core.tables import signals
from ostiary.incident import Cause
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary

CALLER = Caller(request_id="test", address="203.0.113.7", agent="Mozilla/5.0")
FORGET_SIGNALS = Query(delete(signals))
AT_ONCE = 0.2  # T13, where a push has to travel; whoever measures it has the machine to itself


@dataclass(frozen=True)
class Two:
    """Two processes of one house, both of which trust a key of one account."""

    here: Ostiary
    there: Ostiary
    account_id: str
    text: str

    @property
    def key_id(self) -> str:
        return name_of(self.text).id

    @property
    def is_exact(self) -> bool:
        """Whether the next request sees what is committed, without a push."""
        return self.there.database.driver.dialect == "sqlite"

    async def refused(self, text: str | None = None) -> None:
        """Expect both to refuse a key; on SQLite with the very next request."""
        deadline = time.perf_counter() + (0 if self.is_exact else AT_ONCE)
        async with client_of(self.here) as here, client_of(self.there) as there:
            assert await status(here, text or self.text) == 401
            while await status(there, text or self.text) != 401:
                assert time.perf_counter() < deadline, "still trusted"
                await asyncio.sleep(0.001)

    async def trusted(self, text: str | None = None) -> None:
        """Expect both to trust it."""
        for house in (self.here, self.there):
            async with client_of(house) as client:
                assert await status(client, text or self.text) == 200


@pytest.fixture
async def two(open_house: OpenHouse) -> Two:
    here, there = await open_house(work=False), await open_house(work=False)
    async with client_of(here) as client:
        mira = await owner(here, client)
        text = await made(client, mira, scopes=["books:lend"])
        account_id = (await client.get(f"{API}/me", headers=mira)).json()["id"]
    both = Two(here, there, account_id, text)
    await both.trusted()
    return both


async def test_a_request_by_key_asks_the_database_nothing(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    driver = two.there.database.driver
    if two.is_exact:
        if two.there.signals._heart is not None:
            two.there.signals._heart.cancel()  # it looks twice a second, whether or not anybody asks
        driver.reader.set_trace_callback(asked.append)  # type: ignore[attr-defined]
    else:
        this, acquire = asyncio.current_task(), driver.acquire  # type: ignore[attr-defined]

        async def counted() -> object:
            if asyncio.current_task() is this:  # and not the heartbeat
                asked.append("a connection")
            return await acquire()

        monkeypatch.setattr(driver, "acquire", counted)

    async with client_of(two.there) as client:
        for _ in range(50):
            assert await status(client, two.text) == 200
        unheated = len(asked)
        await two.there.database.find(queries.BY_ID, account_id="nobody")

    if two.is_exact:
        assert set(asked[:unheated]) == {"PRAGMA data_version"}
        assert len(asked[:unheated]) <= 50
    else:
        assert unheated == 0
        assert len(asked) == 1, "the counter counts"


@pytest.mark.quiet
async def test_a_revoked_key_is_refused_there_and_no_other_with_it(two: Two) -> None:
    async with client_of(two.here) as client:
        other = await made(client, bearer(await login(client)))
    await two.trusted(other)

    await two.here.api_keys.revoke(CALLER, two.account_id, two.key_id)

    await two.refused()
    await two.trusted(other)


@pytest.mark.quiet
async def test_of_many_revocations_the_slowest_is_seen_within_a_fifth_of_a_second(two: Two) -> None:
    issued = [await two.here.api_keys.issue(CALLER, two.account_id, NewKey.of("x")) for _ in range(19)]
    for text in (one.text for one in issued):
        await two.trusted(text)
        await two.here.api_keys.revoke(CALLER, two.account_id, name_of(text).id)
        await two.refused(text)


@pytest.mark.quiet
async def test_a_rotation_without_overlap_ends_the_old_secret_there(two: Two) -> None:
    issued = await two.here.api_keys.rotate(CALLER, two.account_id, two.key_id, timedelta(0))

    await two.refused()
    await two.trusted(issued.text)


Deed = Callable[[Two], Awaitable[object]]


async def _deactivate(two: Two) -> None:
    async with two.here.database.unit(HOUSE) as unit:
        assert await two.here.accounts.set_status(unit, two.account_id, "active", "deactivated")


async def _raise_epoch(two: Two) -> None:
    async with two.here.database.unit(HOUSE) as unit:
        await two.here.accounts.raise_epoch(unit, two.account_id)


async def _delete(two: Two) -> None:
    async with two.here.database.unit(HOUSE) as unit:
        await two.here.accounts.delete(unit, two.account_id)


async def _reset(two: Two) -> None:
    async with client_of(two.here) as client:
        assert (await confirm(client, await reset_token(two.here, client), FRESH)).status_code == 200


async def _disown(two: Two) -> None:
    await two.here.outbox.drain()
    assert isinstance(two.here.post, Mailbox)
    (letter,) = [found for found in two.here.post.letters if "API key was made" in found.subject]
    await two.here.recovery.disown(CALLER, disown_token(letter))


async def _erase(two: Two) -> None:
    await two.here.privacy.erase_for(KEEPER, two.account_id)


CAUSE = Cause("ada", "a drill")

DEEDS: dict[str, Deed] = {
    "deactivated": _deactivate,
    "raised": _raise_epoch,
    "deleted": _delete,
    "reset": _reset,
    "disowned": _disown,
    "to be erased": _erase,
    "blocked": lambda two: two.here.incident.block_account(KEEPER, two.account_id, CAUSE),
    "revoked by an incident": lambda two: two.here.incident.revoke_keys(KEEPER, [two.account_id], CAUSE),
    "everybody's revoked": lambda two: two.here.incident.revoke_keys(KEEPER, None, CAUSE),
}


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)  # how a change travels, the tests above show
@pytest.mark.parametrize("deed", DEEDS)
async def test_what_befalls_an_account_ends_its_keys_everywhere(two: Two, deed: str) -> None:
    await DEEDS[deed](two)

    await two.refused()


@pytest.mark.quiet
async def test_what_is_opened_again_revives_no_key(two: Two) -> None:
    await _erase(two)
    await two.refused()
    async with client_of(two.here) as client:
        answer = await client.post(f"{API}/account/keep", json={"token": await keep_token(two.here)})
        assert answer.status_code == 200, answer.text
    await asyncio.sleep(0 if two.is_exact else AT_ONCE)

    await two.refused()
    assert await two.here.api_keys.listed(two.account_id) == []


async def test_everybodys_keys_are_revoked_in_batches_and_those_made_later_are_not(
    two: Two, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    monkeypatch.setattr(service, "BATCH", 3)
    for _ in range(7):
        await two.here.api_keys.issue(CALLER, two.account_id, NewKey.of("x"))

    assert await two.here.incident.revoke_keys(KEEPER, None, CAUSE) == 8
    assert await two.here.incident.revoke_keys(KEEPER, None, CAUSE) == 0
    clock.advance(seconds=1)
    later = await two.here.api_keys.issue(CALLER, two.account_id, NewKey.of("x"))
    await two.trusted(later.text)


@pytest.mark.quiet
async def test_a_permission_that_is_taken_back_is_gone_from_the_key_there(two: Two) -> None:
    async def may() -> tuple[str, ...]:
        async with client_of(two.there) as client:
            await client.get(f"{API}/me", headers=showing(two.text))
        held = two.there.api_key_guard._held[two.key_id]
        account = await two.there.accounts.remembered(two.account_id)
        assert account is not None
        return held.identity_of(account).permissions

    async def becomes(expected: tuple[str, ...]) -> None:
        deadline = time.perf_counter() + (0 if two.is_exact else AT_ONCE)
        while await may() != expected:
            assert time.perf_counter() < deadline
            await asyncio.sleep(0.001)

    assert await may() == ()
    async with two.here.database.unit(HOUSE) as unit:
        await two.here.accounts.permit(unit, two.account_id, "books:lend")
        await two.here.accounts.permit(unit, two.account_id, "books:burn")
    await becomes(("books:lend",))
    async with two.here.database.unit(HOUSE) as unit:
        await two.here.accounts.forbid(unit, two.account_id, "books:lend")
    await becomes(())


async def test_a_revocation_while_the_key_is_being_read_is_not_overlooked(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.there.api_key_guard._held.clear()
    find = two.there.database.find
    revoked = False

    async def slowly(*words: Any, **parameters: Any) -> Any:  # noqa: ANN401 - as Database.find
        nonlocal revoked
        found = await find(*words, **parameters)
        if "key_id" in parameters and not revoked:
            revoked = True
            await two.here.api_keys.revoke(CALLER, two.account_id, two.key_id)
            await two.there.signals.refresh()  # heard, after the row was read as living
        return found

    monkeypatch.setattr(two.there.database, "find", slowly)
    async with client_of(two.there) as client:
        assert await status(client, two.text) == 401
    assert revoked


@pytest.mark.parametrize("deed", ["revoked by an incident", "deactivated"])
async def test_a_process_that_was_suspended_for_longer_than_changes_are_kept_reads_again(two: Two, deed: str) -> None:
    if two.there.signals._heart is not None:
        two.there.signals._heart.cancel()
    await DEEDS[deed](two)
    await two.here.database.run(FORGET_SIGNALS)  # pruned, before this process heard of it

    two.there.api_key_guard._steady = lambda: steady_seconds() + 17 * 60

    async with client_of(two.there) as client:
        assert await status(client, two.text) == 401


async def test_a_rotation_of_the_houses_own_keys_ends_no_api_key_and_takes_it_over(
    two: Two, clock: ManualClock
) -> None:
    (before,) = await two.here.api_keys.listed(two.account_id)
    await two.here.keys.rotate(KEEPER)
    clock.advance(minutes=11)
    for house in (two.here, two.there):
        house.api_key_guard._held.clear()  # as after a start
    await two.trusted()
    (after,) = await two.here.api_keys.listed(two.account_id)
    assert after.digest.partition(".")[0] != before.digest.partition(".")[0]
    clock.advance(days=400)  # whatever else those keys made has lapsed
    await two.here.keys.tend(KEEPER)
    two.here.api_key_guard._held.clear()
    two.here.api_key_guard._proofs.clear()
    async with client_of(two.here) as client:
        assert await status(client, two.text) == 200


async def test_replacing_every_key_of_the_house_leaves_api_keys_alone(two: Two) -> None:
    await two.here.incident.rotate(KEEPER, CAUSE)
    two.here.api_key_guard._held.clear()
    two.here.api_key_guard._proofs.clear()

    async with client_of(two.here) as client:
        assert await status(client, two.text) == 200
