"""Every push wakes the other processes after the commit, and never holds one up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import pytest
from tests.house import lived
from tests.services.postgres import Postgres
from tests.services.valkey import Valkey

from ostiary.core import valkey as valkey_module
from ostiary.core.clock import ManualClock
from ostiary.core.db import Database, driver_for
from ostiary.core.db import postgres as postgres_module
from ostiary.core.db.postgres import PostgresDriver, PostgresPush
from ostiary.core.errors import InvalidFields
from ostiary.core.signals import Push
from ostiary.core.valkey import ValkeyPush


@dataclass
class Listener:
    """One process's end of a push, and how often it was woken."""

    push: Push
    database: Database
    times: int = 0
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self.times += 1
        self.woken.set()

    async def is_woken(self, seconds: float = 5.0) -> bool:
        """Wait for a message and take note of it."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.woken.wait(), seconds)
        was_woken = self.woken.is_set()
        self.woken.clear()
        return was_woken


@pytest.fixture(params=["postgresql", "valkey"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on every implementation."""
    found: str = request.param
    return found


@pytest.fixture
def storage() -> str:
    """Units commit on PostgreSQL, whatever pushes."""
    return "postgresql"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect soon, so that tests need not wait; and lose no message where the machine stands still."""
    monkeypatch.setattr(valkey_module, "TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr(valkey_module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(postgres_module, "RECONNECT_SECONDS", 0.05)


@pytest.fixture
def valkey_at(kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of Valkey, where it pushes; it runs again afterwards."""
    if kind != "valkey":
        yield ""
        return
    yield request.getfixturevalue("valkey_url")
    server: Valkey = request.getfixturevalue("valkey")
    try:
        server.command("PING")
    except OSError:
        server.start()


@pytest.fixture
async def two(
    kind: str, database_url: str, valkey_at: str, clock: ManualClock, patience: None
) -> AsyncIterator[list[Listener]]:
    """Two processes that listen, awake and quiet."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            driver = driver_for(database_url)
            assert isinstance(driver, PostgresDriver)
            await driver.open()
            stack.push_async_callback(driver.close)
            push: Push = ValkeyPush(valkey_at) if kind == "valkey" else PostgresPush(driver)
            listener = Listener(push, Database(driver, clock))
            await push.start(listener.wake)
            stack.push_async_callback(push.stop)
            if kind == "valkey":
                assert await listener.is_woken(), "the subscription itself wakes"
            found.append(listener)
        yield found


async def announce(listener: Listener, *, seconds_before_commit: float = 0.0) -> None:
    async with listener.database.unit() as unit:
        await unit.lock("something to commit")
        await listener.push.announce(unit)
        await asyncio.sleep(seconds_before_commit)


async def test_the_other_process_is_woken(two: list[Listener]) -> None:
    await announce(two[0])

    assert await two[1].is_woken()


async def test_nobody_is_woken_before_the_commit(two: list[Listener]) -> None:
    committing = asyncio.create_task(announce(two[0], seconds_before_commit=0.4))

    assert not await two[1].is_woken(0.2)
    await committing
    assert await two[1].is_woken()


async def test_nobody_is_woken_by_a_unit_that_is_rolled_back(two: list[Listener]) -> None:
    async def refuse() -> None:
        async with two[0].database.unit() as unit:
            await unit.lock("something to roll back")
            await two[0].push.announce(unit)
            raise InvalidFields

    with pytest.raises(InvalidFields):
        await refuse()

    assert not await two[1].is_woken(0.2)


async def test_many_at_once_wake_at_least_once_after_the_last(two: list[Listener]) -> None:
    await asyncio.gather(*(announce(two[0]) for _ in range(50)))
    assert await two[1].is_woken()
    await asyncio.sleep(0.2)  # more may follow
    two[1].woken.clear()
    assert 1 <= two[1].times <= 51

    await announce(two[0])

    assert await two[1].is_woken()


async def test_a_listener_whose_connection_was_cut_comes_back_and_looks(
    two: list[Listener], kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "valkey":
        request.getfixturevalue("valkey").command("CLIENT", "KILL", "TYPE", "pubsub")
    else:
        cluster: Postgres = request.getfixturevalue("postgres")
        cluster.run_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LISTEN%' "
                        "AND pid <> pg_backend_pid()")  # fmt: skip

    assert await two[1].is_woken(), "what was said meanwhile was not heard: it looks"
    await announce(two[0])
    assert await two[1].is_woken()


async def test_a_push_that_was_stopped_says_and_hears_nothing(two: list[Listener]) -> None:
    await two[1].push.stop()

    await announce(two[0])

    assert not await two[1].is_woken(0.2)


async def test_without_valkey_a_unit_commits_as_fast_as_ever(
    database_url: str, valkey: Valkey, valkey_url: str, clock: ManualClock
) -> None:
    driver = driver_for(database_url)
    await driver.open()
    listener = Listener(ValkeyPush(valkey_url), Database(driver, clock))
    valkey.kill9()
    try:
        with lived() as seconds:
            await listener.push.start(listener.wake)
            for _ in range(20):
                await announce(listener)
            assert seconds() < 1.0
        assert not listener.times
    finally:
        valkey.start()
    try:
        assert await listener.is_woken(), "it comes back by itself"
        listener.woken.clear()
        await announce(listener)
        assert await listener.is_woken()
    finally:
        await listener.push.stop()
        await driver.close()


async def test_a_listener_notices_that_the_other_end_vanished_without_a_farewell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(valkey_module, "SILENCE_SECONDS", 0.05)
    connections = 0
    third = asyncio.Event()

    async def subscribe_and_fall_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 3:
            third.set()
        while (line := await reader.readline()) and b"SUBSCRIBE" not in line:
            if line.strip() in (b"SETINFO", b"CLIENT"):
                writer.write(b"+OK\r\n" if line.strip() == b"CLIENT" else b"")
        writer.write(b"*3\r\n$9\r\nsubscribe\r\n$15\r\nostiary:signals\r\n:1\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(subscribe_and_fall_silent, "127.0.0.1", 0)
    push = ValkeyPush(f"valkey://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    await push.start(lambda: None)
    try:
        await asyncio.wait_for(third.wait(), 5)
    finally:
        await push.stop()
        server.close()
