"""A way to the database past the house: what a thief or a careless keeper has."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import asyncpg


async def raw(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements one after the other, each for itself; return the rows of the last."""
    rows: list[tuple[Any, ...]] = []
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=10)) as connection:
            for statement in statements:
                rows = connection.execute(statement).fetchall()
        return rows
    server = await asyncpg.connect(url)
    try:
        for statement in statements:
            rows = [tuple(row) for row in await server.fetch(statement)]
    finally:
        await server.close()
    return rows


def blob(url: str, value: bytes) -> str:
    """Return the literal for bytes."""
    return f"x'{value.hex()}'" if url.startswith("sqlite") else f"'\\x{value.hex()}'::bytea"
