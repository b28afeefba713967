"""The second step and the step-up as pages: without scripts, and nowhere but to paths of our own."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.contract.browser import ACCESS, Browser, form_token
from tests.house import API, NEW_PASSWORD, PASSWORD, OpenHouse, client_of
from tests.login.steps import CODE, ONE, TWO, WRONG, give_codes, with_both, with_codes, with_passkey
from tests.recovery.steps import settled
from tests.texts.steps import add as add_phone
from tests.texts.steps import code_in, offering, texts
from tests.texts.steps import owner as owner_with_phone

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

SECOND = "/auth/second-factor"


@pytest.fixture
def storage() -> str:
    """One of the two: pages call the verbs of the API."""
    return "sqlite"


def hidden(page: httpx.Response, name: str) -> str:
    match = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert match, page.text
    return match[1]


async def send(browser: Browser, page: httpx.Response, path: str = SECOND, **fields: str) -> httpx.Response:
    """Send the form of a page that was answered."""
    names = ("ticket", "next", "login", "method") if path == SECOND else ("next",)
    filled = {name: hidden(page, name) for name in names} | fields
    return await browser.request("POST", path, csrf=False, data={"csrf_token": form_token(page), **filled})


def place(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def test_a_code_leads_to_where_the_visitor_was_heading(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await with_codes(house, outside, ONE)
    browser = Browser(outside)

    asked = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD, next="/auth/sessions")
    assert asked.status_code == 200
    assert asked.headers["cache-control"] == "no-store"
    assert (hidden(asked, "next"), hidden(asked, "method")) == ("/auth/sessions", "totp")
    assert PASSWORD not in asked.text
    assert ACCESS not in browser.cookies

    wrong = await send(browser, asked, code="000000")
    assert (wrong.status_code, hidden(wrong, "ticket")) == (401, hidden(asked, "ticket"))
    empty = await send(browser, wrong, code="")
    assert empty.status_code == 422
    assert place(await send(browser, empty, code=ONE, method=CODE)) == "/auth/sessions"
    assert (await browser.get("/auth/sessions")).status_code == 200


async def test_other_ways_are_a_button_away_and_a_code_is_sent(open_house: OpenHouse) -> None:
    house = await offering(open_house)
    async with client_of(house) as outside:
        bearing = await owner_with_phone(house, outside)
        await add_phone(house, outside, bearing)
        await give_codes(house, (await outside.get(f"{API}/me", headers=bearing)).json()["id"])
        outside.cookies.clear()
        browser = Browser(outside)
        asked = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD)
        assert hidden(asked, "method") == "totp"

        other = await send(browser, asked, other="sms")
        assert (other.status_code, hidden(other, "method")) == (200, "sms")
        sent = await send(browser, other, send="yes")
        assert "A code is on its way." in sent.text

        assert place(await send(browser, sent, code=code_in(texts(house)[0]))) == "/auth/account"


async def test_a_passkey_comes_with_the_form(house: Ostiary, outside: httpx.AsyncClient) -> None:
    _, authenticator = await with_passkey(house, outside)
    browser = Browser(outside)
    asked = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD)
    ticket = hidden(asked, "ticket")
    begun = await browser.post("/api/v1/auth/mfa/passkey/begin", json={"ticket": ticket})
    assert begun.status_code == 200, begun.text

    for nothing in ("{}", "[", "x" * 20_000, json.dumps({"rawId": "!"})):
        broken = await send(browser, asked, credential=nothing)
        assert (broken.status_code, hidden(broken, "ticket")) == (422, ticket)
    credential = json.dumps(authenticator.show(begun.json()["publicKey"]))

    assert place(await send(browser, asked, credential=credential, remember="yes")) == "/auth/account"

    again = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD)
    assert place(again) == "/auth/account"


async def test_a_ticket_that_is_none_leads_back_and_no_address_holds_one(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await with_codes(house, outside, ONE)
    browser = Browser(outside)
    asked = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD, next="/auth/sessions")
    clock.advance(minutes=10)

    late = await send(browser, asked, code=ONE, method=CODE)

    assert late.status_code == 401
    assert "sign in again" in late.text
    assert hidden(late, "next") == "/auth/sessions"
    assert place(await browser.get(SECOND)) == "/auth/sign-in"


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/auth/../evil", "/a?b", "javascript:x"]
)
async def test_nothing_leads_anywhere_else(house: Ostiary, outside: httpx.AsyncClient, elsewhere: str) -> None:
    await with_codes(house, outside, ONE, TWO)
    browser = Browser(outside)
    asked = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD, next=elsewhere)
    assert hidden(asked, "next") == "/auth/account"
    assert place(await send(browser, asked, code=ONE, method=CODE, next=elsewhere)) == "/auth/account"

    page = await browser.get(f"/auth/step-up?next={elsewhere}")
    assert hidden(page, "next") == "/auth/account"
    asked = await send(browser, page, "/auth/step-up", password=PASSWORD, next=elsewhere)
    assert place(await send(browser, asked, code=TWO, method=CODE, next=elsewhere)) == "/auth/account"


async def test_a_foreign_page_cannot_send_these_forms(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await with_codes(house, outside, ONE)
    browser = Browser(outside)
    asked = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD)

    browser.origin, browser.fetch_site = "https://evil.example", "cross-site"

    assert (await send(browser, asked, code=ONE, method=CODE)).status_code == 403
    assert (await browser.post("/auth/step-up", data={"password": PASSWORD})).status_code == 403


# Stepping up


async def test_a_page_that_asks_for_more_gets_it_without_a_new_sign_in(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    owner = await with_codes(house, outside, ONE, TWO)
    browser = Browser(outside)
    asked = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD)
    await send(browser, asked, code=ONE, method=CODE)
    clock.advance(minutes=11)
    before = {session.id for session in await house.sessions.listed(owner.id)}

    led = place(await browser.get("/auth/password"))
    assert led == "/auth/step-up?next=/auth/password"
    page = await browser.get(led)
    wrong = await send(browser, page, "/auth/step-up", password=WRONG)
    assert (wrong.status_code, hidden(wrong, "next")) == (401, "/auth/password")
    asked = await send(browser, wrong, "/auth/step-up", password=PASSWORD)
    assert "Do not ask this browser" not in asked.text
    assert place(await send(browser, asked, code=TWO, method=CODE)) == "/auth/password"

    assert (await browser.get("/auth/password")).status_code == 200
    assert {session.id for session in await house.sessions.listed(owner.id)} == before
    done = await browser.submit("/auth/password", current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert place(done) == "/auth/account?said=password-changed"


@pytest.mark.parametrize(
    ("referer", "following"),
    [
        ("http://localhost:8080/auth/passkeys", "?next=/auth/passkeys"),
        ("http://localhost:8080/auth/passkeys?x=//evil.example", "?next=/auth/passkeys"),
        ("http://localhost:8080//evil.example", ""),
        ("https://evil.example/auth/passkeys", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
async def test_a_form_that_was_sent_too_late_leads_back_to_its_page(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock, referer: str, following: str
) -> None:
    await settled(house, outside)
    browser = Browser(outside)
    await browser.sign_in()
    shown = await browser.get("/auth/passkeys")
    clock.advance(minutes=11)

    body = {"csrf_token": form_token(shown), "passkey_id": "A" * 22}
    headers = {"referer": referer} if referer else {}
    led = place(await browser.request("POST", "/auth/passkeys/remove", csrf=False, data=body, headers=headers))

    assert led == f"/auth/step-up{following}"


async def test_a_passkey_steps_up_by_itself(house: Ostiary, outside: httpx.AsyncClient) -> None:
    _, authenticator = await with_both(house, outside, ONE)
    browser = Browser(outside)
    asked = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD)
    other = await send(browser, asked, other=CODE)
    await send(browser, other, code=ONE, method=CODE)
    assert urlsplit(place(await browser.get("/auth/password"))).path == "/auth/step-up"
    page = await browser.get("/auth/step-up?next=/auth/password")
    begun = await browser.post("/api/v1/auth/step-up/passkey/begin")

    credential = json.dumps(authenticator.show(begun.json()["publicKey"]))
    assert place(await send(browser, page, "/auth/step-up", credential=credential)) == "/auth/password"

    assert (await browser.get("/auth/password")).status_code == 200


async def test_a_demand_beyond_the_account_says_what_is_missing(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    browser = Browser(outside)
    await browser.sign_in()

    for acr, is_beyond in (("aal2", True), ("phr", True), ("aal1", False), ("<b>", False)):
        page = await browser.get(f"/auth/step-up?acr={acr}")
        assert ("Add a passkey" in page.text) == is_beyond
        assert "<b>" not in page.text


async def test_a_stranger_signs_in_first(outside: httpx.AsyncClient) -> None:
    led = place(await Browser(outside).get("/auth/step-up?next=/auth/password"))

    assert parse_qs(urlsplit(led).query)["next"] == ["/auth/step-up"]
