"""The gate: bounds, one path, one address, https, and what goes on to the rooms behind it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from tests.attacks.raw import Answered, ask
from tests.house import API, PASSWORD, OpenHouse, bearer, client_of

from ostiary.web.gate import Gate
from ostiary.web.settings import WebSettings
from ostiary.web.visit import Receive, Scope, Send, Visit, parsed_cookies

SECURE = {"public_url": "https://login.example.org", "https_redirect": True}


def gate(**settings: Any) -> Gate:  # noqa: ANN401 - settings as a file holds them
    """Return a gate before a room that says what it was told."""

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message.get("more_body", False)
        visit: Visit = scope["ostiary"]
        said = {"path": scope["path"], "method": scope["method"], "address": visit.address, "size": len(body)}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})

    return Gate(echo, {}, WebSettings(**settings))


async def test_a_body_of_exactly_the_bound_passes_and_one_byte_more_does_not() -> None:
    small = gate(largest_body=1024)
    for size, status in ((1024, 200), (1025, 413)):
        whole = b"x" * size
        length = [(b"content-length", str(size).encode())]
        pieces = [whole[:1000], whole[1000:]]
        statuses = [
            (await ask(small, "POST", b"/x", length, whole)).status,
            (await ask(small, "POST", b"/x", [], whole)).status,
            (await ask(small, "POST", b"/x", [], pieces)).status,
            (await ask(small, "POST", b"/x", [(b"content-length", b"1")], pieces)).status,
        ]
        assert statuses == [status] * 4


async def test_headers_of_exactly_the_bound_pass_and_one_byte_more_do_not() -> None:
    small = gate(largest_headers=4096)
    fixed = len(b"host" + b"localhost:8080")

    assert (await ask(small, "GET", b"/x", [(b"x", b"a" * (4095 - fixed))])).status == 200
    assert (await ask(small, "GET", b"/x", [(b"x", b"a" * (4096 - fixed))])).status == 431


@pytest.mark.parametrize(
    ("raw", "path"), [(b"/", "/"), (b"/a", "/a"), (b"/a/", "/a"), (b"/a/b?c", "/a/b"), (b"/a-b_c.d~e", "/a-b_c.d~e")]
)
async def test_the_rooms_behind_see_one_form_of_a_path(raw: bytes, path: str) -> None:
    assert (await ask(gate(), "GET", raw)).json["path"] == path


async def test_a_head_request_reaches_the_rooms_as_get_and_returns_bare() -> None:
    answer = await ask(gate(), "HEAD", b"/x")

    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("settings", "headers", "address"),
    [
        ({}, [(b"x-forwarded-for", b"198.51.100.9")], "203.0.113.7"),
        ({"trusted_proxies": ["203.0.113.0/24"]}, [(b"x-forwarded-for", b"198.51.100.9")], "198.51.100.9"),
        (
            {"trusted_proxies": ["203.0.113.0/24"]},
            [(b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-for", b"198.51.100.9")],
            "198.51.100.9",
        ),
        ({"trusted_proxies": ["203.0.113.0/24"]}, [(b"forwarded", b"for=198.51.100.9")], None),
        ({"trusted_proxies": ["203.0.113.0/24"]}, [(b"x-real-ip", b"198.51.100.9")], "203.0.113.7"),
        ({"trusted_proxies": ["203.0.113.0/24"]}, [(b"x-forwarded-for", b"nonsense")], None),
    ],
)
async def test_the_address_of_a_visit_is_what_trusted_proxies_say(
    settings: dict[str, Any], headers: list[tuple[bytes, bytes]], address: str | None
) -> None:
    assert (await ask(gate(**settings), "GET", b"/x", headers)).json["address"] == address


async def test_limits_count_by_the_address_that_proxies_vouch_for(open_house: OpenHouse) -> None:
    house = await open_house(work=False, web={"trusted_proxies": ["10.0.0.1/32"]})
    wrong = {"login": "nobody", "password": "wrong"}
    async with client_of(house, "10.0.0.1") as proxied, client_of(house, "203.0.113.7") as direct:
        for number in range(6):
            there = {"x-forwarded-for": f"192.0.2.{number}, 198.51.100.9"}
            last = await proxied.post(f"{API}/login", json=wrong | {"login": f"n{number}"}, headers=there)
        assert last.status_code == 429  # the left part is the client's own invention
        other = {"x-forwarded-for": "198.51.100.10"}
        assert (await proxied.post(f"{API}/login", json=wrong | {"login": "x1"}, headers=other)).status_code == 401
        for number in range(6):
            forged = {"x-forwarded-for": f"192.0.2.{number}"}
            last = await direct.post(f"{API}/login", json=wrong | {"login": f"m{number}"}, headers=forged)
        assert last.status_code == 429  # a stranger's own header changes nothing


async def test_a_session_shows_the_address_that_proxies_vouch_for(open_house: OpenHouse) -> None:
    house = await open_house(work=False, web={"trusted_proxies": ["10.0.0.1/32"]})
    body = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
    async with client_of(house, "10.0.0.1") as client:
        signed_in = await client.post(f"{API}/register", json=body, headers={"x-forwarded-for": "2001:db8::9"})
        client.cookies.clear()
        listed = await client.get(f"{API}/sessions", headers=bearer(signed_in.json()))
    assert [session["address"] for session in listed.json()["sessions"]] == ["2001:db8::9"]


def redirected(answer: Answered) -> str | None:
    return answer.headers.get("location") if answer.status == 308 else None


async def test_people_on_plain_http_are_sent_to_https_by_setting() -> None:
    strict = gate(**SECURE)

    assert redirected(await ask(strict, "GET", b"/auth/sign-in", query=b"next=/x")) == (
        "https://login.example.org/auth/sign-in?next=/x"
    )
    assert redirected(await ask(strict, "GET", b"/auth/sign-in", [(b"host", b"evil.example")])) == (
        "https://login.example.org/auth/sign-in"
    )
    assert (await ask(strict, "GET", b"/auth/sign-in", scheme="https")).status == 200
    assert (await ask(gate(public_url=SECURE["public_url"]), "GET", b"/auth/sign-in")).status == 200


@pytest.mark.parametrize("path", [b"/api/v1/auth/me", b"/.well-known/jwks.json", b"/healthz", b"/readyz"])
async def test_programs_on_plain_http_are_not_sent_on_in_silence(path: bytes) -> None:
    assert redirected(await ask(gate(**SECURE), "GET", path)) is None  # ASVS 4.1.2


async def test_a_form_sent_by_plain_http_is_not_repeated_by_a_redirect() -> None:
    assert redirected(await ask(gate(**SECURE), "POST", b"/auth/sign-in", [], b"a=b")) is None


async def test_a_proxy_that_ends_tls_is_believed_if_trusted() -> None:
    said = [(b"x-forwarded-proto", b"https")]
    behind = gate(**SECURE, trusted_proxies=["203.0.113.7/32"])

    assert (await ask(behind, "GET", b"/auth/sign-in", said)).status == 200
    assert redirected(await ask(behind, "GET", b"/auth/sign-in")) is not None
    assert redirected(await ask(gate(**SECURE), "GET", b"/auth/sign-in", said)) is not None


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"a=1; b=2", {"a": "1", "b": "2"}),
        (b"a=1; a=2; b=3", {"b": "3"}),
        (b"a=1; a=1", {}),
        (b"a=1; a=2; a=3", {}),
        (b"a=1=2", {"a": "1=2"}),
        (b"a; b=2", {"b": "2"}),
        (b"", {}),
        (b";;=;a=", {"": "", "a": ""}),
        (b"a=\xff\xa0", {"a": "\xff\xa0"}),  # not trimmed: a token has one spelling
        (b"A=1; a=2", {"A": "1", "a": "2"}),
    ],
)
def test_of_two_cookies_with_one_name_neither_counts(raw: bytes, found: dict[str, str]) -> None:
    assert parsed_cookies(raw) == found


async def test_what_is_not_http_goes_on_untouched(outside: httpx.AsyncClient) -> None:
    seen: list[str] = []

    async def room(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: object) -> Any:  # noqa: ANN401 - never called
        raise AssertionError

    await Gate(room, {}, WebSettings())({"type": "lifespan"}, nothing, nothing)
    assert seen == ["lifespan"]
