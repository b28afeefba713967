"""GET /sessions, DELETE /sessions/{id}, POST /sessions/revoke-others and GET /csrf (spec section 2)."""

from __future__ import annotations

import httpx
import pytest
from tests.contract.browser import CSRF, Browser, set_cookies
from tests.contract.doors import SOME_SESSION
from tests.contract.test_register_and_login import assert_problem
from tests.house import API, PASSWORD, bearer, login, register

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def test_sessions_are_listed_with_device_place_times_and_which_is_this_one(outside: httpx.AsyncClient) -> None:
    await register(outside)
    credentials = {"login": "mira", "password": PASSWORD}
    answer = await outside.post(f"{API}/login", json=credentials, headers={"user-agent": FIREFOX})
    outside.cookies.clear()

    listed = await outside.get(f"{API}/sessions", headers=bearer(answer.json()))

    assert listed.status_code == 200
    assert listed.json().keys() == {"sessions"}
    assert len(listed.json()["sessions"]) == 2
    (current,) = (session for session in listed.json()["sessions"] if session["current"])
    members = {"id", "device", "place", "address", "started_at", "seen_at", "ends_at", "current", "bound"}
    assert current.keys() == members
    assert current["device"] == "Firefox on Linux"
    assert current["place"] is None
    assert current["bound"] is False
    assert current["address"] == "203.0.113.7"
    assert len(current["id"]) == 22
    assert current["started_at"] <= current["seen_at"] < current["ends_at"]


async def test_one_session_is_ended_by_its_id(outside: httpx.AsyncClient) -> None:
    first = await register(outside)
    second = await login(outside)
    listed = (await outside.get(f"{API}/sessions", headers=bearer(first))).json()["sessions"]
    (other,) = (session["id"] for session in listed if not session["current"])

    answer = await outside.delete(f"{API}/sessions/{other}", headers=bearer(first))

    assert answer.status_code == 200
    assert answer.json() == {"detail": "The session is ended."}
    assert (await outside.get(f"{API}/me", headers=bearer(second))).status_code == 401
    again = await outside.delete(f"{API}/sessions/{other}", headers=bearer(first))
    assert_problem(again, 404, "no-such-session")


async def test_a_stranger_cannot_end_or_tell_apart_anybodys_session(outside: httpx.AsyncClient) -> None:
    mira = await register(outside)
    stranger = await register(outside, "stranger")
    (session,) = (await outside.get(f"{API}/sessions", headers=bearer(mira))).json()["sessions"]

    theirs = await outside.delete(f"{API}/sessions/{session['id']}", headers=bearer(stranger))
    nobodys = await outside.delete(f"{API}/sessions/{SOME_SESSION}", headers=bearer(stranger))

    for answer in (theirs, nobodys):
        assert_problem(answer, 404, "no-such-session")
    assert theirs.json() | {"request_id": ""} == nobodys.json() | {"request_id": ""}
    assert (await outside.get(f"{API}/me", headers=bearer(mira))).status_code == 200


@pytest.mark.parametrize("wrong", ["x", "A" * 21, "A" * 23, "revoke-others", "A" * 21 + "="])
async def test_what_is_no_session_id_is_a_wrong_field(outside: httpx.AsyncClient, wrong: str) -> None:
    signed_in = await register(outside)

    answer = await outside.delete(f"{API}/sessions/{wrong}", headers=bearer(signed_in))

    assert [error["field"] for error in assert_problem(answer, 422, "invalid-fields")["errors"]] == ["session_id"]


async def test_all_other_sessions_are_ended_at_once(outside: httpx.AsyncClient) -> None:
    first = await register(outside)
    others = [await login(outside) for _ in range(3)]

    answer = await outside.post(f"{API}/sessions/revoke-others", headers=bearer(first))

    assert answer.status_code == 200
    assert answer.json() == {"detail": "Your other sessions are ended."}
    assert (await outside.get(f"{API}/me", headers=bearer(first))).status_code == 200
    for other in others:
        assert (await outside.get(f"{API}/me", headers=bearer(other))).status_code == 401
    listed = (await outside.get(f"{API}/sessions", headers=bearer(first))).json()["sessions"]
    assert [session["current"] for session in listed] == [True]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/sessions"), ("DELETE", f"/sessions/{SOME_SESSION}"), ("POST", "/sessions/revoke-others")],
)
async def test_sessions_are_for_those_who_are_signed_in(outside: httpx.AsyncClient, method: str, path: str) -> None:
    assert_problem(await outside.request(method, API + path), 401, "not-signed-in")


async def test_the_csrf_token_is_in_the_answer_and_in_a_cookie_that_scripts_read(outside: httpx.AsyncClient) -> None:
    answer = await outside.get(f"{API}/csrf")

    assert answer.status_code == 200
    assert answer.json().keys() == {"csrfToken"}
    (cookie,) = set_cookies(answer).values()
    assert cookie.name == CSRF
    assert cookie.value == answer.json()["csrfToken"]
    assert "httponly" not in cookie.attributes
    assert cookie.attributes["samesite"] == "Lax"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_csrf_token_is_bound_to_the_session_it_was_made_for(outside: httpx.AsyncClient) -> None:
    await register(outside)
    browser = Browser(outside)
    await browser.sign_in()
    answer = await browser.get(f"{API}/csrf")
    assert browser.cookies[CSRF] == answer.json()["csrfToken"]
    assert (await browser.post(f"{API}/email/resend")).status_code == 200

    browser.cookies[CSRF] = (await outside.get(f"{API}/csrf")).json()["csrfToken"]  # of nobody in particular
    outside.cookies.clear()
    assert_problem(await browser.post(f"{API}/email/resend"), 403, "csrf-token-missing")
