"""Fixtures for applications that hold a house."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.house import CHEAP_HASHING
from tests.integrations.hosts import Browser, host_of, started

from ostiary.core.clock import ManualClock
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary

BuildHouse = Callable[..., Ostiary]


@pytest.fixture
def storage() -> str:
    """SQLite alone, unless a test says so: nothing of mounting knows the database."""
    return "sqlite"


@pytest.fixture
def build_house(tmp_path: Path, database_url: str, clock: ManualClock) -> BuildHouse:
    """Build a house that is not open: `build_house(web={...})`; the application is to open it."""

    def build(**overrides: Mapping[str, Any]) -> Ostiary:
        settings: dict[str, Any] = {"hashing": CHEAP_HASHING, "storage": {"database": database_url}} | overrides
        return Ostiary.at(tmp_path / "data", clock=clock, post=Mailbox(), **settings)

    return build


@pytest.fixture
def closed_house(build_house: BuildHouse) -> Ostiary:
    """One house, not open."""
    return build_house()


@pytest.fixture
async def client(closed_house: Ostiary) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a started application that holds `closed_house`."""
    async with started(host_of(closed_house)) as client:
        yield client


@pytest.fixture
def browser(client: httpx.AsyncClient) -> Browser:
    """A browser at that application."""
    return Browser(client)
