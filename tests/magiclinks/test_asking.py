"""Asking for a sign-in link: one answer for everybody, and a letter for who has the address (R7, R20)."""

from __future__ import annotations

import httpx
import pytest
from tests.contract.browser import DEVICE, Browser, set_cookies
from tests.core.db.watching import statements
from tests.house import API, OpenHouse, client_of, journalled, letter_to, register
from tests.magiclinks.steps import COOKIE, SUBJECT, ask, asked, cookie_of, open_link, slug, type_code
from tests.recovery.steps import ADDRESS, CALLER, letters, settled

from ostiary.core.clock import ManualClock
from ostiary.magiclinks import codes
from ostiary.wiring import Ostiary

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile Safari/604.1"


async def test_the_letter_says_who_asked_and_holds_a_link_and_a_code(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await settled(house, outside)

    answer = await outside.post(f"{API}/magic-link/request", json={"email": ADDRESS}, headers={"user-agent": IPHONE})

    letter = await letter_to(house, ADDRESS, SUBJECT)
    assert "http://localhost:8080/auth/magic-link?token=" in letter.text
    assert "Safari on iOS" in letter.text
    assert "203.0.113.7" in letter.text
    assert "for 10 minutes" in letter.text
    cookie = set_cookies(answer)[COOKIE]
    assert cookie.attributes == {
        "path": "/", "max-age": "600", "secure": "", "httponly": "", "samesite": "Lax",
    }  # fmt: skip
    assert (await journalled(house))[-2:] == ["link.requested", "link.offered"]


async def test_known_unknown_unproven_and_closed_addresses_get_one_answer_and_only_one_a_letter(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await settled(house, outside)
    await register(outside, "eve")  # never proven
    await settled(house, outside, "ada")
    async with house.database.unit() as unit:
        ada = await house.accounts.find_by_login(unit, "ada@example.org")
        assert await house.accounts.set_status(unit, ada or "", "active", "deactivated")
    before = len(letters(house))

    tried = (ADDRESS, "eve@example.org", "ada@example.org", "nobody@example.org", "mira", "no address at all", "")
    answers = [await ask(outside, email) for email in tried]

    for answer in answers:
        assert answer.status_code == 200
        assert answer.content == answers[0].content
        assert [name for name, _ in answer.headers.multi_items()] == [n for n, _ in answers[0].headers.multi_items()]
        assert len(cookie_of(answer)) == len(cookie_of(answers[0]))
    await house.outbox.drain()
    assert [letter.to for letter in letters(house, SUBJECT)] == [ADDRESS]
    assert len(letters(house)) == before + 1


async def test_asking_and_guessing_run_the_same_statements_for_every_address(
    house: Ostiary, outside: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done before an answer is what its time can tell (R7)."""
    await settled(house, outside)
    await type_code(outside, "WARM-WARM", cookie_of(await ask(outside, "warm@example.org")))
    said = statements(house, monkeypatch)

    async def heard(email: str) -> tuple[list[str], list[str]]:
        said.clear()
        cookie = cookie_of(await ask(outside, email))
        asking = list(said)
        await house.outbox.drain()
        said.clear()
        answer = await type_code(outside, "AAAA-AAAA", cookie)
        assert slug(answer) == (401, "link-code-not-valid")
        return asking, list(said)

    known, unknown = await heard(ADDRESS), await heard("nobody@example.org")

    assert known == unknown
    assert len(known[0]) > 2
    assert len(known[1]) > 4


async def test_one_client_address_may_ask_ten_times_an_hour(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    for number in range(10):
        assert (await ask(outside, f"somebody{number}@example.org")).status_code == 200

    refused = await ask(outside)

    assert slug(refused) == (429, "limit-reached")
    assert '"link.address"' in refused.headers["ratelimit-policy"]
    async with client_of(house, "198.51.100.9") as elsewhere:
        assert (await ask(elsewhere)).status_code == 200
    clock.advance(hours=1)
    assert (await ask(outside)).status_code == 200


async def test_strangers_use_up_a_mailbox_and_its_owners_browser_gets_its_letter_all_the_same(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    house = await open_house(work=False, protection={"links_per_hour": 100})
    async with client_of(house) as outside:
        await settled(house, outside)
        clock.advance(hours=2)  # the letter that proved the address counted, too
        browser = Browser(outside)
        await browser.sign_in()
        known = {DEVICE: browser.cookies[DEVICE]}
        outside.cookies.clear()
        for _ in range(8):
            await ask(outside)
            await house.outbox.drain()
        assert len(letters(house, SUBJECT)) == 5

        returning = Browser(outside, dict(known))
        await returning.get(f"{API}/csrf")
        assert (await returning.post(f"{API}/magic-link/request", json={"email": ADDRESS})).status_code == 200
        await house.outbox.drain()

        assert len(letters(house, SUBJECT)) == 6


async def test_a_newer_letter_kills_the_older_and_one_that_was_held_up_does_not_overtake(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await settled(house, outside)
    first = await asked(house, outside)
    clock.advance(seconds=1)
    held_up = {
        "account_id": (await first_account(house)), "asked": "older", "asked_at": clock.now(), "agent": "",
        "address": None,
    }  # fmt: skip
    clock.advance(seconds=1)
    second = await asked(house, outside)

    await house.magic_links.send_letter(held_up)

    assert len(letters(house, SUBJECT)) == 2
    assert slug(await open_link(outside, first.token, first.cookie)) == (401, "token-not-valid")
    assert slug(await type_code(outside, first.code, first.cookie)) == (401, "link-code-not-valid")
    assert (await open_link(outside, second.token, second.cookie)).status_code == 200


async def first_account(house: Ostiary) -> str:
    async with house.database.unit() as unit:
        return await house.accounts.find_by_login(unit, ADDRESS) or ""


async def test_a_letter_that_comes_too_late_is_not_written(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await settled(house, outside)
    await ask(outside)
    clock.advance(minutes=10)

    await house.outbox.drain()

    assert letters(house, SUBJECT) == []


async def test_where_links_are_switched_off_nothing_of_them_is_there(open_house: OpenHouse) -> None:
    house = await open_house(work=False, magiclinks={"offered": False})
    async with client_of(house) as outside:
        await settled(house, outside)
        assert slug(await ask(outside)) == (404, "links-not-offered")
        assert slug(await open_link(outside, "a" * 43)) == (404, "links-not-offered")
        for path in ("/auth/link", "/auth/link/sent", "/auth/magic-link?token=a"):
            assert (await outside.get(path)).status_code == 404
        assert "/auth/link" not in (await outside.get("/auth/sign-in")).text
        assert letters(house, SUBJECT) == []


def test_a_code_is_forty_bits_that_nobody_mistakes() -> None:
    assert len(set(codes.ALPHABET)) == 32
    assert codes.LETTERS * 5 == 40
    assert not set("01OI") & set(codes.ALPHABET)
    made = {codes.new_code() for _ in range(1000)}
    assert len(made) == 1000
    for code in made:
        typed = f" {codes.spelled(code).lower().replace('-', ' – ')}\t"
        assert codes.folded(typed) == code


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_the_cookie_remembers_where_its_visitor_was_heading(house: Ostiary) -> None:
    for path, kept in (("/auth/sessions", "/auth/sessions"), ("", ""), ("/" + "a" * 200, "")):
        browser = house.magic_links.browser_in(await house.magic_links.request(CALLER, ADDRESS, path))
        assert browser is not None
        assert browser.following == kept
    assert house.magic_links.browser_in("forged.a.b.c") is None
