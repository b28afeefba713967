"""Every door of the house, read off the house itself, so that a new one is covered by itself."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from fastapi.routing import iter_route_contexts
from tests.house import ORIGIN

from ostiary.server.app import routes
from ostiary.server.lanes import lanes_behind, lanes_of
from ostiary.wiring import Ostiary

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SOME_SESSION = "AAAAAAAAAAAAAAAAAAAAAA"


@dataclass(frozen=True)
class Operation:
    """One entry of the OpenAPI document."""

    method: str
    path: str
    document: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def has_body(self) -> bool:
        return "requestBody" in self.document

    @property
    def statuses(self) -> set[str]:
        return set(self.document["responses"])

    @property
    def concrete(self) -> str:
        """The path with something in place of its parameters."""
        return concrete(self.path)


@dataclass(frozen=True)
class Door:
    """One method at one path, as the application answers it."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def concrete(self) -> str:
        return concrete(self.path)

    @property
    def is_page(self) -> bool:
        return self.path.startswith(("/auth/", "/accounts/"))


def concrete(path: str) -> str:
    some = {
        r"\{name\}": "ostiary.css",
        r"\{\w+_id\}": SOME_SESSION,
        r"\{which\}": "0",
        r"\{written:path\}": "aaaa",
        r"\{provider\}": "github",
        r"\{role\}": "night-porter",
        r"\{permission\}": "books:lend",
    }
    for name, value in some.items():
        path = re.sub(name, value, path)
    return path


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document, as a house hands it out that was never opened: it needs no database."""
    found, _ = _read()
    return found


@cache
def operations() -> tuple[Operation, ...]:
    """Everything that the document describes."""
    return tuple(
        Operation(method.upper(), path, described)
        for path, methods in document()["paths"].items()
        for method, described in methods.items()
    )


@cache
def doors() -> tuple[Door, ...]:
    """Every method at every path: the fast lane, the API, the pages, and what the document leaves out."""
    _, found = _read()
    return found


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of the document, its reference followed."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: dict[str, Any] = document()["components"]["schemas"][reference.rpartition("/")[2]]
    return found


@cache
def _read() -> tuple[dict[str, Any], tuple[Door, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        house = Ostiary.at(Path(folder) / "data")
        lanes = {Door(lane.method, lane.path) for lane in (*lanes_of(house), *lanes_behind(house))}
        broad = {
            Door(method, route.path)
            for route in iter_route_contexts(routes(with_mailbox=False).routes)
            for method in route.methods or ()
            if route.path is not None
        }
        found = sorted(lanes | broad, key=lambda door: (door.path, door.method))
        with ThreadPoolExecutor(1) as beside:  # a test may ask while its own loop runs
            return beside.submit(lambda: asyncio.run(_document_of(house))).result(), tuple(found)


async def _document_of(house: Ostiary) -> dict[str, Any]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=house.app), base_url=ORIGIN) as client:
        answer = await client.get("/api/v1/openapi.json")
    found: dict[str, Any] = json.loads(answer.content)
    return found
