"""What the tests of recovery do again and again."""

from __future__ import annotations

import re
from typing import Any

import httpx
from tests.house import API, PASSWORD, letter_to, register, token_in

from ostiary.accounts import tell_of_lock, tell_of_refusal
from ostiary.core.caller import Caller
from ostiary.mail import KeptLetter, Mailbox
from ostiary.wiring import Ostiary

ADDRESS = "mira@example.org"
FRESH = "seven lanterns over Uppsala"
CALLER = Caller(request_id="test", address="203.0.113.7", agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")


async def settled(house: Ostiary, client: httpx.AsyncClient, name: str = "mira") -> dict[str, Any]:
    """Register somebody with a proven address; return the answer of registration."""
    signed_in = await register(client, name)
    await prove(house, client, f"{name}@example.org")
    return signed_in


async def prove(house: Ostiary, client: httpx.AsyncClient, address: str) -> None:
    """Use the link in the newest confirmation letter to an address."""
    token = token_in(await letter_to(house, address, "Confirm"))
    answer = await client.post(f"{API}/email/verify", json={"token": token})
    assert answer.status_code == 200, answer.text


async def move(house: Ostiary, client: httpx.AsyncClient, bearing: dict[str, str], address: str) -> None:
    """Change the address of whoever holds a token and knows the password, and prove the new one."""
    change = {"email": address, "current_password": PASSWORD}
    answer = await client.post(f"{API}/email/change", json=change, headers=bearing)
    assert answer.status_code == 200, answer.text
    await prove(house, client, address)


async def ask(client: httpx.AsyncClient, email: str = ADDRESS) -> httpx.Response:
    """Ask for a letter with which a new password can be chosen."""
    return await client.post(f"{API}/password-reset/request", json={"email": email})


async def reset_token(house: Ostiary, client: httpx.AsyncClient, email: str = ADDRESS) -> str:
    """Ask for a new password and return the secret from the letter."""
    answer = await ask(client, email)
    assert answer.status_code == 200, answer.text
    return token_in(await letter_to(house, email, "Choose a new password"))


async def confirm(client: httpx.AsyncClient, token: str, password: str = FRESH) -> httpx.Response:
    """Choose a new password with a secret from a letter; cookies are dropped."""
    answer = await client.post(f"{API}/password-reset/confirm", json={"token": token, "new_password": password})
    client.cookies.clear()
    return answer


async def try_in(client: httpx.AsyncClient, password: str, name: str = "mira") -> int:
    """Return how a sign-in with this password is answered."""
    answer = await client.post(f"{API}/login", json={"login": name, "password": password})
    client.cookies.clear()
    return answer.status_code


def letters(house: Ostiary, about: str = "") -> list[KeptLetter]:
    """Return every letter whose subject holds `about`, the newest first."""
    assert isinstance(house.post, Mailbox)
    return [letter for letter in house.post.letters if about in letter.subject]


def disown_token(letter: KeptLetter) -> str:
    """Return the secret in a letter's link that says "this wasn't me"."""
    return _secret(letter, "not-me")


def unlock_token(letter: KeptLetter) -> str:
    """Return the secret in a letter's link that lets a browser in."""
    return _secret(letter, "unlock")


def _secret(letter: KeptLetter, page: str) -> str:
    found = re.search(rf"/auth/{page}\?token=([A-Za-z0-9_-]{{43}})\n", letter.text)
    assert found, letter.text
    return found[1]


async def lock(house: Ostiary, account_id: str) -> None:
    """Say that an account was just locked, as the lockout does."""
    async with house.database.unit(CALLER) as unit:
        tell_of_lock(unit, account_id)


async def refuse(house: Ostiary, account_id: str) -> None:
    """Say that a right password was just refused, as a policy does."""
    async with house.database.unit(CALLER) as unit:
        tell_of_refusal(unit, account_id)
