"""POST /refresh and POST /logout (spec section 2)."""

from __future__ import annotations

import httpx
import pytest
from tests.contract.browser import ACCESS, CSRF, DEVICE, PAGE, REFRESH, Browser, set_cookies
from tests.contract.test_register_and_login import assert_problem, assert_signed_in
from tests.house import API, bearer, login, register

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary


async def test_a_program_exchanges_its_token_in_the_body_and_gets_no_cookies(outside: httpx.AsyncClient) -> None:
    signed_in = await register(outside)

    answer = await outside.post(f"{API}/refresh", json={"refresh_token": signed_in["refresh_token"]})

    assert answer.status_code == 200
    heir = assert_signed_in(answer)
    assert heir["refresh_token"] != signed_in["refresh_token"]
    assert heir["access_token"] != signed_in["access_token"]
    assert heir["jti"] != signed_in["jti"]
    assert heir["user"] == signed_in["user"]
    assert not set_cookies(answer)


async def test_a_browser_exchanges_its_cookie_and_gets_new_cookies(outside: httpx.AsyncClient) -> None:
    await register(outside)
    browser = Browser(outside)
    await browser.sign_in()
    before = dict(browser.cookies)

    answer = await browser.post(f"{API}/refresh")

    assert answer.status_code == 200
    assert_signed_in(answer)
    assert set_cookies(answer).keys() == {ACCESS, REFRESH, PAGE, CSRF, DEVICE}
    assert browser.cookies[REFRESH] != before[REFRESH]
    assert browser.cookies[DEVICE] == before[DEVICE]
    assert (await browser.get(f"{API}/me")).status_code == 200


async def test_the_token_of_the_body_counts_where_both_are_there(outside: httpx.AsyncClient) -> None:
    signed_in = await register(outside)
    cookie = f"{REFRESH}={signed_in['refresh_token']}"

    answer = await outside.post(f"{API}/refresh", json={"refresh_token": "of-nobody"}, headers={"cookie": cookie})

    assert_problem(answer, 401, "refresh-refused")


@pytest.mark.parametrize("token", ["", "x", "a.b.c.d", "é" * 20, "." * 100, "A" * 512])
async def test_a_token_that_proves_nothing_is_refused_and_cookies_are_left_alone(
    outside: httpx.AsyncClient, token: str
) -> None:
    answer = await outside.post(f"{API}/refresh", json={"refresh_token": token})

    assert_problem(answer, 401, "refresh-refused")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert not set_cookies(answer)


async def test_no_token_at_all_is_refused(outside: httpx.AsyncClient) -> None:
    assert_problem(await outside.post(f"{API}/refresh"), 401, "refresh-refused")
    assert_problem(await outside.post(f"{API}/refresh", json={}), 401, "refresh-refused")


async def test_the_loser_of_a_race_keeps_its_cookies(outside: httpx.AsyncClient, clock: ManualClock) -> None:
    await register(outside)
    browser = Browser(outside)
    await browser.sign_in()
    stale = dict(browser.cookies)
    await browser.post(f"{API}/refresh")
    clock.advance(minutes=1)

    thief = Browser(outside, stale)
    answer = await thief.post(f"{API}/refresh")

    assert_problem(answer, 401, "refresh-refused")
    assert not set_cookies(answer)
    assert thief.cookies == stale


async def test_logging_out_ends_the_session_and_clears_its_cookies(outside: httpx.AsyncClient) -> None:
    await register(outside)
    browser = Browser(outside)
    await browser.sign_in()
    held = dict(browser.cookies)

    answer = await browser.post(f"{API}/logout")

    assert answer.status_code == 200
    assert answer.json() == {"detail": "You are signed out."}
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    cleared = set_cookies(answer)
    assert cleared.keys() == {ACCESS, REFRESH, PAGE, CSRF, "__Host-passkey", "__Host-federation"}
    for cookie in cleared.values():
        assert cookie.value == ""
        assert cookie.attributes["max-age"] == "0"
        assert cookie.attributes["path"] == "/"
        assert "secure" in cookie.attributes  # else a __Host- cookie would not be cleared
    assert browser.cookies.keys() == {DEVICE}
    copy = Browser(outside, held)
    assert (await copy.get(f"{API}/me")).status_code == 401
    assert (await copy.post(f"{API}/refresh")).status_code == 401
    assert (await copy.get("/auth/account")).status_code == 303


async def test_logging_out_again_is_fine(outside: httpx.AsyncClient) -> None:
    signed_in = await register(outside)

    for _ in range(3):
        answer = await outside.post(f"{API}/logout", headers=bearer(signed_in))
        assert answer.status_code == 200
        assert answer.json() == {"detail": "You are signed out."}
    assert (await outside.post(f"{API}/logout")).status_code == 200
    assert (await outside.get(f"{API}/me", headers=bearer(signed_in))).status_code == 401


async def test_a_browser_may_log_out_of_a_session_that_is_over(house: Ostiary, outside: httpx.AsyncClient) -> None:
    signed_in = await register(outside)
    browser = Browser(outside)
    await browser.sign_in()
    everything = await outside.post(f"{API}/sessions/revoke-others", headers=bearer(signed_in))
    assert everything.status_code == 200

    answer = await browser.post(f"{API}/logout")

    assert answer.status_code == 200
    assert browser.cookies.keys() == {DEVICE}


async def test_logging_out_ends_only_the_session_that_asked(outside: httpx.AsyncClient) -> None:
    first = await register(outside)
    second = await login(outside)

    await outside.post(f"{API}/logout", headers=bearer(second))

    assert (await outside.get(f"{API}/me", headers=bearer(second))).status_code == 401
    assert (await outside.get(f"{API}/me", headers=bearer(first))).status_code == 200
