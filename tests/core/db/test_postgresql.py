"""PostgreSQL: connections that break, deadlocks, a pool with an end."""

# ruff: noqa: PT012 - how a unit is left is the subject: the whole block belongs in `raises`

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from tests.core.db.raw import raw
from tests.core.db.shelf import ADD, SPEND, names, opened
from tests.house import journalled, lived
from tests.services.postgres import Postgres

from ostiary.core.db import Database, DatabaseUnavailable
from ostiary.core.db.postgres import PostgresDriver
from ostiary.wiring import Ostiary


@pytest.fixture
def storage() -> str:
    """These are about PostgreSQL alone."""
    return "postgresql"


async def note(house: Ostiary, action: str) -> None:
    async with house.database.unit() as unit:
        unit.note(action)


async def until_it_works(house: Ostiary, action: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            await note(house, action)
        except DatabaseUnavailable:
            assert time.monotonic() < deadline, "the house did not recover"
            await asyncio.sleep(0.1)
        else:
            return


@pytest.mark.parametrize("crash", [False, True], ids=["restart", "crash"])
async def test_a_house_outlives_a_restart_of_its_server(house: Ostiary, postgres: Postgres, crash: bool) -> None:
    await note(house, "test.before")
    await asyncio.to_thread(postgres.kill9 if crash else postgres.stop)
    try:
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                await note(house, "test.meanwhile")
        with pytest.raises(DatabaseUnavailable):
            await names(house.database)
    finally:
        await asyncio.to_thread(postgres.start)

    await until_it_works(house, "test.after", 10)
    actions = await journalled(house)
    assert "test.before" in actions
    assert "test.meanwhile" not in actions


async def test_a_connection_cut_inside_a_unit_undoes_it(database: Database, database_url: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with database.unit() as unit:
            await unit.run(ADD, name="a", spent=1)
            await raw(
                database_url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            await unit.run(ADD, name="b", spent=1)

    assert await names(database) == []
    await database.run(ADD, name="c", spent=1)
    assert await names(database) == ["c"]


async def test_of_two_units_that_wait_for_each_other_one_is_told_to_come_again(database: Database) -> None:
    for name in ("a", "b"):
        await database.run(ADD, name=name, spent=0)
    both_hold_one = asyncio.Barrier(2)

    async def cross(first: str, second: str) -> None:
        async with database.unit() as unit:
            await unit.run(SPEND, of=first)
            await both_hold_one.wait()
            await unit.run(SPEND, of=second)

    outcomes = await asyncio.gather(cross("a", "b"), cross("b", "a"), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["DatabaseUnavailable", "NoneType"]


async def test_an_exhausted_pool_refuses_rather_than_queue_for_ever(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await opened(database_url, largest_pool=1)
    async with database.unit() as unit:
        await unit.run(ADD, name="a", spent=1)
        with monkeypatch.context() as hasty, pytest.raises(DatabaseUnavailable):
            hasty.setattr("ostiary.core.db.postgres.ACQUIRE_SECONDS", 0.2)
            await names(database)
    assert await names(database) == ["a"]
    await database.driver.close()


async def test_closing_waits_for_a_unit_under_way(database_url: str) -> None:
    database = await opened(database_url)
    has_written = asyncio.Event()

    async def slow() -> None:
        async with database.unit() as unit:
            await unit.run(ADD, name="a", spent=1)
            has_written.set()
            await asyncio.sleep(0.2)

    under_way = asyncio.create_task(slow())
    await has_written.wait()
    with lived() as seconds:
        await database.driver.close()
        await under_way
        assert seconds() < 3, "it gave up waiting instead"

    again = await opened(database_url)
    assert await names(again) == ["a"]
    await again.driver.close()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        await PostgresDriver("postgresql://nobody@127.0.0.1:1/none").open()


async def test_what_changed_is_heard_of_although_every_connection_is_taken(house: Ostiary) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for number in range(house.settings.storage.largest_pool):
            unit = await stack.enter_async_context(house.database.unit())
            await unit.lock(f"one of many {number}")  # takes a connection, and keeps it
        async with asyncio.timeout(1):
            await house.signals.refresh()  # through the pool it would wait, and every request be refused after 2 s
        assert house.signals.is_fresh()
