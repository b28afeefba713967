"""What people do with sign-in links, in one step each."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx
from tests.contract.browser import Browser, set_cookies
from tests.house import API, letter_to, token_in
from tests.recovery.steps import ADDRESS

from ostiary.mail import KeptLetter
from ostiary.wiring import Ostiary

COOKIE = "__Host-signin_link"
SUBJECT = "Sign in to"


@dataclass(frozen=True)
class Letter:
    """What somebody holds who asked for a link, and reads the letter."""

    cookie: str
    token: str
    code: str


async def ask(client: httpx.AsyncClient, email: str = ADDRESS) -> httpx.Response:
    """Ask for a letter; cookies are dropped."""
    answer = await client.post(f"{API}/magic-link/request", json={"email": email})
    client.cookies.clear()
    return answer


def cookie_of(answer: httpx.Response) -> str:
    """Return what the cookie of the browser that asked holds."""
    return set_cookies(answer)[COOKIE].value


async def asked(house: Ostiary, client: httpx.AsyncClient, email: str = ADDRESS) -> Letter:
    """Ask for a letter, and read it."""
    answer = await ask(client, email)
    assert answer.status_code == 200, answer.text
    letter = await letter_to(house, email, SUBJECT)
    return Letter(cookie_of(answer), token_in(letter), code_in(letter))


def code_in(letter: KeptLetter) -> str:
    """Return the code in a letter."""
    found = re.search(r"^([0-9A-Z]{4}-[0-9A-Z]{4})$", letter.text, re.MULTILINE)
    assert found, letter.text
    return found[1]


async def open_link(
    client: httpx.AsyncClient, token: str, cookie: str | None = None, *, elsewhere: bool = False
) -> httpx.Response:
    """Sign in by the secret of a link; cookies are dropped."""
    body: dict[str, object] = {"token": token}
    if elsewhere:
        body["elsewhere"] = True
    return await _confirm(client, body, cookie)


async def type_code(client: httpx.AsyncClient, code: str, cookie: str | None) -> httpx.Response:
    """Sign in by a code; cookies are dropped."""
    return await _confirm(client, {"code": code}, cookie)


async def _confirm(client: httpx.AsyncClient, body: dict[str, object], cookie: str | None) -> httpx.Response:
    headers = {"cookie": f"{COOKIE}={cookie}"} if cookie else {}
    answer = await client.post(f"{API}/magic-link/confirm", json=body, headers=headers)
    client.cookies.clear()
    return answer


def browser_with(client: httpx.AsyncClient, cookie: str | None = None) -> Browser:
    """Return a browser on the pages, the one that asked or another."""
    return Browser(client, {COOKIE: cookie} if cookie else {})


def slug(answer: httpx.Response) -> tuple[int, str]:
    """Return how a request was refused."""
    return answer.status_code, answer.json()["type"].rpartition("/")[2]
