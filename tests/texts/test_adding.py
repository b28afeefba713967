"""A telephone number of one's own: added by a code that was sent to it, told by letter, removed (R20)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.contract.browser import ACCESS, Browser
from tests.house import (
    API,
    OpenHouse,
    bearer,
    client_of,
    journalled,
    letter_to,
    login,
    register,
    strengthened,
)
from tests.login.steps import owed, type_in
from tests.privacy.steps import everything_stored
from tests.recovery.steps import ADDRESS, CALLER, disown_token, settled
from tests.texts.steps import (
    NUMBER,
    OTHER,
    account_id,
    add,
    begin,
    code_in,
    confirm,
    number_of,
    offering,
    owner,
    remove,
    slug,
    texts,
    wrong,
)

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.incident import Cause
from ostiary.wiring import Ostiary

WRONG = (422, "text-code-not-valid")


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    return await offering(open_house)


@pytest.fixture
async def outside(house: Ostiary) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(house) as client:
        yield client


class TestSomebodyWithATelephone:
    async def test_adds_it_by_the_code_in_a_text_and_is_told_by_letter(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        bearing = await owner(house, outside)

        assert (await begin(outside, bearing, " +46 70-123 45 67 ")).status_code == 200
        (text,) = texts(house)
        assert text.to == NUMBER
        assert text.body.endswith(f"\n\n@localhost #{code_in(text)}")  # browsers offer it to our pages alone
        assert len(text.body) <= 160
        assert await number_of(house, await account_id(house)) is None
        assert (await confirm(outside, bearing, f" {code_in(text)[:3]} {code_in(text)[3:]}")).status_code == 200

        assert await number_of(house, await account_id(house)) == NUMBER
        letter = await letter_to(house, ADDRESS, "telephone number was added")
        assert "+46 ••• 67" in letter.text
        assert NUMBER not in letter.text
        assert [e for e in await journalled(house) if e.startswith(("text.", "phone."))] == ["text.sent", "phone.added"]

    async def test_finds_it_stored_under_the_accounts_own_key_only(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        bearing = await owner(house, outside)
        await add(house, outside, bearing)
        await begin(outside, bearing, OTHER)

        stored = await everything_stored(house)

        for secret in (NUMBER, NUMBER[1:], OTHER, OTHER[1:]):
            assert secret not in stored

    async def test_replaces_it_and_hears_of_both(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        await add(house, outside, bearing)
        await add(house, outside, bearing, OTHER)

        assert await number_of(house, await account_id(house)) == OTHER
        assert "67" in (await letter_to(house, ADDRESS, "number was removed")).text
        assert "+1 ••• 23" in (await letter_to(house, ADDRESS, "number was added")).text

    async def test_removes_it(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        await add(house, outside, bearing)

        assert (await remove(outside, bearing)).status_code == 200

        assert await number_of(house, await account_id(house)) is None
        assert "+46 ••• 67" in (await letter_to(house, ADDRESS, "number was removed")).text
        assert slug(await remove(outside, bearing)) == (404, "no-phone")

    async def test_does_all_of_it_on_a_page(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await settled(house, outside)
        browser = Browser(outside)
        signed_in = await browser.sign_in()
        assert "/auth/phone" in (await browser.get("/auth/security")).text
        refused = await browser.submit("/auth/phone/begin", at="/auth/phone", number="070 123 45 67")
        assert (refused.status_code, "country’s prefix" in refused.text) == (422, True)
        assert (await browser.submit("/auth/phone/begin", at="/auth/phone", number=NUMBER)).status_code == 303
        assert "+46 ••• 67" in (await browser.get("/auth/phone")).text
        code = code_in(texts(house)[0])
        assert (await browser.submit("/auth/phone/confirm", at="/auth/phone", code=wrong(code))).status_code == 422
        assert (await browser.submit("/auth/phone/confirm", at="/auth/phone", code=code)).status_code == 303
        assert "Not used yet" in (await browser.get("/auth/phone")).text
        refused = await browser.submit("/auth/phone/remove", at="/auth/phone")
        assert refused.headers["location"] == "/auth/step-up"
        await strengthened(house, signed_in.json())
        del browser.cookies[ACCESS]  # the page's own cookie brings one that says so
        assert (await browser.submit("/auth/phone/remove", at="/auth/phone")).status_code == 303
        assert "Not used yet" not in (await browser.get("/auth/phone")).text


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
class TestWhoMayNot:
    async def test_where_nothing_is_configured(self, open_house: OpenHouse) -> None:
        house: Ostiary = await open_house(work=False)
        async with client_of(house) as outside:
            bearing = await owner(house, outside)
            assert slug(await begin(outside, bearing)) == (404, "texts-not-offered")
            assert texts(house) == []
            browser = Browser(outside)
            await browser.sign_in()
            assert "/auth/phone" not in (await browser.get("/auth/security")).text
            assert "not offered" in (await browser.get("/auth/phone")).text

    async def test_somebody_whose_address_is_not_proven(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = bearer(await register(outside))
        assert slug(await begin(outside, bearing)) == (403, "address-not-proven")
        assert texts(house) == []

    async def test_somebody_whose_sign_in_is_long_ago(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        bearing = await owner(house, outside)
        await add(house, outside, bearing)
        clock.advance(minutes=11)
        for answer in (
            await begin(outside, bearing), await confirm(outside, bearing, "123456"), await remove(outside, bearing),
        ):  # fmt: skip
            assert slug(answer) == (401, "sign-in-too-old")

    async def test_a_number_that_texts_do_not_go_to(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        for number, code in (
            ("0701234567", "no-country"), ("+33612345678", "no-such-country"), ("+18765550123", "no-such-country"),
        ):  # fmt: skip
            answer = await begin(outside, bearing, number)
            assert slug(answer) == (422, "invalid-fields")
            assert [error["code"] for error in answer.json()["errors"]] == [code]
        assert texts(house) == []


class TestACode:
    async def test_is_good_in_the_session_that_asked_alone(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing, other = await owner(house, outside), bearer(await login(outside))
        await begin(outside, bearing)
        code = code_in(texts(house)[0])

        for _ in range(6):  # more than a code bears: what another session guesses is no guess at this code
            assert slug(await confirm(outside, other, code)) == WRONG

        assert (await confirm(outside, bearing, code)).status_code == 200

    async def test_is_good_for_its_account_alone(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        mira, eve = await owner(house, outside), await owner(house, outside, "eve")
        await begin(outside, mira)
        assert slug(await confirm(outside, eve, code_in(texts(house)[0]))) == WRONG

    async def test_dies_with_a_newer_one(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        await begin(outside, bearing)
        await begin(outside, bearing)
        newer, older = texts(house)

        if code_in(newer) != code_in(older):
            assert slug(await confirm(outside, bearing, code_in(older))) == WRONG
        assert (await confirm(outside, bearing, code_in(newer))).status_code == 200

    async def test_dies_after_five_minutes(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        bearing = await owner(house, outside)
        await begin(outside, bearing)
        clock.advance(minutes=5)
        assert slug(await confirm(outside, bearing, code_in(texts(house)[0]))) == WRONG

    async def test_bears_five_guesses_also_at_once(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        await begin(outside, bearing)
        code = code_in(texts(house)[0])
        guesses = await asyncio.gather(*(confirm(outside, bearing, wrong(code)) for _ in range(10)))
        assert {slug(answer) for answer in guesses} == {WRONG}

        assert slug(await confirm(outside, bearing, code)) == WRONG

        await begin(outside, bearing)
        assert (await confirm(outside, bearing, code_in(texts(house)[0]))).status_code == 200

    async def test_is_good_once_of_a_hundred_at_once(self, open_house: OpenHouse) -> None:
        house = await offering(open_house, protection={"text_failures_per_day": 100})
        async with client_of(house) as outside:
            bearing = await owner(house, outside)
            await begin(outside, bearing)
            code = code_in(texts(house)[0])

            answers = await asyncio.gather(*(confirm(outside, bearing, code) for _ in range(100)))

            assert Counter(answer.status_code for answer in answers) == {200: 1, 422: 99}
            assert (await journalled(house)).count("phone.added") == 1

    async def test_guesses_count_across_codes_that_are_sent_anew(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        """SP 800-63B-4, 3.1.3: else every new code would bring new guesses."""
        bearing = await owner(house, outside)
        for _ in range(4):
            await begin(outside, bearing)
            for _ in range(5):
                assert slug(await confirm(outside, bearing, wrong(code_in(texts(house)[0])))) == WRONG
        await begin(outside, bearing)

        assert slug(await confirm(outside, bearing, code_in(texts(house)[0]))) == (429, "limit-reached")

    async def test_dies_when_every_key_is_replaced_and_the_number_stays(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        bearing = await owner(house, outside)
        await add(house, outside, bearing)
        whose = await account_id(house)
        await house.texts.send(CALLER, whose, "attempt")

        await house.incident.rotate(KEEPER, Cause("ada", "a drill"))

        assert await house.texts.prove(CALLER, whose, code_in(texts(house)[0]), "attempt") is None
        assert await number_of(house, whose) == NUMBER


class TestThisWasNotMe:
    async def test_takes_a_number_that_was_added_lately(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await add(house, outside, await owner(house, outside))
        token = disown_token(await letter_to(house, ADDRESS, "number was added"))

        await Browser(outside).submit("/auth/not-me", at=f"/auth/not-me?token={token}", token=token)

        assert await number_of(house, await account_id(house)) is None

    async def test_leaves_an_older_one_that_a_reader_of_the_mailbox_must_not_get_past(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await add(house, outside, await owner(house, outside))
        clock.advance(days=8, seconds=1)
        ticket = await owed(outside)
        assert (await outside.post(f"{API}/mfa/send", json={"ticket": ticket, "method": "sms"})).status_code == 200
        assert (await type_in(outside, ticket, code_in(texts(house)[0]), "sms")).status_code == 200
        token = disown_token(await letter_to(house, ADDRESS, "New sign-in"))

        await Browser(outside).submit("/auth/not-me", at=f"/auth/not-me?token={token}", token=token)

        assert "account.disowned" in await journalled(house)
        assert await number_of(house, await account_id(house)) == NUMBER
