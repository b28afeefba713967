"""One spelling a path, the right methods at each, and cross-origin callers as configured (spec section 2, R19)."""

from __future__ import annotations

import re

import httpx
import pytest
from tests.contract.doors import Door, doors
from tests.contract.test_register_and_login import assert_problem
from tests.house import API, PASSWORD, OpenHouse, bearer, client_of, register

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "OPTIONS")
FRIEND, FOE = "https://app.example.org", "https://evil.example"


def methods_at(path: str) -> set[str]:
    """Return the methods that some door takes at a path; HEAD comes with GET."""
    found = {door.method for door in doors() if re.fullmatch(re.sub(r"\{\w+(:path)?\}", "[^/]+", door.path), path)}
    return found | {"HEAD"} if "GET" in found else found


PATHS = sorted({door.concrete for door in doors()})


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_trailing_slash_changes_nothing(outside: httpx.AsyncClient) -> None:
    for door in doors():
        bare = await outside.request(door.method, door.concrete)
        slashed = await outside.request(door.method, door.concrete.rstrip("/") + "/")
        assert (bare.status_code, bare.headers.get("location")) == (
            slashed.status_code,
            slashed.headers.get("location"),
        ), str(door)
        assert "problems/not-found" not in bare.text, str(door)


async def test_signing_in_works_with_a_slash_and_never_redirects(outside: httpx.AsyncClient) -> None:
    await register(outside)

    answer = await outside.post(f"{API}/login/", json={"login": "mira", "password": PASSWORD})

    assert answer.status_code == 200
    assert answer.headers.get("location") is None  # a redirect would send the password twice
    assert (await outside.get(f"{API}/me/", headers=bearer(answer.json()))).status_code == 200


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_wrong_method_is_told_every_right_one(outside: httpx.AsyncClient) -> None:
    for path in PATHS:
        right = methods_at(path)
        for method in set(METHODS) - right:
            answer = await outside.request(method, path)
            assert answer.status_code == 405, f"{method} {path}: {answer.status_code}"
            # RFC 9110 section 15.5.6
            assert set(answer.headers["allow"].split(", ")) == right, f"{method} {path}: {answer.headers['allow']}"


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_head_is_get_without_the_content(outside: httpx.AsyncClient) -> None:
    for door in doors():
        if door.method == "GET":
            got, head = await outside.get(door.concrete), await outside.head(door.concrete)
            assert head.status_code == got.status_code, str(door)
            assert head.content == b""
            assert (
                head.headers["content-type"] == got.headers["content-type"] if "content-type" in got.headers else True
            )
            assert head.headers.get("content-length") == got.headers.get("content-length"), str(door)


async def test_head_of_a_path_that_only_takes_forms_is_refused_without_content(outside: httpx.AsyncClient) -> None:
    answer = await outside.head(f"{API}/login")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.content == b""


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/auth/LOGIN", "/API/v1/auth/login", "/api/v1/auth/Login", "/api/v2/auth/login", "/login",
        "/api/v1/auth/login.json", "/api/v1/auth/login;x=1", "/api/v1/auth", "/auth/nothing", "/nothing",
    ],
)  # fmt: skip
async def test_no_other_spelling_of_a_path_leads_anywhere(outside: httpx.AsyncClient, path: str) -> None:
    answer = await outside.post(path, json={"login": "mira", "password": "wrong"})

    assert answer.status_code == 404
    if not path.startswith("/auth/"):
        assert_problem(answer, 404, "not-found")


def preflight(origin: str, method: str = "POST") -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type,x-csrf-token",
    }


async def test_a_listed_origin_may_call_with_credentials(open_house: OpenHouse) -> None:
    house = await open_house(work=False, web={"cors_origins": [FRIEND]})
    async with client_of(house) as client:
        asked = await client.options(f"{API}/login", headers=preflight(FRIEND))
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == FRIEND
        assert asked.headers["access-control-allow-credentials"] == "true"
        assert asked.headers["access-control-max-age"] == "86400"  # R19: cached for a day
        assert {"GET", "POST", "PATCH", "DELETE"} <= set(asked.headers["access-control-allow-methods"].split(", "))
        allowed = asked.headers["access-control-allow-headers"].split(", ")
        assert {"authorization", "content-type", "x-csrf-token"} <= set(allowed)
        assert "origin" in asked.headers["vary"].lower()

        body = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
        token = (await client.get(f"{API}/csrf")).json()["csrfToken"]
        browser = {"origin": FRIEND, "cookie": f"__Host-csrftoken={token}", "x-csrf-token": token}
        answer = await client.post(f"{API}/register", json=body, headers=browser)
        assert answer.status_code == 201
        assert answer.headers["access-control-allow-origin"] == FRIEND
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "retry-after" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin", [FOE, "null", FRIEND + ".evil.example", FRIEND + ":444", "http://app.example.org", "*"]
)
async def test_no_other_origin_may(open_house: OpenHouse, origin: str) -> None:
    house = await open_house(work=False, web={"cors_origins": [FRIEND]})
    async with client_of(house) as client:
        for answer in (
            await client.options(f"{API}/login", headers=preflight(origin)),
            await client.get(f"{API}/me", headers={"origin": origin}),
            await client.get("/nothing", headers={"origin": origin}),
        ):
            assert "access-control-allow-origin" not in answer.headers
            assert "access-control-allow-credentials" not in answer.headers
            assert "origin" in answer.headers["vary"].lower()
        refused = await client.post(f"{API}/login", json={}, headers={"origin": origin})
        assert refused.status_code in (403, 422)
        with_body = await client.post(f"{API}/login", json={"login": "a", "password": "b"}, headers={"origin": origin})
        assert_problem(with_body, 403, "foreign-origin")


async def test_without_listed_origins_nobody_gets_a_permission(outside: httpx.AsyncClient) -> None:
    for origin in (FRIEND, FOE, "null"):
        answer = await outside.options(f"{API}/login", headers=preflight(origin))
        assert answer.status_code == 204
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_preflight_touches_no_door(outside: httpx.AsyncClient) -> None:
    for door in doors():
        answer = await outside.options(door.concrete, headers=preflight(FOE, door.method))
        assert (answer.status_code, answer.content) == (204, b""), str(door)
        assert "set-cookie" not in answer.headers


def test_the_doors_are_read_off_the_house() -> None:
    assert Door("GET", "/api/v1/auth/me") in doors()  # in the fast lane
    assert Door("PATCH", "/api/v1/auth/me") in doors()
    assert Door("POST", "/auth/sign-in") in doors()
    assert Door("GET", "/.well-known/change-password") in doors()
