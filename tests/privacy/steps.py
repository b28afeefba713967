"""What the tests of privacy do again and again."""

from __future__ import annotations

import re
from typing import Any

import httpx
from tests.attacks.raw import contents
from tests.house import API, PASSWORD, bearer, letter_to
from tests.recovery.steps import ADDRESS

from ostiary.mail import KeptLetter
from ostiary.wiring import Ostiary

ERASING = "will be erased"


async def erase(client: httpx.AsyncClient, held: dict[str, Any], password: str = PASSWORD) -> httpx.Response:
    """Ask for the erasure of whoever holds an answer's access token."""
    answer = await client.post(f"{API}/account/erase", json={"current_password": password}, headers=bearer(held))
    client.cookies.clear()
    return answer


async def export(client: httpx.AsyncClient, held: dict[str, Any]) -> httpx.Response:
    """Ask for everything."""
    return await client.post(f"{API}/account/export", headers=bearer(held))


async def keep(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """Cancel an erasure with the secret from its letter."""
    return await client.post(f"{API}/account/keep", json={"token": token})


async def keep_token(house: Ostiary, address: str = ADDRESS) -> str:
    """Return the secret in the newest letter about an erasure."""
    return secret_in(await letter_to(house, address, ERASING))


def secret_in(letter: KeptLetter) -> str:
    """Return the secret of the link that keeps an account."""
    found = re.search(r"/auth/keep\?token=([A-Za-z0-9_-]{43})\n", letter.text)
    assert found, letter.text
    return found[1]


async def everything_stored(house: Ostiary) -> str:
    """Return every value of every row of every table, as text."""
    tables = await contents(house, without=frozenset())
    values = [value for rows in tables.values() for row in rows for value in row]
    return "\n".join(value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in values)
