"""What a unit of work promises, on both databases."""

# ruff: noqa: PT012 - how a unit is left is the subject: the whole block belongs in `raises`

from __future__ import annotations

import asyncio

import pytest
from tests.core.db.shelf import ADD, ALL, DROP, ONE, SPEND, Item, names
from tests.house import journalled

from ostiary.core.db import Database, DatabaseUnavailable, Duplicate, Unit, UnitBroken
from ostiary.core.errors import Problem
from ostiary.wiring import Ostiary


class Refused(Problem):
    slug = "test-refused"
    title = "No."
    status = 403


class Kept(Problem):
    slug = "test-kept"
    title = "No, but what was done stays done."
    status = 403
    keeps_deed = True


async def test_statements_yield_rows_and_counts(database: Database) -> None:
    async with database.unit() as unit:
        assert await unit.find(ONE, name="a") is None
        assert await unit.run(ADD, name="b", spent=2) == 1
        assert await unit.run(ADD, name="a", spent=1) == 1
        assert await unit.find(ONE, name="a") == Item("a", 1)
        assert await unit.get(SPEND, of="a") == Item("a", 2)
        assert await unit.run(DROP, of="nobody") == 0

    assert await database.all(ALL) == [Item("a", 2), Item("b", 2)]
    assert await database.find(ONE, name="b") == Item("b", 2)
    assert await database.run(DROP, of="b") == 1
    assert await names(database) == ["a"]


async def test_getting_what_is_not_there_is_a_mistake(database: Database) -> None:
    with pytest.raises(LookupError, match="Item"):
        async with database.unit() as unit:
            await unit.get(ONE, name="nobody")


@pytest.mark.parametrize("given", [{}, {"name": "a"}, {"name": "a", "spent": 1, "colour": "blue"}])
async def test_a_parameter_too_few_or_too_many_is_a_mistake(database: Database, given: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="expected parameters"):
        await database.run(ADD, **given)
    with pytest.raises(TypeError, match="expected parameters"):
        async with database.unit() as unit:
            await unit.run(ADD, **given)
    assert await names(database) == []


async def test_a_unit_sees_its_own_writing_and_nobody_else_does_before_the_commit(database: Database) -> None:
    async with database.unit() as unit:
        await unit.run(ADD, name="a", spent=1)
        assert await unit.find(ONE, name="a") is not None
        assert await names(database) == []
    assert await names(database) == ["a"]


async def test_a_value_that_must_be_unique_is_refused_by_name(database: Database) -> None:
    await database.run(ADD, name="a", spent=1)

    with pytest.raises(Duplicate, match=r"counters"):
        await database.run(ADD, name="a", spent=2)
    with pytest.raises(Duplicate, match=r"counters"):
        async with database.unit() as unit:
            await unit.run(ADD, name="b", spent=2)
            await unit.run(ADD, name="a", spent=2)

    assert await database.all(ALL) == [Item("a", 1)]


async def test_a_unit_that_goes_on_after_a_failed_statement_keeps_nothing_and_says_so(database: Database) -> None:
    await database.run(ADD, name="a", spent=1)

    with pytest.raises(UnitBroken):
        async with database.unit() as unit:
            await unit.run(ADD, name="b", spent=1)
            with pytest.raises(Duplicate):
                await unit.run(ADD, name="a", spent=1)

    with pytest.raises(UnitBroken):
        async with database.unit() as unit:
            with pytest.raises(Duplicate):
                await unit.run(ADD, name="a", spent=1)
            await unit.run(ADD, name="c", spent=1)

    assert await names(database) == ["a"]


async def test_an_exception_undoes_the_unit(database: Database) -> None:
    done: list[str] = []
    with pytest.raises(RuntimeError, match="halfway"):
        async with database.unit() as unit:
            await unit.run(ADD, name="a", spent=1)
            unit.afterwards(lambda: done.append("a"))
            raise RuntimeError("halfway")
    assert await names(database) == []
    assert done == []


async def test_what_waits_for_the_commit_happens_after_it(database: Database) -> None:
    done: list[str] = []
    async with database.unit() as unit:
        await unit.run(ADD, name="a", spent=1)
        unit.afterwards(lambda: done.append("a"))
        assert done == []
    assert done == ["a"]


async def test_a_failing_flush_undoes_the_unit_and_nothing_happens_after_it(database: Database) -> None:
    async def fail(_: Unit) -> None:
        raise DatabaseUnavailable

    done: list[str] = []
    database.flushes = [fail]
    with pytest.raises(DatabaseUnavailable):
        async with database.unit() as unit:
            await unit.run(ADD, name="a", spent=1)
            unit.afterwards(lambda: done.append("a"))
    assert await names(database) == []
    assert done == []


async def test_a_refusal_keeps_its_notes_and_nothing_else(house: Ostiary) -> None:
    done: list[str] = []
    with pytest.raises(Refused):
        async with house.database.unit() as unit:
            await unit.run(ADD, name="a", spent=1)
            unit.note("test.refused", reason="because")
            unit.later("no-such-job")
            unit.signal("account", "nobody")
            unit.afterwards(lambda: done.append("a"))
            raise Refused

    assert await names(house.database) == []
    assert "test.refused" in await journalled(house)
    assert await house.outbox.drain() == 0
    assert done == []


async def test_a_refusal_that_keeps_its_deed_commits_it_with_its_note(house: Ostiary) -> None:
    with pytest.raises(Kept):
        async with house.database.unit() as unit:
            await unit.run(ADD, name="a", spent=1)
            unit.note("test.kept")
            raise Kept

    assert await names(house.database) == ["a"]
    assert "test.kept" in await journalled(house)


async def test_a_fault_leaves_neither_deed_nor_note(house: Ostiary) -> None:
    before = await journalled(house)
    with pytest.raises(ZeroDivisionError):
        async with house.database.unit() as unit:
            await unit.run(ADD, name="a", spent=1)
            unit.note("test.done")
            raise ZeroDivisionError

    assert await names(house.database) == []
    assert await journalled(house) == before


async def test_who_asks_for_the_same_lock_waits_for_the_end_of_the_unit(database: Database) -> None:
    order: list[str] = []
    is_in = asyncio.Event()

    async def hold(name: str, seconds: float) -> None:
        async with database.unit() as unit:
            await unit.lock("door")
            order.append(f"{name} in")
            is_in.set()
            await asyncio.sleep(seconds)
            order.append(f"{name} out")

    first = asyncio.create_task(hold("first", 0.1))
    await is_in.wait()
    await hold("second", 0)
    await first
    assert order == ["first in", "first out", "second in", "second out"]


async def test_of_simultaneous_conditional_writes_each_counts_once(database: Database) -> None:
    await database.run(ADD, name="a", spent=0)

    async def spend() -> int:
        async with database.unit() as unit:
            return (await unit.get(SPEND, of="a")).spent

    assert sorted(await asyncio.gather(*[spend() for _ in range(20)])) == list(range(1, 21))


async def test_a_cancelled_unit_never_takes_the_turn_with_it(database: Database) -> None:
    """At every point where a unit waits: it has happened whole, or not at all, and the next one gets its turn."""

    async def write(name: str) -> None:
        async with database.unit() as unit:
            await unit.run(ADD, name=name, spent=1)
            await unit.run(SPEND, of=name)

    finished = 0
    for turns in range(40):
        company = [asyncio.create_task(write(f"company-{turns}-{n}")) for n in range(2)]
        doomed = asyncio.create_task(write(f"doomed-{turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.sleep(max(0, turns - 20) * 0.0004)  # a server answers in its own time
        doomed.cancel()
        await asyncio.gather(doomed, return_exceptions=True)
        await asyncio.wait_for(asyncio.gather(*company), 5)
        await asyncio.wait_for(write(f"next-{turns}"), 5)
        finished += not doomed.cancelled()

    found = await database.all(ALL)
    assert {item.spent for item in found} == {2}  # none by half
    assert sum(item.name.startswith(("company", "next")) for item in found) == 40 * 3
    assert sum(item.name.startswith("doomed") for item in found) >= finished
    await asyncio.wait_for(asyncio.gather(*[write(f"last-{n}") for n in range(8)]), 5)  # as many turns as ever


async def test_a_cancelled_statement_never_takes_the_turn_with_it(database: Database) -> None:
    for turns in range(20):
        other = asyncio.create_task(database.run(ADD, name=f"other-{turns}", spent=1))
        doomed = asyncio.create_task(database.run(ADD, name=f"doomed-{turns}", spent=1))
        for _ in range(turns):
            await asyncio.sleep(0)
        doomed.cancel()
        await asyncio.gather(doomed, return_exceptions=True)
        await asyncio.wait_for(other, 5)
    assert sum(name.startswith("other") for name in await names(database)) == 20
