"""POST /password-reset/request and /password-reset/confirm (spec section 2): what clients rely on."""

from __future__ import annotations

import httpx
from tests.contract.browser import DEVICE, Browser, set_cookies
from tests.contract.test_register_and_login import assert_problem
from tests.house import API, NEW_PASSWORD, PASSWORD, letter_to, login, register, token_in

from ostiary.wiring import Ostiary

ADDRESS = "mira@example.org"
REQUEST, CONFIRM = f"{API}/password-reset/request", f"{API}/password-reset/confirm"


async def settled(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await register(outside)
    proof = {"token": token_in(await letter_to(house, ADDRESS))}
    assert (await outside.post(f"{API}/email/verify", json=proof)).status_code == 200


async def test_a_program_asks_in_the_query_and_confirms(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)

    asked = await outside.post(f"{REQUEST}/", params={"email": "MIRA@EXAMPLE.ORG"})
    token = token_in(await letter_to(house, ADDRESS, "Choose a new password"))
    weak = await outside.post(CONFIRM, json={"token": token, "new_password": "mira"})
    confirmed = await outside.post(CONFIRM, json={"token": token, "new_password": NEW_PASSWORD})
    outside.cookies.clear()
    again = await outside.post(CONFIRM, json={"token": token, "new_password": NEW_PASSWORD})

    assert (asked.status_code, asked.headers["content-type"]) == (200, "application/json")
    assert asked.json() == {
        "detail": "If an account has this address, a letter is on its way to it. Its link works for 15 minutes."
    }
    assert (weak.status_code, weak.json()["type"]) == (422, "https://ostiary.dev/problems/weak-password")
    assert {error["field"] for error in weak.json()["errors"]} == {"new_password"}
    assert confirmed.json() == {"detail": "Your password is changed. Sign in with the new one."}
    assert set_cookies(confirmed).keys() == {DEVICE}
    assert_problem(again, 401, "token-not-valid")
    await login(outside, password=NEW_PASSWORD)


async def test_what_is_missing_is_named(outside: httpx.AsyncClient) -> None:
    for body, field in (({}, "token"), ({"token": "x"}, "new_password"), ({"new_password": PASSWORD}, "token")):
        answer = await outside.post(CONFIRM, json=body)
        assert_problem(answer, 422, "invalid-fields")
        assert field in [error["field"] for error in answer.json()["errors"]]
    answer = await outside.post(REQUEST)
    assert_problem(answer, 422, "invalid-fields")
    assert [error["field"] for error in answer.json()["errors"]] == ["email"]


async def test_a_browser_repeats_its_csrf_token(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    browser = Browser(outside)
    await browser.get(f"{API}/csrf")
    for path, body in ((REQUEST, {"email": ADDRESS}), (CONFIRM, {"token": "x", "new_password": PASSWORD})):
        assert_problem(await browser.post(path, json=body, csrf=False), 403, "csrf-token-missing")
    assert (await browser.post(REQUEST, json={"email": ADDRESS})).status_code == 200
    foreign = Browser(outside, origin="https://evil.example")
    assert_problem(await foreign.post(REQUEST, json={"email": ADDRESS}), 403, "foreign-origin")


async def test_password_managers_find_the_way_to_a_new_password(outside: httpx.AsyncClient) -> None:
    answer = await outside.get("/.well-known/change-password")
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/password")
    page = await outside.get("/auth/sign-in")
    assert 'href="/auth/forgot"' in page.text
