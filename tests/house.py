"""A house for tests: the real thing on a real database, with a clock that can be turned and cheap hashing."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from ostiary.core import signals
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query, postgres
from ostiary.core.journal import Entry
from ostiary.core.secrets import unb64
from ostiary.core.tables import journal
from ostiary.mail import KeptLetter, Mailbox
from ostiary.migrations import migrate
from ostiary.testing import house as kit
from ostiary.texts import ConsoleCarrier
from ostiary.wiring import Ostiary
from tests.services.postgres import Postgres

__all__ = ["clock", "database_url", "house", "open_house", "outside", "patience", "sqlite_template", "storage"]

ORIGIN = "http://localhost:8080"
API = "/api/v1/auth"
PASSWORD = "correct horse battery"
NEW_PASSWORD = "another battery staple"
CHEAP_HASHING, UNMOVED = kit.CHEAP_HASHING, kit.UNMOVED
PATIENT_HASHING = CHEAP_HASHING | {"longest_wait": 30, "hold": 30}
"""Turns nobody away because the machine stood still while a crowd waited; that is shown in tests/core/hashing."""

Outside = Callable[[Ostiary], httpx.AsyncClient]
OpenHouse = Callable[..., Any]


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest) -> str:
    """Each test that touches a database runs on both."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the current tables; tests copy it."""
    path = tmp_path_factory.mktemp("template") / "ostiary.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture
def database_url(storage: str, request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path) -> Iterator[str]:
    """The URL of a database with the current tables and nothing in them."""
    if storage == "sqlite":
        path = tmp_path / "ostiary.db"
        shutil.copy(sqlite_template, path)
        yield f"sqlite:///{path}"
        return
    cluster: Postgres = request.getfixturevalue("postgres")
    template = cluster.template("house", lambda url: asyncio.run(migrate(url)))
    url = cluster.fresh_database(template)
    yield url
    cluster.drop_soon(url)


@pytest.fixture
def clock() -> ManualClock:
    """Time stands still until the test moves it."""
    return ManualClock()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let houses wait for a machine that stands still for seconds; how long they wait is shown in tests/faults."""
    monkeypatch.setattr(signals, "READ_SECONDS", 60.0)
    monkeypatch.setattr(postgres, "ACQUIRE_SECONDS", 60.0)
    monkeypatch.setattr(postgres, "COMMAND_SECONDS", 60.0)


@pytest.fixture
async def open_house(tmp_path: Path, database_url: str, clock: ManualClock, patience: None) -> AsyncIterator[OpenHouse]:
    """Open houses on the same database: `await open_house(sessions={...}, work=False)`.

    Each is what one server process holds; they share the folder and with it the root secret.
    """
    opened: list[Ostiary] = []

    async def open_one(*, work: bool = True, **overrides: Mapping[str, Any]) -> Ostiary:
        settings: dict[str, Any] = {
            "hashing": PATIENT_HASHING, "storage": {"database": database_url}, "protection": UNMOVED,
        }  # fmt: skip
        for section, values in overrides.items():
            settings[section] = {**settings.get(section, {}), **values}
        house = Ostiary.at(tmp_path / "data", clock=clock, post=Mailbox(), console=ConsoleCarrier(), **settings)
        await house.open(work=work)
        opened.append(house)
        return house

    yield open_one
    for house in reversed(opened):
        await house.close()


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    """One open house with default settings; its queue runs when the test asks (`letter_to`)."""
    opened: Ostiary = await open_house(work=False)
    return opened


@pytest.fixture
async def outside(house: Ostiary) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client at the door of `house`, without cookies of its own making."""
    async with client_of(house) as client:
        yield client


@asynccontextmanager
async def client_of(house: Ostiary, address: str = "203.0.113.7") -> AsyncIterator[httpx.AsyncClient]:
    """Yield an HTTP client that calls a house's ASGI application in process, from an address."""
    transport = httpx.ASGITransport(app=house.app, client=(address, 50000))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


@contextmanager
def lived() -> Iterator[Callable[[], float]]:
    """Yield a clock of the seconds that this process has lived: where the whole machine stands still, so does it.

    For bounds on how long the house may take: it answers for what it waits for, and not for a processor that was
    taken away. A gap in which no thread ran counts as a tenth of a second.
    """
    seconds, is_over = 0.0, threading.Event()

    def count() -> None:
        nonlocal seconds
        before = time.monotonic()
        while not is_over.wait(0.01):
            now = time.monotonic()
            seconds += min(now - before, 0.1)
            before = now

    counter = threading.Thread(target=count, name="lived", daemon=True)
    counter.start()
    try:
        yield lambda: seconds
    finally:
        is_over.set()
        counter.join()


async def register(client: httpx.AsyncClient, username: str = "mira", **changed: str) -> dict[str, Any]:
    """Register somebody and return the answer; the client's cookies are dropped."""
    body = {"username": username, "email": f"{username}@example.org", "password": PASSWORD} | changed
    answer = await client.post(f"{API}/register", json=body)
    client.cookies.clear()
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def login(client: httpx.AsyncClient, name: str = "mira", password: str = PASSWORD) -> dict[str, Any]:
    """Sign in and return the answer; the client's cookies are dropped."""
    answer = await client.post(f"{API}/login", json={"login": name, "password": password})
    client.cookies.clear()
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(signed_in: Mapping[str, Any]) -> dict[str, str]:
    """Return the header that shows an answer's access token."""
    return {"authorization": f"Bearer {signed_in['access_token']}"}


async def strengthened(house: Ostiary, signed_in: Mapping[str, Any]) -> dict[str, Any]:
    """Let a session say that its owner has just shown a passkey, and return the answer with a token that says so.

    For tests of what comes after it: the ceremony itself is in those of the front desk.
    """
    told = json.loads(unb64(signed_in["access_token"].split(".")[1]))
    async with house.database.unit(KEEPER) as unit:
        account = await house.accounts.get(unit, told["sub"])
        session = await house.sessions.step_up(unit, account, told["sid"], ("swk", "user", "mfa"))
    assert session is not None
    grant = house.sessions.grant(account, session)
    return {**signed_in, "access_token": grant.access.token, "refresh_token": grant.refresh_token}


async def run_dry(house: Ostiary) -> None:
    """Run the queue dry, and wait for what a worker of the house's own has in hand, which `drain` leaves to it."""
    await house.outbox.drain()
    async with asyncio.timeout(20):
        while house.outbox._tasks and await _is_owed(house):  # noqa: ASYNC110 - the worker tells nobody
            await asyncio.sleep(0.02)


async def _is_owed(house: Ostiary) -> bool:
    now = house.clock.now()
    return bool([job async for job, _ in house.outbox.queued() if job.failed_at is None and job.run_at <= now])


async def letter_to(house: Ostiary, address: str, about: str = "") -> KeptLetter:
    """Run the queue dry and return the newest letter to an address whose subject holds `about`."""
    await run_dry(house)
    assert isinstance(house.post, Mailbox)
    found = [letter for letter in house.post.letters if letter.to == address and about in letter.subject]
    assert found, f"no letter to {address} about {about!r}: {[letter.subject for letter in house.post.letters]}"
    return found[0]


def token_in(letter: KeptLetter) -> str:
    """Return the secret in a letter's link."""
    match = re.search(r"token=([A-Za-z0-9_-]{43})", letter.text)
    assert match, letter.text
    return match[1]


async def journalled(house: Ostiary) -> list[str]:
    """Return the actions in the journal, oldest first."""
    rows = await house.database.all(Query(select(journal), Entry))
    return [entry.action for entry in sorted(rows, key=lambda entry: (entry.at, entry.strand, entry.position))]
