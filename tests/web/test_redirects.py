"""Success redirects lead to own paths only, by a strict grammar (R30)."""

from __future__ import annotations

import httpx
import pytest
from tests.contract.browser import Browser
from tests.house import PASSWORD, register

from ostiary.web.redirects import own_path

ELSEWHERE = [
    "https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "/\\/evil.example",
    "http:evil.example", "https:/evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example", "",
    "/%2f/evil.example", "/%5cevil.example", "/%09/evil.example", "/\t/evil.example", "/\n/evil.example",
    "\t//evil.example",
    " //evil.example", "/ /evil.example", "/.//evil.example", "/..//evil.example", "/./", "/..",
    "/auth/../..//evil.example",
    "/@evil.example", "/auth@evil.example", "/auth:80", "/auth?next=//evil.example", "/auth#//evil.example", "/auth;x",
    "/auth//account", "/\u2215\u2215evil.example", "/\uff0f\uff0fevil.example", "/auth\x00", "/auth\r\nlocation: x",
    "/" + "a" * 65, "/a" * 9, "auth/account", "/é", "/auth/account\n",
]  # fmt: skip


@pytest.mark.parametrize("text", ELSEWHERE)
def test_whatever_could_lead_elsewhere_leads_home(text: str) -> None:
    assert own_path(text, "/home") == "/home"


@pytest.mark.parametrize("text", ["/auth", "/auth/", "/auth/account", "/a/b/c/d/e/f/g/h", "/app/my-page_1/"])
def test_a_plain_path_of_our_own_passes(text: str) -> None:
    assert own_path(text, "/home") == text


def test_nothing_leads_home() -> None:
    assert own_path(None, "/home") == "/home"


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_signing_in_never_leads_to_another_site(outside: httpx.AsyncClient) -> None:
    await register(outside)

    for text in ELSEWHERE:
        browser = Browser(outside)
        shown = await browser.get("/auth/sign-in", params={"next": text})
        assert shown.status_code == 200
        assert "evil.example" not in shown.text
        answer = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD, next=text)
        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/account"), text


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_signing_in_leads_where_one_was_heading(outside: httpx.AsyncClient) -> None:
    await register(outside)
    browser = Browser(outside)

    sent = await browser.get("/auth/password")
    assert sent.headers["location"] == "/auth/sign-in?next=/auth/password"
    answer = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD, next="/auth/password")

    assert answer.headers["location"] == "/auth/password"
    assert answer.status_code == 303  # RFC 9700 section 4.12: a 307 would send the password on


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_no_redirect_follows_the_host_header(outside: httpx.AsyncClient) -> None:
    for path in ("/", "/.well-known/change-password", "/auth/account"):
        answer = await outside.get(path, headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/auth/")
