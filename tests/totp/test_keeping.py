"""Apps and codes as they are kept: removed, disowned, forgotten by the keeper, exported; and never told."""

from __future__ import annotations

import asyncio
import base64
import logging
import re

import httpx
import pytest
from tests.attacks.raw import contents
from tests.attacks.test_planted_secrets import OF_THE_CLIENT, Watch, watch
from tests.contract.browser import Browser
from tests.house import API, OpenHouse, bearer, client_of, journalled, letter_to, login
from tests.login.steps import owed, type_in
from tests.passkeys.steps import strong_owner as owner
from tests.recovery.steps import ADDRESS, disown_token, letters
from tests.totp.steps import CALLER, App, begin, confirm, is_set_up, only_account, prove, said, scan, set_up, use

from ostiary.accounts import check_address
from ostiary.core.caller import KEEPER, Caller
from ostiary.core.clock import ManualClock
from ostiary.incident import Cause
from ostiary.mail import KeptLetter
from ostiary.wiring import Ostiary

__all__ = ["watch"]

ADDED, REMOVED = "factor was set up", "factor was removed"


async def press(client: httpx.AsyncClient, letter: KeptLetter) -> None:
    """Say "this wasn't me" by the link of a letter, in a browser that was never here."""
    token = disown_token(letter)
    answer = await Browser(client).submit("/auth/not-me", at=f"/auth/not-me?token={token}", token=token)
    client.cookies.clear()
    assert answer.status_code == 200, answer.text


async def codes_left(house: Ostiary) -> int:
    return (await house.codes.standing(await only_account(house))).left


async def test_a_removed_app_proves_nothing_and_its_owner_is_told(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    bearing = await owner(house, outside)
    account_id = await only_account(house)
    app, _ = await set_up(house, outside, bearing)
    clock.advance(minutes=1)
    proof = await prove(house, account_id, app.code())
    assert proof is not None

    answers = await asyncio.gather(*(outside.delete(f"{API}/mfa/totp", headers=bearing) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 3
    assert {said(answer) for answer in answers if answer.status_code == 404} == {(404, "no-authenticator")}
    assert not await use(house, account_id, app.code())
    async with house.database.unit(CALLER) as unit:
        assert not await house.totp.confirm(unit, proof)
    assert "/auth/not-me?token=" in (await letter_to(house, ADDRESS, REMOVED)).text
    assert len(letters(house, REMOVED)) == 1
    assert {"totp.removed", "codes.forgotten"} <= set(await journalled(house))


class TestThisWasNotMe:
    async def test_undoes_an_app_that_was_just_set_up(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        """A thief who knows the password sets one up, and shuts the owner out."""
        await set_up(house, outside, await owner(house, outside))
        letter = await letter_to(house, ADDRESS, ADDED)
        clock.advance(days=6, hours=23)

        await press(outside, letter)

        assert not await is_set_up(house)
        assert await codes_left(house) == 0
        assert {"totp.forgotten", "codes.forgotten"} <= set(await journalled(house))

    async def test_takes_no_app_away_that_is_older(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        """Or whoever reads the mailbox would be in by two letters (R20: a reset never bypasses a second factor)."""
        app, codes = await set_up(house, outside, await owner(house, outside))
        clock.advance(days=9)
        bearing = bearer((await type_in(outside, await owed(outside), codes[0])).json())
        await outside.post(f"{API}/mfa/recovery-codes", headers=bearing)
        letter = await letter_to(house, ADDRESS, "New recovery codes")

        await press(outside, letter)

        assert await use(house, await only_account(house), app.code())
        assert await codes_left(house) == 0  # a thief may have made those

    async def test_leaves_old_codes_with_the_old_app(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        bearing = await owner(house, outside)
        await set_up(house, outside, bearing)
        clock.advance(days=9)
        async with house.database.unit(CALLER) as unit:
            account_id = await only_account(house)
            unit.later(
                "letter", kind="new_sign_in", account_id=account_id, when=unit.now, agent="", address="192.0.2.1"
            )

        await press(outside, await letter_to(house, ADDRESS, "New sign-in"))

        assert await is_set_up(house)
        assert await codes_left(house) == 10

    async def test_at_the_moment_of_setting_up_leaves_nothing(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        """What is set up meanwhile waits until everything has ended, and then finds that it was begun before."""
        bearing = await owner(house, outside)
        account_id = await only_account(house)

        async def set_up_meanwhile() -> int:
            begun = await outside.post(f"{API}/mfa/totp/begin", headers=bearing)
            if begun.status_code != 200:
                return begun.status_code
            app = App(base64.b32decode(begun.json()["secret"]), house)
            return (await confirm(outside, bearing, app.code())).status_code

        async with house.database.unit(KEEPER) as unit:
            await house.mfa.forget(unit, account_id, "disowned")
            at_that_moment = asyncio.create_task(set_up_meanwhile())
            await asyncio.sleep(0.7)  # on PostgreSQL it has begun by now, and wants to write

        assert await at_that_moment in (401, 409)
        assert not await is_set_up(house)
        assert await codes_left(house) == 0


class TestOnWhateverDatabase:
    @pytest.fixture
    def storage(self) -> str:
        """One will do."""
        return "sqlite"

    async def test_the_keeper_removes_them_all_and_everybody_hears_of_it(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        bearing = await owner(house, outside)
        app, _ = await set_up(house, outside, bearing)
        await begin(outside, bearing)
        account_id = await only_account(house)

        await house.incident.forget_factors(KEEPER, account_id, Cause("kim", "lost the telephone"))

        stored = await contents(house, without=frozenset())
        assert [stored[name] for name in ("totp_authenticators", "totp_enrolments", "recovery_codes")] == [[], [], []]
        assert (await outside.get(f"{API}/me", headers=bearing)).status_code == 401
        assert not await use(house, account_id, app.code())
        assert "The keepers did this" in (await letter_to(house, ADDRESS, REMOVED)).text
        assert {"factors.forgotten", "incident.step_taken", "alert.raised"} <= set(await journalled(house))
        assert (await login(outside))["access_token"]

    async def test_an_account_that_the_keeper_returns_has_none(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        await set_up(house, outside, await owner(house, outside))
        account_id = await only_account(house)
        async with house.database.unit(KEEPER) as unit:
            await house.accounts.set_status(unit, account_id, "active", "deactivated")

        await house.recovery.give_back(
            KEEPER, account_id, check_address("new@example.org", house.settings.accounts.addresses)
        )

        assert not await is_set_up(house)
        assert await codes_left(house) == 0

    async def test_an_erased_account_leaves_nothing(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        await set_up(house, outside, bearing)
        await begin(outside, bearing)

        await house.privacy.erase_for(KEEPER, await only_account(house), now=True)

        stored = await contents(house, without=frozenset())
        assert [stored[name] for name in ("totp_authenticators", "totp_enrolments", "recovery_codes")] == [[], [], []]

    async def test_an_export_says_when_and_nothing_that_proves_anything(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        bearing = await owner(house, outside)
        app, codes = await set_up(house, outside, bearing)

        answer = await outside.post(f"{API}/account/export", headers=bearing)

        document = answer.json()
        assert document["authenticator"].keys() == {"id", "added_at", "last_used_at", "last_step"}
        assert document["authenticator_enrolment"] is None
        assert [code["used_at"] for code in document["recovery_codes"]] == [None] * 10
        for secret in (*codes, base64.b32encode(app.secret).decode()):
            assert secret not in answer.text

    async def test_no_secret_is_in_a_log_a_refusal_the_journal_or_the_tables(
        self, house: Ostiary, outside: httpx.AsyncClient, watch: Watch, clock: ManualClock
    ) -> None:
        """R17, by planting: every secret that these slices hand out, used well and ill, and then looked for."""
        bearing = await owner(house, outside)
        outside.event_hooks["response"] = [watch.saw]
        account_id = await only_account(house)
        app, codes = await set_up(house, outside, bearing)
        pending = await begin(outside, bearing)
        spelled = base64.b32encode(app.secret).decode()
        secrets = [spelled, app.secret.hex(), pending["secret"], *codes, *(code.replace("-", "") for code in codes)]
        clock.advance(minutes=1)
        shown = {app.code(), app.code(1)}
        proofs = [await prove(house, account_id, app.code()), await house.codes.prove(CALLER, account_id, codes[0], "")]
        assert None not in proofs
        for misplaced in (*codes[:2], spelled, pending["uri"][:64]):
            await confirm(outside, bearing, misplaced)
            assert not await use(house, account_id, misplaced)
            await outside.post(f"{API}/login", json={"login": misplaced[:50], "password": misplaced})
        assert await use(house, account_id, app.code())
        for code in codes:
            proof = await house.codes.prove(CALLER, account_id, code, "")
            assert proof is not None
            async with house.database.unit(CALLER) as unit:
                assert await house.codes.confirm(unit, proof)
        caller = Caller(request_id="test", account_id=account_id, session_id=(await a_session(house, account_id)))
        enrolment = await house.totp.enrol(caller)
        secrets += [enrolment.secret]
        objects = repr([enrolment, *proofs, house.totp, house.codes, await house.totp.pending(caller)])
        await house.outbox.drain()

        stored = {name: repr(rows) for name, rows in (await contents(house, without=frozenset())).items()}
        sent = [(letter.subject, letter.text) for letter in letters(house)]
        everywhere = [*watch.texts(), *stored.items(), *sent, ("an object", objects)]
        assert len(everywhere) > 30
        assert len(watch.refusals) >= 4
        for place, text in everywhere:
            for secret in secrets:
                assert secret not in text, place
        for place, text in [*watch.texts(), ("journal", stored["journal"])]:
            assert not [code for code in shown if f'"{code}"' in text], place

    async def test_a_fault_while_a_secret_is_in_hand_logs_none(
        self, open_house: OpenHouse, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        house = await open_house(work=False)
        async with client_of(house) as outside:
            bearing = await owner(house, outside)
            app = await scan(house, outside, bearing)
            await house.database.driver.close()

            answer = await confirm(outside, bearing, app.code())

        assert answer.status_code == 503
        ours = [record for record in caplog.records if not record.name.startswith(OF_THE_CLIENT)]
        told = " ".join(f"{record.getMessage()} {record.exc_text or ''}" for record in ours)
        assert not re.search(rf"\b{app.code()}\b", told)
        assert app.code() not in answer.text


async def a_session(house: Ostiary, account_id: str) -> str:
    """Return the id of a living session."""
    session, *_ = await house.sessions.listed(account_id)
    return session.id
