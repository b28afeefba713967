"""No other site's page acts for a visitor (R19): every unsafe door, in every situation, with its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.attacks.raw import contents
from tests.contract.browser import ACCESS, CSRF, DEVICE, PAGE, REFRESH, Browser
from tests.contract.doors import SAFE, Door, doors
from tests.house import API, ORIGIN, OpenHouse, bearer, client_of, register
from tests.sessions.device import REGISTER, RENEW

from ostiary.web.csrf import Csrf
from ostiary.wiring import Ostiary

REPORTS = "POST /api/v1/csp-report"
"""Browsers send these by themselves, without our headers; they act for nobody and cookies mean nothing there
(`tests/csp_reports/test_deliveries.py`)."""
RETURN = "/accounts/{provider}/login/callback"
"""Where providers send people back to, as a navigation or a form that another site has caused: what proves that it is
an answer to this browser is `state` (`tests/federation/test_signing_in.py`, `tests/federation/test_faults.py`)."""
UNSAFE = [door for door in doors() if door.method not in SAFE and str(door) != REPORTS and door.path != RETURN]
FOE = "https://evil.example"
PASSES, FOREIGN, TOKEN_MISSING = "passes", "foreign-origin", "csrf-token-missing"
ASKED_LATER = {"not-permitted", "address-not-proven"}
"""Refusals with the same status that are decided only once it is sure who is asking."""
SITUATIONS = {
    "a program without cookies": PASSES,
    "a program with a bearer token": PASSES,
    "another site's page with a bearer token": PASSES,  # which no page can show without our leave (CORS)
    "our page, signed in, with the token": PASSES,
    "our page, not signed in, with a token of nobody": PASSES,
    "our page without a token": TOKEN_MISSING,
    "our page with a header and no cookie": TOKEN_MISSING,
    "another site's page": FOREIGN,
    "another site's page with our cookies": FOREIGN,
    "another site's page with our cookies and the token": FOREIGN,
    "a page that hides its origin": FOREIGN,
    "a sandboxed page with our cookies and the token": FOREIGN,
    "our host on another port": FOREIGN,
    "our host by another scheme": FOREIGN,
    "a name that begins like ours": FOREIGN,
    "a cross-site request that names no origin": FOREIGN,
    "a sister domain's request that names no origin": FOREIGN,
    "cookies without a token": TOKEN_MISSING,
    "cookies with only the header": TOKEN_MISSING,
    "cookies with only the token's cookie": TOKEN_MISSING,
    "cookies with two different tokens": TOKEN_MISSING,
    "cookies with the token of another session": TOKEN_MISSING,
    "cookies with the token from before signing in": TOKEN_MISSING,
    "cookies with a made-up token": TOKEN_MISSING,
    "the page's cookie alone without a token": TOKEN_MISSING,
    "the refresh cookie alone without a token": TOKEN_MISSING,
}


ASKED_BY_BROWSERS = frozenset({REGISTER, RENEW})
"""What is signed there is the proof; no other path is exempt (decision 7)."""


@dataclass(frozen=True)
class Setting:
    """What two people and a stranger hold."""

    mira: dict[str, str]
    eve: dict[str, str]
    access: str
    anonymous: str

    def headers(self, situation: str) -> tuple[dict[str, str], str | None]:
        """Return the headers of a situation, and the token as a form would carry it."""
        token = self.mira[CSRF]
        other = {"cookies with the token of another session": self.eve[CSRF]}
        other |= {"cookies with the token from before signing in": self.anonymous}
        other |= {"cookies with a made-up token": "a.b.c.d"}
        own = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}
        shown = {"authorization": f"Bearer {self.access}"}
        whole, bare = jar(self.mira), jar(self.mira, CSRF)
        known: dict[str, tuple[dict[str, str], str | None]] = {
            "a program without cookies": ({}, None),
            "a program with a bearer token": (shown | whole, None),
            "another site's page with a bearer token": (shown | whole | {"origin": FOE}, None),
            "our page, signed in, with the token": (own | whole, token),
            "our page, not signed in, with a token of nobody": (own | jar({CSRF: self.anonymous}), self.anonymous),
            "our page without a token": (own, None),
            "our page with a header and no cookie": (own, self.anonymous),
            "another site's page": ({"origin": FOE}, None),
            "another site's page with our cookies": ({"origin": FOE} | whole, None),
            "another site's page with our cookies and the token": ({"origin": FOE} | whole, token),
            "a page that hides its origin": ({"origin": "null"}, None),
            "a sandboxed page with our cookies and the token": ({"origin": "null"} | whole, token),
            "our host on another port": ({"origin": "http://localhost:8081"} | whole, token),
            "our host by another scheme": ({"origin": "https://localhost:8080"} | whole, token),
            "a name that begins like ours": ({"origin": "http://localhost:8080.evil.example"} | whole, token),
            "a cross-site request that names no origin": ({"sec-fetch-site": "cross-site"} | whole, token),
            "a sister domain's request that names no origin": ({"sec-fetch-site": "same-site"} | whole, token),
            "cookies without a token": (bare, None),
            "cookies with only the header": (bare, token),
            "cookies with only the token's cookie": (whole, None),
            "cookies with two different tokens": (whole, self.eve[CSRF]),
            "the page's cookie alone without a token": (jar({PAGE: self.mira[PAGE]}), None),
            "the refresh cookie alone without a token": (jar({REFRESH: self.mira[REFRESH]}), None),
        }
        if situation in other:
            return own | jar(self.mira | {CSRF: other[situation]}), other[situation]
        return known[situation]


def jar(cookies: dict[str, str], *without: str) -> dict[str, str]:
    return {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items() if name not in without)}


async def a_setting(client: httpx.AsyncClient) -> Setting:
    anonymous = (await client.get(f"{API}/csrf")).json()["csrfToken"]
    people = []
    for name in ("mira", "eve"):
        browser = Browser(client)
        await browser.get(f"{API}/csrf")
        body = {"username": name, "email": f"{name}@example.org", "password": "correct horse battery"}
        assert (await browser.post(f"{API}/register", json=body)).status_code == 201
        people.append({kind: value for kind, value in browser.cookies.items() if kind != DEVICE})
    client.cookies.clear()
    return Setting(people[0], people[1], people[0][ACCESS], anonymous)


async def ask(client: httpx.AsyncClient, door: Door, headers: dict[str, str], token: str | None) -> httpx.Response:
    """Send a request that is right but for what a forger could not know; nothing in it does anything."""
    client.cookies.clear()
    if door.is_page:
        form = {"csrf_token": token} if token is not None else {"x": "y"}
        return await client.request(door.method, door.concrete, headers=headers, data=form)
    shown = {"x-csrf-token": token} if token is not None else {}
    return await client.request(door.method, door.concrete, headers=headers | shown, json={})


def verdict(answer: httpx.Response) -> str:
    if answer.status_code != 403:
        return PASSES
    titles = {"came from another site": FOREIGN, "form has grown old": TOKEN_MISSING, "confirm your address": PASSES}
    titles["Your account may not do this."] = PASSES
    if answer.headers["content-type"].startswith("text/html"):
        return next(slug for words, slug in titles.items() if words in answer.text)
    slug: str = answer.json()["type"].rpartition("/")[2]
    return PASSES if slug in ASKED_LATER else slug


@pytest.mark.parametrize("door", UNSAFE, ids=str)
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_each_door_gives_the_verdict_that_the_situation_deserves(open_house: OpenHouse, door: Door) -> None:
    house = await open_house(work=False, protection={"signups_per_hour": 100})
    async with client_of(house) as client:
        setting = await a_setting(client)
        wrong = []

        async def try_those(verdicts: set[str]) -> None:
            for situation in SITUATIONS:
                if (expected := deserved(situation, door)) in verdicts:
                    found = verdict(await ask(client, door, *setting.headers(situation)))
                    if found != expected:
                        wrong.append(f"{situation}: {found}, not {expected}")

        before = await contents(house)
        await try_those({FOREIGN, TOKEN_MISSING})
        assert await contents(house) == before
        await try_those({PASSES})
        assert not wrong, f"{door}\n" + "\n".join(wrong)


def deserved(situation: str, door: Door) -> str:
    by_browsers = door.path in ASKED_BY_BROWSERS
    if (door.is_page or by_browsers) and situation == "another site's page with a bearer token":
        return FOREIGN  # for people and their browsers: no program has business there
    if by_browsers and SITUATIONS[situation] == TOKEN_MISSING:
        return PASSES
    return SITUATIONS[situation]


async def test_a_refusal_takes_nothing_from_the_visitor(outside: httpx.AsyncClient) -> None:
    setting = await a_setting(outside)

    for door in UNSAFE:
        answer = await ask(outside, door, {"origin": FOE} | jar(setting.mira), setting.mira[CSRF])
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers, str(door)
        assert "clear-site-data" not in answer.headers
    assert (await outside.get(f"{API}/me", headers=jar(setting.mira))).status_code == 200


async def test_looking_is_never_refused_for_where_it_comes_from(outside: httpx.AsyncClient) -> None:
    setting = await a_setting(outside)
    cross = {"origin": FOE, "sec-fetch-site": "cross-site"} | jar(setting.mira)

    for door in doors():
        if door.method in SAFE:
            # A proxy asks about another request, which is a look as well if it says so.
            headers = cross | {"x-forwarded-method": "GET"}
            assert verdict(await outside.get(door.concrete, headers=headers)) == PASSES, str(door)


async def test_looking_changes_nothing(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """ASVS 3.5.3: a link or an image on another site can cause any GET."""
    setting = await a_setting(outside)
    before = await contents(house, without=frozenset({"sessions"}))  # `seen_at` of one's own pages moves

    for door in doors():
        if door.method in SAFE and door.path != RETURN:  # what comes back there is journalled, and used up
            for headers in ({}, jar(setting.mira), jar({PAGE: setting.mira[PAGE]})):
                answer = await outside.get(door.concrete, headers=headers)
                assert "clear-site-data" not in answer.headers, str(door)

    assert await contents(house, without=frozenset({"sessions"})) == before
    assert (await outside.get(f"{API}/me", headers=jar(setting.mira))).status_code == 200


async def test_bearer_and_cookies_act_as_the_bearer_and_never_as_the_cookies(outside: httpx.AsyncClient) -> None:
    setting = await a_setting(outside)
    ada = await register(outside, "ada")

    seen = await outside.get(f"{API}/me", headers=bearer(ada) | jar(setting.mira))
    assert seen.json()["username"] == "ada"
    ended = await outside.post(f"{API}/logout", headers=bearer(ada) | jar(setting.mira))
    assert ended.status_code == 200
    assert (await outside.get(f"{API}/me", headers=bearer(ada))).status_code == 401
    assert (await outside.get(f"{API}/me", headers=jar(setting.mira))).status_code == 200

    basic = {"authorization": "Basic eDp5"} | jar(setting.mira)  # no way around: cookies are not read beside it
    assert (await outside.post(f"{API}/sessions/revoke-others", headers=basic)).status_code == 401
    page = await outside.post("/auth/sign-out", headers=basic, data={"csrf_token": "x"})
    assert page.status_code == 303
    assert (await outside.get(f"{API}/me", headers=jar(setting.mira))).status_code == 200


@pytest.mark.parametrize("header", ["x-csrf-token", "x-csrftoken"])
async def test_either_spelling_of_the_header_is_read(outside: httpx.AsyncClient, header: str) -> None:
    setting = await a_setting(outside)

    answer = await outside.post(f"{API}/email/resend", headers=jar(setting.mira) | {header: setting.mira[CSRF]})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("public_url", "own", "others"),
    [
        ("https://login.example.org", ["https://login.example.org"], ["https://login.example.org:444", "http://login.example.org"]),
        ("https://login.example.org:443", ["https://login.example.org"], ["https://login.example.org:443"]),
        ("https://login.example.org:8443", ["https://login.example.org:8443"], ["https://login.example.org"]),
        ("https://LOGIN.example.org/", ["https://login.example.org"], ["https://example.org"]),
        (
            "http://localhost:8080",
            ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"],
            ["http://localhost", "http://localhost:80801", "http://127.0.0.2:8080"],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_the_own_origin_is_what_browsers_write(
    open_house: OpenHouse, public_url: str, own: list[str], others: list[str]
) -> None:
    house = await open_house(work=False, web={"public_url": public_url})
    async with client_of(house) as client:
        for origins, expected in ((own, 200), (others, 403)):
            for origin in origins:
                token = (await client.get(f"{API}/csrf")).json()["csrfToken"]
                client.cookies.clear()
                headers = {"origin": origin, "x-csrf-token": token} | jar({CSRF: token})
                answer = await client.post(f"{API}/logout", headers=headers)
                assert answer.status_code == expected, origin


def test_a_token_is_not_the_same_twice(house_csrf: Csrf) -> None:
    tokens = {house_csrf.issue("A" * 22)[0] for _ in range(100)}
    assert len(tokens) == 100  # nothing to compress against, nothing to guess (BREACH)


@pytest.fixture
def house_csrf(house: Ostiary) -> Any:  # noqa: ANN401 - the house's own
    return house.csrf
