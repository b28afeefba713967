"""Requests that no client library would send: odd paths, doubled and oversized headers, tokens tampered with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.attacks.raw import ask, contents
from tests.contract.browser import ACCESS, CSRF, PAGE, REFRESH, Browser
from tests.contract.doors import doors
from tests.house import API, ORIGIN, client_of, letter_to, register, token_in

from ostiary.wiring import Ostiary

LOGIN = b'{"login":"mira","password":"wrong password"}'
JSON = (b"content-type", b"application/json")


def header(name: str, value: str) -> tuple[bytes, bytes]:
    return name.encode(), value.encode("latin-1")


@pytest.mark.parametrize(
    "path",
    [
        b"//login", b"/api/v1/auth//login", b"//api/v1/auth/login", b"/api/v1/auth/login//", b"/api//v1/auth/login",
        b"/api/v1/auth/%6cogin", b"/api/v1/auth/%6Cogin", b"/api/v1/auth%2flogin", b"/%2e/api/v1/auth/login",
        b"/api/v1/auth/./login", b"/api/v1/auth/../auth/login", b"/api/v1/auth/login/.", b"/api/v1/auth/login/..",
        b"/api/v1/auth/LOGIN", b"/API/V1/AUTH/LOGIN", b"/api/v1/auth/login;a=b", b"/api/v1/auth;/login",
        b"/api/v1/auth/login%20", b"/api/v1/auth/login ", b"/api/v1/auth/login\x00", b"/api/v1/auth/login\t",
        b"/api/v1/auth/login%00", b"/api/v1/auth/login%0d%0a", b"/api/v1/auth/login\r\nx: y", b"\\api\\v1\\auth\\login",
        b"/api/v1/auth\\login", b"/api/v1/auth/log\xc4\xb1n", b"/api/v1/auth/\xff", b"/api/v1/auth/login#x",
        b"/api/v1/auth/login%3Fx", b"http://localhost:8080/api/v1/auth/login", b"*", b"", b"api/v1/auth/login",
        b"/auth/static/../../settings.py", b"/auth/static/%2e%2e%2fsettings.py", b"/auth/static/..", b"/" * 5000,
        b"/auth/static/ostiary.css%00.js", b"/a" * 3000, b"/api/v1/auth/sessions/" + b"A" * 5000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_path_has_one_spelling(house: Ostiary, path: bytes) -> None:
    before = await contents(house, without=frozenset())

    for method in ("GET", "POST", "DELETE"):
        answer = await ask(house.app, method, path, [JSON], LOGIN)
        assert answer.status == 404, f"{method} {path!r}: {answer.status}"

    assert await contents(house, without=frozenset()) == before


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_variants_of_a_path_do_not_evade_its_limit(house: Ostiary) -> None:
    paths = [b"/api/v1/auth/login", b"/api/v1/auth/login/", b"/api/v1/auth/login?x=1", b"/api/v1/auth/login/?x=1"]

    statuses = [(await ask(house.app, "POST", paths[n % 4], [JSON], LOGIN)).status for n in range(8)]

    assert statuses.count(401) == 5
    assert set(statuses[5:]) <= {423, 429}


@pytest.mark.parametrize("method", ["get", "Post", "G\x00T", "X" * 500, "CONNECT", "TRACK", "PRI", " ", "ПОСТ"])
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_odd_methods_are_refused(house: Ostiary, method: str) -> None:
    for path in (b"/api/v1/auth/login", b"/api/v1/auth/me", b"/healthz", b"/auth/sign-in"):
        answer = await ask(house.app, method, path, [JSON], LOGIN)
        assert answer.status == 405
        assert answer.headers["allow"]


OVERSIZED: dict[str, list[tuple[bytes, bytes]]] = {
    "one value": [(b"x", b"a" * 20_000)],
    "one name": [(b"x" * 20_000, b"a")],
    "one cookie": [(b"cookie", b"a=" + b"b" * 20_000)],
    "one token": [(b"authorization", b"Bearer " + b"a" * 20_000)],
    "many": [(f"x-{number}".encode(), b"a") for number in range(101)],
    "one name over and over": [(b"x", b"a" * 400) for _ in range(60)],
    "names without values": [(b"x" * 400, b"") for _ in range(60)],
}


@pytest.mark.parametrize("kind", OVERSIZED)
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_headers_have_an_end(house: Ostiary, kind: str) -> None:
    for path in (b"/healthz", b"/api/v1/auth/login", b"/auth/sign-in", b"/nothing"):
        answer = await ask(house.app, "GET", path, OVERSIZED[kind])
        assert answer.status == 431
        assert answer.json["type"].endswith("/headers-too-large")


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_query_has_an_end(house: Ostiary) -> None:
    assert (await ask(house.app, "GET", b"/auth/confirm", query=b"token=" + b"a" * 20_000)).status == 431
    assert (await ask(house.app, "GET", b"/auth/confirm", query=b"token=" + b"a" * 5_000)).status == 404


@pytest.mark.parametrize("length", [b"-1", b"+5", b"1e3", b"0x10", b"9" * 5000, b"\xb2", b" 5", b"", b"5, 5", b"65537"])
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_length_that_is_none_is_refused(house: Ostiary, length: bytes) -> None:
    for path in (b"/api/v1/auth/login", b"/api/v1/auth/refresh", b"/api/v1/auth/logout"):
        answer = await ask(house.app, "POST", path, [JSON, (b"content-length", length)], LOGIN)
        assert answer.status == 413


@pytest.mark.parametrize(
    "headers",
    [
        [(b"user-agent", b"a\x00b")],
        [(b"user-agent", bytes(range(1, 256)))],
        [(b"user-agent", b"x" * 9000)],
        [(b"x-forwarded-for", b"10.0.0.1, \xff\x00, , ,"), (b"forwarded", b'for="')],
        [(b"cookie", b"\x00=\xff; =; ;;=; a"), (b"cookie", b"\xff")],
        [(b"origin", b"http://localhost:8080"), (b"sec-fetch-site", b"\xff")],
        [(b"content-type", b"application/json; charset=utf-7")],
        [(b"host", b"evil.example")],
        [(b"x-http-method-override", b"DELETE")],
        [(b"accept", b"*/*;q=\x00")],
        [(b"accept-encoding", b"gzip"), (b"range", b"bytes=0-0"), (b"if-none-match", b"*")],
    ],
)
async def test_odd_headers_are_stored_or_ignored_but_never_stumbled_upon(
    house: Ostiary, headers: list[tuple[bytes, bytes]]
) -> None:
    body = b'{"username":"mira","email":"mira@example.org","password":"correct horse battery"}'
    kind = [] if any(name == b"content-type" for name, _ in headers) else [JSON]
    registered = await ask(house.app, "POST", b"/api/v1/auth/register", [*kind, *headers], body)
    assert registered.status in (201, 403), registered.body
    for door in doors():
        raw = b"" if door.method == "GET" else b"{}"
        answer = await ask(house.app, door.method, door.concrete.encode(), [*kind, *headers], raw)
        assert answer.status < 500, f"{door}: {answer.body!r}"
    if registered.status == 201:
        bearer = header("authorization", f"Bearer {registered.json['access_token']}")
        listed = await ask(house.app, "GET", b"/api/v1/auth/sessions", [bearer])
        assert listed.status == 200


async def test_a_doubled_credential_proves_nothing(house: Ostiary) -> None:
    async with client_of(house) as client:
        token = (await register(client))["access_token"]
    good = header("authorization", f"Bearer {token}")
    assert (await ask(house.app, "GET", b"/api/v1/auth/me", [good])).status == 200

    for pair in ([good, good], [good, header("authorization", "Bearer x")], [header("authorization", "x"), good]):
        assert (await ask(house.app, "GET", b"/api/v1/auth/me", pair)).status == 401


async def test_cookies_in_several_headers_are_one_list(house: Ostiary) -> None:
    """Over HTTP/2 browsers send one header a cookie (RFC 9113 section 8.2.3)."""
    browser = await _signed_in(house)
    crumbs = [header("cookie", f"{name}={value}") for name, value in browser.cookies.items()]
    assert (await ask(house.app, "GET", b"/api/v1/auth/me", crumbs)).status == 200

    twice = [*crumbs, header("cookie", f"{ACCESS}={browser.cookies[ACCESS]}")]
    assert (await ask(house.app, "GET", b"/api/v1/auth/me", twice)).status == 401


async def test_two_origins_are_none_of_ours(house: Ostiary) -> None:
    browser = await _signed_in(house)
    cookie = header("cookie", "; ".join(f"{name}={value}" for name, value in browser.cookies.items()))
    own = [header("origin", ORIGIN), header("x-csrf-token", browser.cookies[CSRF]), cookie]
    assert (await ask(house.app, "POST", b"/api/v1/auth/email/resend", own)).status == 200

    for first, second in ((ORIGIN, "https://evil.example"), ("https://evil.example", ORIGIN), (ORIGIN, ORIGIN)):
        headers = [header("origin", first), header("origin", second), *own[1:]]
        answer = await ask(house.app, "POST", b"/api/v1/auth/email/resend", headers)
        assert (answer.status, answer.json["type"].rpartition("/")[2]) == (403, "foreign-origin")


def tampered(token: str) -> list[str]:
    """Return spellings near a token, none of them the token."""
    middle = len(token) // 2
    neighbour = {"A": "B", "Z": "Y", "9": "8", "_": "-", "-": "_", "z": "y"}
    last = neighbour.get(token[-1], chr(ord(token[-1]) + 1))
    found = [
        token[:-1], token[1:], token[:middle], token + "A", token + "=", token + "==", token + ".", "." + token,
        token[:-1] + last,  # base64: the unused bits of the last character
        token.swapcase(), token.lower(), token.upper(), f'"{token}"', token + "%3D", token.replace(".", ":"),
        token[:middle] + "\x7f" + token[middle:], token[:middle] + " " + token[middle:], token + "\xa0",
        token.replace("-", "+").replace("_", "/") + "=", ".".join(reversed(token.split("."))), token * 2,
        token.rpartition(".")[0] + ".", token[:middle] + neighbour.get(token[middle], "A") + token[middle + 1 :],
    ]  # fmt: skip
    return [text for text in found if text != token]


async def _signed_in(house: Ostiary) -> Browser:
    async with client_of(house) as client:
        browser = Browser(client)
        await browser.get(f"{API}/csrf")
        body = {"username": "mira", "email": "mira@example.org", "password": "correct horse battery"}
        assert (await browser.post(f"{API}/register", json=body)).status_code == 201
    return browser


async def test_a_token_that_was_tampered_with_opens_nothing_and_changes_nothing(house: Ostiary) -> None:
    browser = await _signed_in(house)
    held = dict(browser.cookies)
    secret = token_in(await letter_to(house, "mira@example.org"))
    before = await contents(house)

    async def refused(method: str, path: str, headers: dict[str, str], body: Any = None, *, by: int = 401) -> None:  # noqa: ANN401
        raw = b"" if body is None else json.dumps(body).encode()
        pairs = [header(name, value) for name, value in headers.items()]
        answer = await ask(house.app, method, path.encode(), [JSON, *pairs], raw)
        assert answer.status == by, f"{method} {path} {headers} {body}: {answer.status} {answer.body!r}"

    for token in tampered(held[ACCESS]):
        await refused("GET", f"{API}/me", {"authorization": f"Bearer {token}"})
        await refused("GET", f"{API}/me", {"cookie": f"{ACCESS}={token}"})
    for token in tampered(held[REFRESH]):
        await refused("POST", f"{API}/refresh", {}, {"refresh_token": token})
        guarded = {"x-csrf-token": held[CSRF], "cookie": f"{REFRESH}={token}; {CSRF}={held[CSRF]}; {PAGE}={held[PAGE]}"}
        await refused("POST", f"{API}/refresh", guarded)
    for token in tampered(held[PAGE]):
        await refused("GET", "/auth/account", {"cookie": f"{PAGE}={token}"}, by=303)
    for token in tampered(held[CSRF]):
        cookies = f"{ACCESS}={held[ACCESS]}; {PAGE}={held[PAGE]}; {CSRF}={token}"
        await refused("POST", f"{API}/email/resend", {"cookie": cookies, "x-csrf-token": token}, by=403)
    for token in tampered(secret):
        await refused("POST", f"{API}/email/verify", {}, {"token": token})

    assert await contents(house) == before
    for kind in (ACCESS, REFRESH, PAGE, CSRF):
        browser.cookies[kind] = held[kind]
    async with client_of(house) as client:
        browser.client = client
        assert (await browser.post(f"{API}/email/verify", json={"token": secret})).status_code == 200
        assert (await browser.post(f"{API}/refresh")).status_code == 200
