"""Setting an authenticator app up: two steps, one session, ten minutes, and the owner is told."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from tests.attacks.raw import contents
from tests.house import API, journalled, letter_to
from tests.passkeys.steps import add
from tests.passkeys.steps import strong_owner as owner
from tests.recovery.steps import confirm as choose_password
from tests.recovery.steps import letters, reset_token
from tests.totp.steps import begin, confirm, is_set_up, only_account, prove, said, scan, set_up, use

from ostiary.core.caller import KEEPER, Caller
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

ADDED = "factor was set up"


async def test_an_app_counts_once_its_code_was_shown_and_its_owner_is_told(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    bearing = await owner(house, outside)
    account_id = await only_account(house)
    told = await begin(outside, bearing)
    assert told["uri"] == f"otpauth://totp/Ostiary:mira?secret={told['secret']}&issuer=Ostiary"
    assert told["qr_svg"].startswith("<svg ")
    assert not await is_set_up(house)

    app, codes = await set_up(house, outside, bearing)

    assert await is_set_up(house)
    assert len(codes) == 10
    assert not await use(house, account_id, app.code())  # the code that confirms does not sign in
    letter = await letter_to(house, "mira@example.org", ADDED)
    assert "10 recovery codes" in letter.text
    assert "/auth/not-me?token=" in letter.text
    assert {"totp.enrolment_started", "totp.added", "codes.issued"} <= set(await journalled(house))
    shown = (await outside.get(f"{API}/mfa", headers=bearing)).json()
    assert shown["totp"]["last_used_at"] is None
    assert (shown["recovery_codes"]["left"], shown["passkeys"]) == (10, 0)


async def test_nothing_is_set_up_for_who_has_nothing(house: Ostiary, outside: httpx.AsyncClient) -> None:
    shown = await outside.get(f"{API}/mfa", headers=await owner(house, outside))
    assert shown.json() == {
        "strongest": "aal1", "password": True, "totp": None, "phone": None,
        "recovery_codes": {"left": 0, "made_at": None}, "passkeys": 0, "remembered_browsers": 0,
    }  # fmt: skip


async def test_the_code_of_the_step_before_will_do(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    bearing = await owner(house, outside)
    app = await scan(house, outside, bearing)
    shown = app.code()
    clock.advance(seconds=30)

    assert (await confirm(outside, bearing, shown)).status_code == 200


async def test_another_app_takes_the_place_of_the_first_once_it_is_confirmed(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    bearing = await owner(house, outside)
    account_id = await only_account(house)
    first, codes = await set_up(house, outside, bearing)
    second = await scan(house, outside, bearing)
    clock.advance(minutes=1)
    assert await use(house, account_id, first.code())
    proof = await prove(house, account_id, first.code())  # of a step that is used: None
    assert proof is None
    clock.advance(minutes=1)
    old_proof = await prove(house, account_id, first.code())
    assert old_proof is not None

    answer = await confirm(outside, bearing, second.code())

    assert answer.json()["recovery_codes"] == []  # those on paper stay good
    assert len(codes) == 10
    clock.advance(minutes=1)
    assert not await use(house, account_id, first.code())
    async with house.database.unit() as unit:
        assert not await house.totp.confirm(unit, old_proof)
    assert await use(house, account_id, second.code())
    assert "takes the place" in (await letter_to(house, "mira@example.org", ADDED)).text
    assert "totp.replaced" in await journalled(house)


class TestACodeDoesNotConfirm:
    async def test_that_is_wrong_and_the_right_one_still_does(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        app = await scan(house, outside, bearing)

        answer = await confirm(outside, bearing, app.wrong())

        assert said(answer) == (422, "authenticator-code-wrong")
        assert answer.json()["errors"][0]["field"] == "code"
        assert not await is_set_up(house)
        assert "totp.refused" in await journalled(house)
        assert (await confirm(outside, bearing, app.code())).status_code == 200

    async def test_too_late(self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock) -> None:
        bearing = await owner(house, outside)
        app = await scan(house, outside, bearing)
        clock.advance(minutes=10)  # to the millisecond: the sign-in is still fresh enough

        assert said(await confirm(outside, bearing, app.code())) == (409, "no-enrolment")
        await house.totp.prune()
        assert (await contents(house, without=frozenset()))["totp_enrolments"] == []

    async def test_after_everything_was_ended(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        """Begun by a thief, finished after the owner's new password: the session is over, and the epoch another."""
        bearing = await owner(house, outside)
        app = await scan(house, outside, bearing)
        assert (await choose_password(outside, await reset_token(house, outside))).status_code == 200
        assert (await confirm(outside, bearing, app.code())).status_code == 401

        account_id = await only_account(house)
        async with house.database.unit(KEEPER) as unit:  # even if the session had lived on
            pending = await house.totp.personal(unit, account_id)
            assert pending["authenticator_enrolment"]["epoch"] < (await house.accounts.get(unit, account_id)).epoch
        session_id = pending["authenticator_enrolment"]["session_id"]
        from_there = Caller(request_id="test", account_id=account_id, session_id=session_id)
        with pytest.raises(Exception, match="begin anew"):
            await house.totp.activate(from_there, app.code())
        assert await house.totp.pending(from_there) is None

    async def test_a_second_time(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        app = await scan(house, outside, bearing)
        assert (await confirm(outside, bearing, app.code())).status_code == 200

        assert said(await confirm(outside, bearing, app.code())) == (409, "no-enrolment")

    async def test_of_many_at_once_but_for_one(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        app = await scan(house, outside, bearing)

        answers = await asyncio.gather(*(confirm(outside, bearing, app.code()) for _ in range(5)))

        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 4
        await house.outbox.drain()
        assert len(letters(house, ADDED)) == 1
        assert (await journalled(house)).count("codes.issued") == 1


async def test_two_begin_at_once_and_one_secret_is_left(house: Ostiary, outside: httpx.AsyncClient) -> None:
    bearing = await owner(house, outside)

    told = await asyncio.gather(*(scan(house, outside, bearing) for _ in range(5)))

    statuses = [(await confirm(outside, bearing, app.code())).status_code for app in told]
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 422, 409}


async def test_a_passkey_and_an_app_share_the_codes(house: Ostiary, outside: httpx.AsyncClient) -> None:
    bearing = await owner(house, outside)
    await add(outside, bearing)

    _, codes = await set_up(house, outside, bearing)

    assert len(codes) == 10
    shown = (await outside.get(f"{API}/mfa", headers=bearing)).json()
    assert (shown["passkeys"], shown["recovery_codes"]["left"]) == (1, 10)
