"""A long unit on SQLite lets others go on between its statements, and stays all or nothing."""

from __future__ import annotations

import asyncio

import pytest
from tests.core.db.shelf import ADD, names

from ostiary.core.db import Database, sqlite


@pytest.fixture
def storage() -> str:
    """On PostgreSQL every statement waits for an answer: others go on by itself."""
    return "sqlite"


async def add(database: Database, *wanted: str, fails: bool = False) -> None:
    async with database.unit() as unit:
        for name in wanted:
            await unit.run(ADD, name=name, spent=1)
        if fails:
            raise LookupError


async def turns_beside(unit: asyncio.Task[None]) -> int:
    """Return how often something else had a turn while a unit ran."""
    turns = 0
    while not unit.done():
        turns += 1
        await asyncio.sleep(0)
    return turns


async def test_a_unit_that_takes_long_lets_others_go_on_between_its_statements(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "AT_A_STRETCH", 0.0)  # every statement takes long
    unit = asyncio.create_task(add(database, *map(str, range(100))))

    assert await turns_beside(unit) > 100


async def test_a_short_one_is_not_interrupted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "AT_A_STRETCH", 60.0)
    order: list[str] = []

    async def unit() -> None:
        async with database.unit() as unit:
            for number in range(100):
                await unit.run(ADD, name=str(number), spent=1)
            order.append("written")

    async def other() -> None:
        order.append("other")

    await asyncio.gather(unit(), other())

    assert order == ["written", "other"]


async def test_units_that_take_turns_are_all_or_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "AT_A_STRETCH", 0.0)
    ends = await asyncio.gather(
        *(add(database, f"{unit}-a", f"{unit}-b", f"{unit}-c", fails=unit % 3 == 0) for unit in range(30)),
        return_exceptions=True,
    )

    assert [type(end) for end in ends] == [LookupError if unit % 3 == 0 else type(None) for unit in range(30)]
    assert await names(database) == sorted(f"{unit}-{row}" for unit in range(30) if unit % 3 for row in "abc")


async def test_one_that_is_given_up_between_two_statements_leaves_nothing_and_holds_nobody_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "AT_A_STRETCH", 0.0)
    given_up = asyncio.create_task(add(database, *map(str, range(1000))))
    for _ in range(20):
        await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    async with asyncio.timeout(5):
        await add(database, "after")

    assert await names(database) == ["after"]
