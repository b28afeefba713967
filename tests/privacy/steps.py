"""What the tests of privacy do again and again."""

from __future__ import annotations

import re
from typing import Any

import httpx
from sqlalchemy import select
from tests.house import API, PASSWORD, bearer, letter_to
from tests.recovery.steps import ADDRESS

from ostiary.core.db import Query
from ostiary.mail import KeptLetter
from ostiary.migrations.tables import metadata
from ostiary.wiring import Ostiary

ERASING = "will be erased"


async def erase(client: httpx.AsyncClient, held: dict[str, Any], password: str = PASSWORD) -> httpx.Response:
    """Ask for the erasure of whoever holds an answer's access token."""
    answer = await client.post(f"{API}/account/erase", json={"current_password": password}, headers=bearer(held))
    client.cookies.clear()
    return answer


async def export(client: httpx.AsyncClient, held: dict[str, Any]) -> httpx.Response:
    """Ask for everything."""
    return await client.get(f"{API}/account/export", headers=bearer(held))


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
    parts: list[str] = []
    for table in metadata.tables.values():
        for column in table.columns:
            for (value,) in await house.database.all(Query(select(column), _Value)):
                parts.append(value.decode("latin-1") if isinstance(value, bytes) else str(value))
    return "\n".join(parts)


class _Value(tuple[Any, ...]):
    __slots__ = ()

    def __new__(cls, *values: Any) -> _Value:  # noqa: ANN401 - whatever a column holds
        return super().__new__(cls, values)
