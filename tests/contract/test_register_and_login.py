"""POST /register and POST /login: members, types, codes, cookies (spec section 2)."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from tests.contract.browser import ACCESS, CSRF, DEVICE, PAGE, REFRESH, set_cookies
from tests.house import API, PASSWORD, OpenHouse, client_of, letter_to, register, token_in

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

BODY = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
MINUTES, DAYS = 60, 86_400


def assert_signed_in(answer: httpx.Response) -> dict[str, Any]:
    """Check the shape of an answer that signs somebody in, to the member."""
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"user", "access_token", "refresh_token", "token_type", "expires_in", "jti"}
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 15 * MINUTES
    assert body["access_token"].count(".") == 2
    assert isinstance(body["refresh_token"], str)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", body["jti"])
    user = body["user"]
    assert user.keys() == {"id", "username", "email", "email_verified", "full_name", "status", "created_at", "language"}
    assert isinstance(user["email_verified"], bool)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", user["created_at"])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    return body


def assert_problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Check the members of a problem (RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"https://ostiary.dev/problems/{slug}"
    assert body["status"] == status
    assert body["title"]
    assert body["request_id"] == answer.headers["x-request-id"]
    demanded = {"max_age", "acr_values"}  # RFC 9470
    assert body.keys() <= {"type", "title", "status", "detail", "errors", "retry_after", "request_id"} | demanded
    assert ("www-authenticate" in answer.headers) == (status == 401)
    if "retry_after" in body:
        assert answer.headers["retry-after"] == str(body["retry_after"])
    return body


async def test_registration_opens_a_provisional_account_and_signs_in(outside: httpx.AsyncClient) -> None:
    answer = await outside.post(f"{API}/register", json=BODY | {"full_name": "Mira Novak"})

    assert answer.status_code == 201
    user = assert_signed_in(answer)["user"]
    assert user["username"] == "mira"
    assert user["email"] == "mira@example.org"
    assert user["email_verified"] is False
    assert user["full_name"] == "Mira Novak"
    assert user["status"] == "provisional"


@pytest.mark.parametrize("without", [{}, {"full_name": None}, {"full_name": ""}])
async def test_the_full_name_may_be_left_out(outside: httpx.AsyncClient, without: dict[str, Any]) -> None:
    answer = await outside.post(f"{API}/register", json=BODY | without)

    assert answer.status_code == 201
    assert answer.json()["user"]["full_name"] == ""


@pytest.mark.parametrize("route", ["register", "login"])
async def test_signing_in_sets_every_cookie_with_its_flags_and_lifetime(outside: httpx.AsyncClient, route: str) -> None:
    answer = await outside.post(f"{API}/register", json=BODY)
    if route == "login":
        answer = await outside.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})

    cookies = set_cookies(answer)
    assert cookies.keys() == {ACCESS, REFRESH, PAGE, CSRF, DEVICE}
    for cookie in cookies.values():
        assert cookie.attributes["path"] == "/"
        assert "secure" in cookie.attributes
        assert "domain" not in cookie.attributes
        assert ("httponly" in cookie.attributes) == (cookie.name != CSRF)
        assert cookie.attributes["samesite"] == ("Strict" if cookie.name == REFRESH else "Lax")
        assert len(f"{cookie.name}={cookie.value}") < 4096  # ASVS 3.3.5
    ages = {name: int(cookie.attributes["max-age"]) for name, cookie in cookies.items()}
    assert ages == {ACCESS: 900, REFRESH: 7 * DAYS, PAGE: 7 * DAYS, CSRF: 7 * DAYS, DEVICE: 365 * DAYS}
    assert cookies[ACCESS].value == answer.json()["access_token"]
    assert cookies[REFRESH].value == answer.json()["refresh_token"]
    secrets = [cookies[name].value for name in (PAGE, CSRF, DEVICE)]
    assert not [secret for secret in secrets if secret in answer.text]  # ASVS 3.3.4


async def test_a_name_that_is_taken_is_a_conflict_in_any_case(outside: httpx.AsyncClient) -> None:
    await register(outside)

    for taken in ("mira", "MIRA", "Mira"):
        answer = await outside.post(f"{API}/register", json=BODY | {"username": taken, "email": "other@example.org"})
        assert_problem(answer, 409, "username-taken")
        assert not set_cookies(answer)


async def test_each_wrong_field_of_a_registration_is_named(outside: httpx.AsyncClient) -> None:
    answer = await outside.post(f"{API}/register", json={"username": "a", "email": "no", "password": "12345"})

    errors = assert_problem(answer, 422, "invalid-fields")["errors"]
    assert {error["field"] for error in errors} == {"username", "email", "password"}
    for error in errors:
        assert error.keys() == {"field", "message", "code"}
        assert error["message"].endswith(".")


async def test_a_weak_password_alone_is_named_with_its_reason(outside: httpx.AsyncClient) -> None:
    answer = await outside.post(f"{API}/register", json=BODY | {"password": "mira mira mira"})

    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"password"}


@pytest.mark.parametrize("missing", ["username", "email", "password"])
async def test_a_missing_field_is_named(outside: httpx.AsyncClient, missing: str) -> None:
    body = {name: value for name, value in BODY.items() if name != missing}

    errors = (await outside.post(f"{API}/register", json=body)).json()["errors"]

    assert errors == [{"field": missing, "message": "This field is needed.", "code": "missing"}]


async def test_the_sixth_account_of_an_address_within_an_hour_is_refused(house: Ostiary, clock: ManualClock) -> None:
    async with client_of(house) as client:
        for number in range(5):
            await register(client, f"person{number}")
        answer = await client.post(f"{API}/register", json=BODY)
        problem = assert_problem(answer, 429, "limit-reached")
        assert 0 < problem["retry_after"] <= 3600

        clock.advance(seconds=problem["retry_after"])
        assert (await client.post(f"{API}/register", json=BODY)).status_code == 201


async def test_a_name_or_a_proven_address_opens_in_any_of_the_three_fields(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await register(outside)
    token = token_in(await letter_to(house, "mira@example.org"))
    await outside.post(f"{API}/email/verify", json={"token": token})

    for field in ("username", "email", "login"):
        for name in ("mira", "MIRA", "mira@example.org", "MIRA@EXAMPLE.ORG"):
            answer = await outside.post(f"{API}/login", json={field: name, "password": PASSWORD})
            outside.cookies.clear()
            assert answer.status_code == 200, f"{field}: {name}"
            assert assert_signed_in(answer)["user"]["email_verified"] is True


@pytest.mark.parametrize(
    "names", [{}, {"login": None}, {"username": "mira", "email": "mira@example.org"}, {"login": "a", "username": "a"}]
)
async def test_a_login_without_exactly_one_name_says_which_field(
    outside: httpx.AsyncClient, names: dict[str, Any]
) -> None:
    answer = await outside.post(f"{API}/login", json={"password": PASSWORD, **names})

    assert [error["field"] for error in assert_problem(answer, 422, "invalid-fields")["errors"]] == ["login"]


async def test_every_wrong_pair_gets_one_and_the_same_answer(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await register(outside)
    ended = await register(outside, "gone")
    async with house.database.unit() as unit:
        assert await house.accounts.set_status(unit, ended["user"]["id"], "provisional", "deactivated")

    answers = [
        await outside.post(f"{API}/login", json={"login": name, "password": password})
        for name, password in (("mira", "wrong"), ("nobody-here", "wrong"), ("gone", PASSWORD), ("gone", "wrong"))
    ]

    for answer in answers:
        assert_problem(answer, 401, "wrong-password")
        assert not set_cookies(answer)
    assert len({_without_ids(answer) for answer in answers}) == 1


def _without_ids(answer: httpx.Response) -> str:
    headers = sorted((name, text) for name, text in answer.headers.items() if name not in ("x-request-id", "ratelimit"))
    body = {name: text for name, text in answer.json().items() if name != "request_id"}
    return f"{answer.status_code} {headers} {body}"


async def test_a_locked_name_says_for_how_long_and_opens_again(house: Ostiary, clock: ManualClock) -> None:
    async with client_of(house) as client:
        await register(client)
        wrong = {"login": "mira", "password": "not this one"}
        statuses = [(await client.post(f"{API}/login", json=wrong)).status_code for _ in range(6)]
        assert statuses == [401, 401, 401, 401, 401, 429]

        right = {"login": "mira", "password": PASSWORD}
        problem = assert_problem(await client.post(f"{API}/login", json=right), 423, "locked")
        assert 29 * MINUTES < problem["retry_after"] <= 30 * MINUTES

        clock.advance(seconds=problem["retry_after"])
        assert (await client.post(f"{API}/login", json=right)).status_code == 200


async def test_too_many_wrong_logins_from_one_address_are_limited_with_a_wait(house: Ostiary) -> None:
    async with client_of(house) as client:
        answers = [
            await client.post(f"{API}/login", json={"login": f"nobody-{n}", "password": "wrong"}) for n in range(6)
        ]
    assert [answer.status_code for answer in answers[:5]] == [401] * 5
    assert 0 < assert_problem(answers[5], 429, "limit-reached")["retry_after"] <= 60


async def test_names_domain_and_lifetimes_of_cookies_are_settings(open_house: OpenHouse) -> None:
    house = await open_house(
        work=False,
        web={
            "public_url": "https://login.example.org",
            "cookies": {"access": "at", "domain": "example.org"},
        },
        sessions={"access_lifetime": "PT5M", "idle_lifetime": "P1D"},
    )
    async with client_of(house) as client:
        cookies = set_cookies(await client.post(f"{API}/register", json=BODY))

    assert cookies.keys() == {"at", "refresh_token", "sessionid", "csrftoken", "device"}
    assert all(cookie.attributes["domain"] == "example.org" for cookie in cookies.values())
    assert all("secure" in cookie.attributes for cookie in cookies.values())
    assert cookies["at"].attributes["max-age"] == "300"
    assert cookies["refresh_token"].attributes["max-age"] == str(DAYS)
