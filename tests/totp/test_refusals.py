"""Who may not set an authenticator app up, and what does not confirm one; the same on every database."""

from __future__ import annotations

import json

import httpx
import pytest
from tests.house import API, OpenHouse, bearer, client_of, login, register
from tests.passkeys.steps import strong_owner as owner
from tests.totp.steps import confirm, is_set_up, said, scan, set_up

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary


@pytest.fixture
def storage() -> str:
    """One will do."""
    return "sqlite"


class TestWhoMayNot:
    async def test_a_stranger(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        for answer in (
            await outside.post(f"{API}/mfa/totp/begin"),
            await outside.post(f"{API}/mfa/totp/confirm", json={"code": "123456"}),
            await outside.delete(f"{API}/mfa/totp"),
            await outside.post(f"{API}/mfa/recovery-codes"),
            await outside.get(f"{API}/mfa"),
        ):
            assert answer.status_code == 401

    async def test_somebody_whose_sign_in_is_long_ago(self, house: Ostiary, clock: ManualClock) -> None:
        async with client_of(house) as outside:
            bearing = await owner(house, outside)
            app, _ = await set_up(house, outside, bearing)
            clock.advance(minutes=11)

            for answer in (
                await outside.post(f"{API}/mfa/totp/begin", headers=bearing),
                await confirm(outside, bearing, app.code()),
                await outside.delete(f"{API}/mfa/totp", headers=bearing),
            ):
                assert (answer.status_code, answer.json()["max_age"]) == (401, 600)
            assert (await outside.get(f"{API}/mfa", headers=bearing)).status_code == 200

    async def test_somebody_whose_address_is_not_proven(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        """Or a stranger opens an account in somebody's name, and keeps them out of it for good."""
        bearing = bearer(await register(outside))

        answer = await outside.post(f"{API}/mfa/totp/begin", headers=bearing)

        assert said(answer) == (403, "address-not-proven")
        removal = await outside.delete(f"{API}/mfa/totp", headers=bearing)
        assert said(removal) == (403, "address-not-proven")


class TestACodeDoesNotConfirm:
    async def test_before_anything_was_begun(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        assert said(await confirm(outside, await owner(house, outside), "123456")) == (409, "no-enrolment")

    @pytest.mark.parametrize("steps_ago", [2, -1, -2])
    async def test_of_another_time(self, house: Ostiary, outside: httpx.AsyncClient, steps_ago: int) -> None:
        bearing = await owner(house, outside)
        app = await scan(house, outside, bearing)

        assert said(await confirm(outside, bearing, app.code(steps_ago))) == (422, "authenticator-code-wrong")

    async def test_of_a_secret_that_a_later_one_has_replaced(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        first, second = await scan(house, outside, bearing), await scan(house, outside, bearing)

        assert said(await confirm(outside, bearing, first.code())) == (422, "authenticator-code-wrong")
        assert (await confirm(outside, bearing, second.code())).status_code == 200

    async def test_in_another_session(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        """Else whoever holds a session of the owner's could have them confirm a secret that is not theirs."""
        bearing = await owner(house, outside)
        app = await scan(house, outside, bearing)

        assert said(await confirm(outside, bearer(await login(outside)), app.code())) == (409, "no-enrolment")
        assert not await is_set_up(house)

    async def test_of_another_account(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        mira, nils = await owner(house, outside), await owner(house, outside, "nils")
        his = await scan(house, outside, nils)
        hers = await scan(house, outside, mira)

        assert said(await confirm(outside, mira, his.code())) == (422, "authenticator-code-wrong")
        assert (await confirm(outside, mira, hers.code())).status_code == 200

    async def test_more_often_than_five_times_in_a_quarter_of_an_hour(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        bearing = await owner(house, outside)
        app = await scan(house, outside, bearing)
        statuses = [(await confirm(outside, bearing, app.wrong())).status_code for _ in range(6)]
        assert statuses == [422] * 5 + [429]
        assert (await confirm(outside, bearing, app.code())).status_code == 429  # nor by guessing in another session
        other = bearer(await login(outside))
        assert (await confirm(outside, other, (await scan(house, outside, other)).code())).status_code == 429

        clock.advance(minutes=15)
        bearing = bearer(await login(outside))
        assert (await confirm(outside, bearing, (await scan(house, outside, bearing)).code())).status_code == 200

    async def test_that_is_no_code_or_no_text(self, open_house: OpenHouse) -> None:
        house = await open_house(work=False, protection={"enrolment_codes": 100})
        async with client_of(house) as outside:
            bearing = await owner(house, outside)
            code = (app := await scan(house, outside, bearing)).code()
            no_codes = [
                "",
                " ",
                code[:5],
                f"{code}0",
                "abcdef",
                "１２３４５６",
                "'; --",
                "{{7*7}}",
                f"-{code[:5]}",
                "😀",
            ]
            for other in no_codes:
                assert said(await confirm(outside, bearing, other)) == (422, "authenticator-code-wrong"), other
            for no_text in (
                None,
                int(code),
                float(code),
                True,
                [],
                {},
                [code],
                {"code": code},
                "9" * 65,
                code + " " * 59,
            ):
                assert (await confirm(outside, bearing, no_text)).status_code == 422, no_text
            assert not await is_set_up(house)
            assert (await confirm(outside, bearing, app.code())).status_code == 200

    async def test_in_a_body_of_another_form(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        code = json.dumps((await scan(house, outside, bearing)).code())
        for body in (
            "", "{}", "[]", "null", code, f'{{"code": {code}, "account_id": "x"}}', f'{{"code": {code}',
            f'{{"code": {code}, "code": {code}}}', f'{{"Code": {code}}}', f'{{"code": {code[:-1]}\\u0000"}}',
        ):  # fmt: skip
            headers = bearing | {"content-type": "application/json"}
            answer = await outside.post(f"{API}/mfa/totp/confirm", content=body, headers=headers)
            assert answer.status_code in (400, 422), body
        answer = await outside.post(f"{API}/mfa/totp/confirm", data={"code": code.strip('"')}, headers=bearing)
        assert answer.status_code == 415
        assert not await is_set_up(house)
