"""Requests that no well-bred client would send, straight to the ASGI application; and what they left behind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select

from ostiary.core.db import Query
from ostiary.migrations.tables import metadata
from ostiary.wiring import Ostiary

Pairs = Iterable[tuple[bytes, bytes]]
EVIDENCE = frozenset({"journal", "journal_strands", "counters"})
"""Tables that a refusal may write to: it leaves evidence (D9), and it counts (R10)."""


@dataclass(frozen=True)
class Answered:
    """An answer as it left the application."""

    status: int
    pairs: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Headers by name; of one that came twice, the last."""
        return {name.decode(): value.decode("latin-1") for name, value in self.pairs}

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.pairs if key.decode() == name]

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        return self.headers.get("content-type") == "application/problem+json" and self.json["status"] == self.status


async def ask(
    app: Any,  # noqa: ANN401 - an ASGI application
    method: str,
    raw_path: bytes,
    headers: Pairs = (),
    body: bytes | list[bytes] = b"",
    *,
    query: bytes = b"",
    client: tuple[str, int] | None = ("203.0.113.7", 50000),
    scheme: str = "http",
    hangs_up: bool = False,
) -> Answered:
    """Send one request, its body in one piece or several.

    Args:
        hangs_up: The client goes away after these pieces, though more were to come.
    """
    pieces = [body] if isinstance(body, bytes) else list(body)
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if hangs_up:
        waiting.append({"type": "http.disconnect"})
    else:
        waiting[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": scheme,
        "path": raw_path.decode("latin-1"), "raw_path": raw_path, "query_string": query, "root_path": "",
        "headers": [(b"host", b"localhost:8080"), *headers], "client": client, "server": ("localhost", 8080),
    }  # fmt: skip
    await app(scope, receive, send)
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert len(starts) == 1, "an answer begins exactly once"
    return Answered(
        starts[0]["status"], tuple(starts[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:])
    )


async def contents(house: Ostiary, *, without: frozenset[str] = EVIDENCE) -> dict[str, list[Any]]:
    """Return every row of every table but those named."""
    found: dict[str, list[Any]] = {}
    for table in metadata.sorted_tables:
        if table.name not in without:
            row = msgspec.defstruct(f"{table.name}", [(f"{column.name}", Any) for column in table.columns], frozen=True)
            statement = select(table).order_by(*table.primary_key.columns)
            rows = await house.database.all(Query(statement, row))
            found[table.name] = [msgspec.structs.astuple(found_row) for found_row in rows]
    assert len(found) > 5
    return found
