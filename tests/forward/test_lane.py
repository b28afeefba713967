"""What proxies are told: who has sent a request, or the way to sign in."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.house import API, ORIGIN, OpenHouse, bearer, client_of, register

from ostiary.client.strict import encode_base64url
from ostiary.core.caller import HOUSE
from ostiary.core.errors import Misconfigured
from ostiary.forward import ReturnPlaces
from ostiary.web.settings import WebSettings
from ostiary.wiring import Ostiary

PAGE = {"accept": "text/html,application/xhtml+xml", "x-forwarded-method": "GET"}
BOOK = {"x-forwarded-proto": "http", "x-forwarded-host": "localhost:8080", "x-forwarded-uri": "/books?id=7&x=a%20b"}
WIKI = "https://wiki.example.org"


@pytest.fixture
def storage() -> str:
    """SQLite alone: nothing here asks the database."""
    return "sqlite"


def way(answer: httpx.Response) -> str:
    """Return where an answer leads."""
    return answer.headers.get("x-ostiary-sign-in") or answer.headers["location"]


def cookies(signed_in: dict[str, Any], **more: str) -> dict[str, str]:
    """Return a browser's headers."""
    return {"cookie": f"__Host-access_token={signed_in['access_token']}"} | more


async def test_somebody_is_named_by_headers_each_of_them_always(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await register(outside)
    forged = {"remote-user": "root", "remote-email": "root@example.org"}
    for path in ("/auth/forward", "/auth/forward/browser"):
        for shown in (bearer(mira), cookies(mira)):
            answer = await outside.get(path, headers=shown | forged)
            assert answer.status_code == 200
            assert answer.headers["remote-user"] == "mira"
            assert answer.headers["remote-account"] == mira["user"]["id"]
            assert answer.headers["remote-email"] == ""  # a mere claim
            assert answer.headers["remote-permissions"] == ""
            assert answer.headers["cache-control"] == "no-store"


async def test_a_permission_is_asked_of_the_account_as_it_is_now(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await register(outside)
    asked = "/auth/forward?permission=books:lend"
    assert (await outside.get(asked, headers=bearer(mira))).status_code == 403
    async with house.database.unit(HOUSE) as unit:
        await house.accounts.permit(unit, mira["user"]["id"], "books:lend")
    answer = await outside.get(asked, headers=bearer(mira))
    assert (answer.status_code, answer.headers["remote-permissions"]) == (200, "books:lend")
    for unknown in ("permissions=books:lend", "permission=", "permission=a&permission=books:lend", "x"):
        assert (await outside.get(f"/auth/forward?{unknown}", headers=bearer(mira))).status_code in (403, 422), unknown


async def test_who_is_not_signed_in_is_shown_the_way_and_comes_back(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await register(outside)
    ended = await register(outside, "noor")
    await outside.post(f"{API}/logout", headers=bearer(ended))
    for shown in ({}, bearer(ended), cookies(ended), {"authorization": "Basic bWlyYTpwdw=="}):
        plain = await outside.get("/auth/forward", headers=shown | PAGE | BOOK)
        assert plain.status_code == 401
        assert "remote-user" not in plain.headers
        sent = await outside.get("/auth/forward/browser", headers=shown | PAGE | BOOK)
        assert sent.status_code == (401 if "authorization" in shown else 303)
    place = way(plain)
    assert place.startswith(f"{ORIGIN}/auth/return/")
    stranger = await outside.get(place, headers={"accept": "text/html"})
    assert stranger.status_code == 303
    assert stranger.headers["location"] == f"/auth/sign-in?next={place.removeprefix(ORIGIN)}"
    back = await outside.get(place, headers=cookies(mira))
    assert (back.status_code, back.headers["location"]) == (303, f"{ORIGIN}/books?id=7&x=a%20b")


async def test_a_script_gets_a_refusal_and_no_page(house: Ostiary, outside: httpx.AsyncClient) -> None:
    for more in ({"accept": "application/json"}, PAGE | {"x-forwarded-method": "POST"}):
        assert (await outside.get("/auth/forward/browser", headers=BOOK | more)).status_code == 401


ELSEWHERE = [
    {"x-forwarded-host": "evil.example"},
    {"x-forwarded-host": "localhost:8080.evil.example"},
    {"x-forwarded-host": "localhost:8080@evil.example"},
    {"x-forwarded-host": "evil.example\\localhost:8080"},
    {"x-forwarded-proto": "https"},
    {"x-forwarded-proto": "javascript"},
    {"x-forwarded-host": ""},
]


@pytest.mark.parametrize("changed", ELSEWHERE)
async def test_nobody_is_sent_to_another_origin(
    house: Ostiary, outside: httpx.AsyncClient, changed: dict[str, str]
) -> None:
    answer = await outside.get("/auth/forward", headers=PAGE | BOOK | changed)
    assert way(answer) == f"{ORIGIN}/auth/account"


@pytest.mark.parametrize("tail", ["books", "//a\\b", "/a\\b", "/a b", "/ü", "/" + "a" * 400, ""])
async def test_a_place_that_cannot_be_leads_to_the_front(house: Ostiary, outside: httpx.AsyncClient, tail: str) -> None:
    mira = await register(outside)
    told = PAGE | BOOK | {"x-forwarded-uri": tail}
    answer = await outside.get("/auth/forward", headers=[(name.encode(), told[name].encode()) for name in told])
    back = await outside.get(way(answer), headers=cookies(mira))
    assert back.headers["location"] == f"{ORIGIN}/"


async def test_what_is_written_by_a_stranger_leads_nowhere_else(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await register(outside)
    for address in ("https://evil.example/", f"{ORIGIN}.evil.example/", f"{ORIGIN}@evil.example/", "//evil.ex", "/x"):
        written = encode_base64url(address.encode())
        answer = await outside.get(f"/auth/return/{written}", headers=cookies(mira))
        assert answer.headers["location"] == "/auth/account", address


@given(text=some.text(max_size=300))
def test_whatever_is_read_is_on_the_list(text: str) -> None:
    places = ReturnPlaces((WIKI,), WebSettings(public_url="https://login.example.org"))
    found = places.read(text)
    assert found is None or found.startswith((f"{WIKI}/", "https://login.example.org/"))
    written = places.way(WIKI, text)
    assert written.startswith("https://login.example.org/auth/")


async def test_a_page_elsewhere_does_nothing_with_our_cookies(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await register(outside)
    evil = {"origin": "https://evil.example"}
    ours = {"origin": ORIGIN}
    for method, status in (("GET", 200), ("POST", 403), ("DELETE", 403), (None, 403)):
        told = {"x-forwarded-method": method} if method else {}
        assert (await outside.get("/auth/forward", headers=cookies(mira, **evil, **told))).status_code == status
        assert (await outside.get("/auth/forward", headers=cookies(mira, **ours, **told))).status_code == 200
        assert (await outside.get("/auth/forward", headers=bearer(mira) | evil | told)).status_code == 200
    opening = {"x-forwarded-method": "GET", "upgrade": "websocket"}
    assert (await outside.get("/auth/forward", headers=cookies(mira, **evil, **opening))).status_code == 403


async def test_pictures_of_a_page_are_not_counted(open_house: OpenHouse) -> None:
    house = await open_house(protection={"anonymous_per_minute": 5, "signed_in_per_minute": 5})
    async with client_of(house) as client:
        mira = await register(client)
        for _ in range(20):
            assert (await client.get("/auth/forward")).status_code == 401
            assert (await client.get("/auth/forward", headers=bearer(mira))).status_code == 200


async def test_an_application_elsewhere_needs_to_be_listed_and_to_get_the_cookies(open_house: OpenHouse) -> None:
    login = {"public_url": "https://login.example.org"}
    with pytest.raises(Misconfigured, match="no cookie"):
        await open_house(web=login, forward={"origins": (WIKI,)})
    for wrong in ("https://wiki.example.org/", "http://wiki.example.org", "*", "https://Wiki.example.org", "null"):
        with pytest.raises(Misconfigured, match=r"forward\.origins"):
            await open_house(forward={"origins": (wrong,)})
    house = await open_house(web=login | {"cookies": {"domain": "example.org"}}, forward={"origins": (WIKI,)})
    async with client_of(house) as client:
        there = {"x-forwarded-proto": "https", "x-forwarded-host": "wiki.example.org", "x-forwarded-uri": "/a?b"}
        written = way(await client.get("/auth/forward", headers=there)).partition("/return/")[2]
        assert house.return_places.read(written) == f"{WIKI}/a?b"
        near = there | {"x-forwarded-host": "evil.example.org"}
        assert way(await client.get("/auth/forward", headers=near)) == "https://login.example.org/auth/account"
