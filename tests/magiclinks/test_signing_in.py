"""Signing in by a letter: once, by who reads it, and by nothing that only looks at it (R20, D10, D13)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import httpx
import pytest
from tests.attacks.raw import contents
from tests.contract.browser import DEVICE, Browser, set_cookies
from tests.house import API, NEW_PASSWORD, PASSWORD, OpenHouse, bearer, client_of, journalled, letter_to, login
from tests.magiclinks.steps import COOKIE, Letter, ask, asked, browser_with, cookie_of, open_link, slug, type_code
from tests.recovery.steps import ADDRESS, CALLER, move, reset_token, settled, try_in
from tests.recovery.steps import confirm as reset

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.secrets import unb64
from ostiary.magiclinks import Browser as Asker
from ostiary.magiclinks import Opened
from ostiary.wiring import Ostiary

LINK_SPENT = (401, "token-not-valid")
CODE_WRONG = (401, "link-code-not-valid")


def claims(signed_in: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(unb64(signed_in["access_token"].split(".")[1]))
    return found


class TestInTheBrowserThatAsked:
    async def test_the_link_signs_in_by_the_mailbox_alone(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await settled(house, outside)
        letter = await asked(house, outside)

        answer = await open_link(outside, letter.token, letter.cookie)

        assert answer.status_code == 200, answer.text
        assert answer.json()["user"]["username"] == "mira"
        assert claims(answer.json())["amr"] == ["mail"]  # never `mfa`: it proves a mailbox, and no second factor
        assert set_cookies(answer)[COOKIE].attributes["max-age"] == "0"
        assert (await outside.get(f"{API}/me", headers=bearer(answer.json()))).status_code == 200
        assert (await journalled(house))[-2:] == ["session.started", "login.succeeded"]

    async def test_the_code_signs_in_however_it_is_typed(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await settled(house, outside)
        letter = await asked(house, outside)

        answer = await type_code(outside, f" {letter.code.lower().replace('-', ' ')} ", letter.cookie)

        assert answer.status_code == 200, answer.text
        assert claims(answer.json())["amr"] == ["mail"]

    @pytest.mark.parametrize("by", ["link", "code"])
    async def test_link_and_code_are_good_for_one_sign_in_together(
        self, house: Ostiary, outside: httpx.AsyncClient, by: str
    ) -> None:
        await settled(house, outside)
        letter = await asked(house, outside)
        first = open_link(outside, letter.token, letter.cookie)
        if by == "code":
            first.close()
            first = type_code(outside, letter.code, letter.cookie)
        assert (await first).status_code == 200

        assert slug(await open_link(outside, letter.token, letter.cookie)) == LINK_SPENT
        assert slug(await type_code(outside, letter.code, letter.cookie)) == CODE_WRONG

    async def test_a_locked_name_does_not_shut_it(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await settled(house, outside)
        for _ in range(7):
            await try_in(outside, "not the battery at all")
        assert await try_in(outside, PASSWORD) == 423
        letter = await asked(house, outside)

        assert (await open_link(outside, letter.token, letter.cookie)).status_code == 200

    async def test_an_unknown_device_is_told_to_the_owner(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await settled(house, outside)
        await house.outbox.drain()
        async with client_of(house, "198.51.100.77") as elsewhere:
            letter = await asked(house, elsewhere)
            assert (await open_link(elsewhere, letter.token, letter.cookie)).status_code == 200

        assert "198.51.100.77" in (await letter_to(house, ADDRESS, "New sign-in")).text


class TestLookingUsesNothingUp:
    async def test_by_get_head_or_a_scanner_without_scripts(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await settled(house, outside)
        letter = await asked(house, outside)
        before = await contents(house)
        where = f"/auth/magic-link?token={letter.token}"

        for _ in range(3):
            shown = await outside.get(where)
            assert (shown.status_code, shown.headers["referrer-policy"]) == (200, "strict-origin")
            assert (await outside.head(where)).status_code == 200
        # A scanner that submits forms has no token of ours, and comes from nowhere we know.
        for data in ({"token": letter.token}, {"token": letter.token, "elsewhere": "yes"}):
            foreign = {"origin": "https://scanner.example"}
            assert (await outside.post("/auth/magic-link", data=data, headers=foreign)).status_code == 403

        outside.cookies.clear()
        assert await contents(house) == before
        assert (await open_link(outside, letter.token, letter.cookie)).status_code == 200
        assert (await outside.get(where)).status_code == 404
        assert (await outside.head(where)).status_code == 404


class TestInAnotherBrowser:
    async def test_the_api_asks_first_and_says_what_it_would_sign_in(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        await settled(house, outside)
        letter = await asked(house, outside)
        others = cookie_of(await ask(outside, "nobody@example.org"))

        for cookie in (None, others, "forged", letter.cookie[:-1]):
            answer = await open_link(outside, letter.token, cookie)
            assert slug(answer) == (409, "another-browser")
            assert "set-cookie" not in answer.headers
        told = answer.json()
        assert (told["account"], told["device"], told["address"]) == ("mi•••", "Python HTTPX", "203.0.113.7")
        assert told["asked_at"].endswith("Z")
        assert "mira" not in answer.text

        assert (await open_link(outside, letter.token, elsewhere=True)).status_code == 200

    async def test_a_page_names_account_time_and_browser_before_it_asks(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        await settled(house, outside)
        letter = await asked(house, outside)
        where = f"/auth/magic-link?token={letter.token}"
        here, there = browser_with(outside, letter.cookie), browser_with(outside)

        assert "mira" in (await here.get(where)).text
        shown = (await there.get(where)).text
        assert "mi•••" in shown
        assert "mira" not in shown
        assert "203.0.113.7" in shown
        # The form of the browser that asked, sent from this one, signs nobody in.
        assert (await there.submit("/auth/magic-link", at=where, token=letter.token)).status_code == 409

        answer = await there.submit("/auth/magic-link", at=where, token=letter.token, elsewhere="yes")
        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/account")
        assert (await there.get("/auth/account")).status_code == 200

    async def test_a_code_is_worth_nothing_there(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await settled(house, outside)
        letter = await asked(house, outside)
        others = cookie_of(await ask(outside, "nobody@example.org"))

        for cookie in (None, others, "forged", letter.cookie[:-1]):
            assert slug(await type_code(outside, letter.code, cookie)) == CODE_WRONG

        assert (await type_code(outside, letter.code, letter.cookie)).status_code == 200

    async def test_only_the_browser_that_asked_is_led_on(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await settled(house, outside)
        for is_same, arrives in ((True, "/auth/sessions"), (False, "/auth/account")):
            browser = Browser(outside)
            sent = await browser.submit("/auth/link", email=ADDRESS, next="/auth/sessions")
            assert (sent.status_code, sent.headers["location"]) == (303, "/auth/link/sent")
            letter = await letter_to(house, ADDRESS, "Sign in to")
            token = letter.text.partition("token=")[2][:43]
            goes = browser if is_same else Browser(outside)
            how = {} if is_same else {"elsewhere": "yes"}

            answer = await goes.submit("/auth/magic-link", at=f"/auth/magic-link?token={token}", token=token, **how)

            assert answer.headers["location"] == arrives


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
class TestALetterDies:
    @pytest.fixture
    async def letter(self, house: Ostiary, outside: httpx.AsyncClient) -> Letter:
        await settled(house, outside)
        return await asked(house, outside)

    async def dead(self, outside: httpx.AsyncClient, letter: Letter) -> None:
        assert slug(await type_code(outside, letter.code, letter.cookie)) == CODE_WRONG
        assert slug(await open_link(outside, letter.token, letter.cookie)) == LINK_SPENT
        assert slug(await open_link(outside, letter.token, elsewhere=True)) == LINK_SPENT
        assert (await outside.get(f"/auth/magic-link?token={letter.token}")).status_code == 404

    async def test_after_ten_minutes(self, outside: httpx.AsyncClient, letter: Letter, clock: ManualClock) -> None:
        clock.advance(minutes=10)
        await self.dead(outside, letter)

    async def test_with_the_password(self, outside: httpx.AsyncClient, letter: Letter) -> None:
        change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        held = await login(outside)
        answer = await outside.post(f"{API}/password/change", json=change, headers=bearer(held))
        assert answer.status_code == 200, answer.text
        await self.dead(outside, letter)

    async def test_with_a_new_password_by_mail(
        self, house: Ostiary, outside: httpx.AsyncClient, letter: Letter
    ) -> None:
        assert (await reset(outside, await reset_token(house, outside))).status_code == 200
        await self.dead(outside, letter)

    async def test_with_the_address(self, house: Ostiary, outside: httpx.AsyncClient, letter: Letter) -> None:
        await move(house, outside, bearer(await login(outside)), "new@example.net")
        await self.dead(outside, letter)

    async def test_with_the_epoch(self, house: Ostiary, outside: httpx.AsyncClient, letter: Letter) -> None:
        async with house.database.unit(KEEPER) as unit:
            account_id = await house.accounts.find_by_login(unit, ADDRESS)
            await house.accounts.raise_epoch(unit, account_id or "")
        await self.dead(outside, letter)

    async def test_with_the_account(self, house: Ostiary, outside: httpx.AsyncClient, letter: Letter) -> None:
        async with house.database.unit(KEEPER) as unit:
            account_id = await house.accounts.find_by_login(unit, ADDRESS)
            assert await house.accounts.set_status(unit, account_id or "", "active", "deactivated")
        await self.dead(outside, letter)

    async def test_with_a_secret_that_is_cut_or_written_anew(self, outside: httpx.AsyncClient, letter: Letter) -> None:
        for token in (letter.token[:-1], letter.token + "=", letter.token + "a", letter.token.swapcase()):
            assert slug(await open_link(outside, token, letter.cookie)) == LINK_SPENT
        assert (await open_link(outside, letter.token, letter.cookie)).status_code == 200


async def test_what_changes_between_looking_and_entering_still_decides(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """The proof is compared once more in the unit that starts the session, with the password's row held."""
    await settled(house, outside)
    letter = await asked(house, outside)
    held = await login(outside)
    browser = house.magic_links.browser_in(letter.cookie)
    proof = await house.magic_links.prove(CALLER, Opened(letter.token), browser)
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await outside.post(f"{API}/password/change", json=change, headers=bearer(held))).status_code == 200

    async with house.database.unit(CALLER) as unit:
        assert not await house.magic_links.confirm(unit, proof)

    assert isinstance(browser, Asker)
    assert letter.token not in repr(proof)


async def test_a_password_that_changes_while_somebody_enters_ends_their_session(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """Whoever confirms holds the password's row: the change comes after, and sees the session that it has to end."""
    await settled(house, outside)
    letter = await asked(house, outside)
    held = await login(outside)
    proof = await house.magic_links.prove(CALLER, Opened(letter.token, elsewhere=True), None)
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    async with house.database.unit(CALLER) as unit:
        assert await house.magic_links.confirm(unit, proof)
        changing = asyncio.create_task(
            outside.post(f"{API}/password/change", json=change, headers=bearer(held))
        )  # fmt: skip
        await asyncio.sleep(0.3)
        assert not changing.done()
        account = await house.accounts.get(unit, proof.account_id)
        session = await house.sessions.start(unit, account, methods=proof.methods, device_id=None)

    assert (await changing).status_code == 200
    ended = await house.sessions.find(session.id)
    assert ended is not None
    assert ended.end_reason == "password-changed"


class TestGuessingACode:
    async def test_five_wrong_ones_shut_the_code_and_leave_the_link(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        await settled(house, outside)
        letter = await asked(house, outside)
        for _ in range(5):
            assert slug(await type_code(outside, "AAAA-AAAA", letter.cookie)) == CODE_WRONG

        refused = await type_code(outside, letter.code, letter.cookie)

        assert slug(refused) == (429, "limit-reached")
        assert (await open_link(outside, letter.token, letter.cookie)).status_code == 200

    async def test_of_a_hundred_at_once_five_are_compared(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await settled(house, outside)
        letter = await asked(house, outside)

        answers = await asyncio.gather(*(type_code(outside, "AAAA-AAAA", letter.cookie) for _ in range(100)))

        assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 95}

    async def test_an_account_has_its_own_number_whatever_request_or_address(self, open_house: OpenHouse) -> None:
        house = await open_house(
            work=False, protection={"links_per_hour": 100, "letters_per_hour": 100, "link_failures_per_day": 6}
        )
        async with client_of(house) as outside:
            await settled(house, outside)
            signed_in = Browser(outside)
            await signed_in.sign_in()
            outside.cookies.clear()
            for number in range(3):
                letter = await asked(house, outside)
                async with client_of(house, f"198.51.100.{number}") as elsewhere:
                    for _ in range(3):
                        assert slug(await type_code(elsewhere, "AAAA-AAAA", letter.cookie)) == CODE_WRONG
            letter = await asked(house, outside)

            # The number is gone: the answer is that of a wrong code, so that it tells nobody that there is an account.
            assert slug(await type_code(outside, letter.code, letter.cookie)) == CODE_WRONG
            # A browser that the account knows has a number of its own, and the link works for everybody.
            known = {"cookie": f"{COOKIE}={letter.cookie}; {DEVICE}={signed_in.cookies[DEVICE]}"}
            answer = await outside.post(f"{API}/magic-link/confirm", json={"code": letter.code}, headers=known)
            assert answer.status_code == 200, answer.text
            outside.cookies.clear()
            letter = await asked(house, outside)
            assert (await open_link(outside, letter.token, letter.cookie)).status_code == 200

    async def test_it_must_be_one_of_link_and_code(self, outside: httpx.AsyncClient) -> None:
        for body in ({}, {"token": "a", "code": "b"}, {"token": ""}, {"code": "a", "email": ADDRESS}):
            answer = await outside.post(f"{API}/magic-link/confirm", json=body)
            assert slug(answer) == (422, "invalid-fields")


async def test_of_a_hundred_confirmations_at_once_one_wins(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """Link and code, in the browser that asked and elsewhere, all of one letter: one row decides (D10)."""
    await settled(house, outside)
    letter = await asked(house, outside)
    ways = [
        lambda: open_link(outside, letter.token, letter.cookie),
        lambda: open_link(outside, letter.token, elsewhere=True),
    ]
    codes = [type_code(outside, letter.code, letter.cookie) for _ in range(5)]

    answers = await asyncio.gather(*codes, *(ways[number % 2]() for number in range(95)))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 99}
    (won,) = [answer.json() for answer in answers if answer.status_code == 200]
    sessions = (await outside.get(f"{API}/sessions", headers=bearer(won))).json()["sessions"]
    assert len(sessions) == 2  # that of registering, and this one


async def test_two_processes_let_one_in(open_house: OpenHouse) -> None:
    first, second = await open_house(work=False), await open_house(work=False)
    async with client_of(first) as one, client_of(second) as other:
        await settled(first, one)
        letter = await asked(first, one)

        answers = await asyncio.gather(
            *(open_link(client, letter.token, letter.cookie) for _ in range(20) for client in (one, other))
        )

        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 39}


async def test_a_blocked_address_is_shut_out_and_a_known_browser_is_not(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await settled(house, outside)
    browser = Browser(outside)
    await browser.sign_in()
    outside.cookies.clear()
    letter = await asked(house, outside)
    await house.blocks.add(KEEPER, "203.0.113.7", reason="a test", lifetime=None, bars="strangers")

    assert slug(await open_link(outside, letter.token, letter.cookie)) == (403, "address-blocked")
    assert slug(await ask(outside)) == (403, "address-blocked")

    known = {"cookie": f"{COOKIE}={letter.cookie}; {DEVICE}={browser.cookies[DEVICE]}"}
    answer = await outside.post(f"{API}/magic-link/confirm", json={"token": letter.token}, headers=known)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("weight", "status"), [(60, 200), (200, 401)], ids=["a challenge", "denied"])
async def test_policy_may_deny_and_a_challenge_wants_what_a_letter_proves(
    open_house: OpenHouse, weight: int, status: int
) -> None:
    house = await open_house(work=False)
    async with client_of(house) as owner:
        await settled(house, owner)
        await Browser(owner).sign_in()
    judging = await open_house(work=False, risk={"weights": {"new_device": weight}})
    async with client_of(judging, "198.51.100.80") as elsewhere:
        letter = await asked(judging, elsewhere)

        answer = await open_link(elsewhere, letter.token, letter.cookie)

        assert answer.status_code == status, answer.text
        if status == 401:
            assert slug(answer) == LINK_SPENT
            assert slug(await open_link(elsewhere, letter.token, letter.cookie)) == LINK_SPENT
            assert "login.refused" in await journalled(judging)
