"""SQLite: one writer, shared commits, neighbours in other processes."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.core.db.raw import raw
from tests.core.db.shelf import ADD, ONE, SPEND, names, opened
from tests.house import lived

from ostiary.core.db import Database, DatabaseUnavailable, driver_for
from ostiary.core.db.sqlite import LARGEST_GROUP, SqliteDriver
from ostiary.migrations import migrate

ROOT = Path(__file__).parents[3]


@pytest.fixture
def storage() -> str:
    """These are about SQLite alone."""
    return "sqlite"


@contextmanager
def commits_of(database: Database) -> Iterator[list[str]]:
    """Count the commits of a database's writer."""
    assert isinstance(database.driver, SqliteDriver)
    assert database.driver._writer is not None
    connection = database.driver._writer.connection
    seen: list[str] = []
    connection.set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)
    yield seen
    connection.set_trace_callback(None)


def file_of(database_url: str) -> Path:
    return Path(database_url.removeprefix("sqlite:///"))


async def add(database: Database, name: str) -> None:
    async with database.unit() as unit:
        await unit.run(ADD, name=name, spent=1)


async def test_units_that_come_together_share_a_commit(database: Database) -> None:
    with commits_of(database) as commits:
        await asyncio.gather(*[add(database, str(number)) for number in range(200)])

    assert len(await names(database)) == 200
    assert len(commits) <= 3  # the first begins at once; the rest gathers meanwhile


async def test_a_group_has_a_bound(database: Database) -> None:
    with commits_of(database) as commits:
        await asyncio.gather(*[add(database, str(number)) for number in range(3 * LARGEST_GROUP)])
    assert 3 <= len(commits) <= 5


async def test_a_unit_that_fails_in_a_group_hurts_nobody_else(database: Database) -> None:
    async def fail(number: int) -> None:
        async with database.unit() as unit:
            await unit.run(ADD, name=f"bad-{number}", spent=1)
            raise ZeroDivisionError

    with commits_of(database) as commits:
        work = [fail(number) if number % 3 == 0 else add(database, f"good-{number:02}") for number in range(60)]
        outcomes = await asyncio.gather(*work, return_exceptions=True)

    assert sum(isinstance(outcome, ZeroDivisionError) for outcome in outcomes) == 20
    assert len(commits) <= 3
    assert len(await names(database)) == 40
    assert not any(name.startswith("bad") for name in await names(database))


async def test_where_sqlite_undoes_a_whole_group_by_itself_all_of_it_are_told(
    database: Database, database_url: str
) -> None:
    """A full disk or a failing one may end the transaction, not only the statement: nobody may be lied to."""
    await raw(
        database_url,
        "CREATE TRIGGER full_disk BEFORE INSERT ON counters WHEN NEW.name = 'bang'"
        " BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END",
    )
    order = ["before-1", "before-2", "bang", "after-1", "after-2"]
    outcomes = await asyncio.gather(*[add(database, name) for name in order], return_exceptions=True)

    kept = [name for name, outcome in zip(order, outcomes, strict=True) if outcome is None]
    assert outcomes[2] is not None
    assert sorted(kept) == await names(database)
    await asyncio.wait_for(add(database, "later"), 5)
    assert "later" in await names(database)


async def test_a_turn_given_to_somebody_who_was_just_cancelled_is_passed_on(database: Database) -> None:
    holder = database.driver.transaction()
    await holder.lock("test")
    doomed = asyncio.create_task(add(database, "doomed"))
    company = asyncio.create_task(add(database, "company"))
    await asyncio.sleep(0)  # both stand in line
    await holder.rollback()  # gives the turn without a pause, so the first has it and does not know yet
    doomed.cancel()

    with pytest.raises(asyncio.CancelledError):
        await doomed
    await asyncio.wait_for(company, 5)
    assert await names(database) == ["company"]


async def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    await add(database, "a")
    async with database.unit() as unit:
        await unit.run(SPEND, of="a")
        async with asyncio.timeout(1):
            item = await database.find(ONE, name="a")
        assert item is not None
        assert item.spent == 1


@pytest.mark.timeout(60)
async def test_two_processes_lose_nothing_and_take_turns(database: Database, database_url: str) -> None:
    units = 500
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.core.db.neighbour", database_url, name, str(units),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
        )
        for name in ("left", "right")
    ]  # fmt: skip
    for process in started:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    ends = await asyncio.gather(*[process.communicate(b"go\n") for process in started])

    assert [process.returncode for process in started] == [0, 0], ends
    assert len(await raw(database_url, "SELECT name FROM counters")) == 2 * units
    left, right = (json.loads(told) for told, _ in ends)
    for one, other in ((left, right), (right, left)):
        assert len(one["entered"]) >= units, "it goes through the turnstile"
        # How many one writes in a row is up to the machine, which may let it run alone; not so while the other waits.
        overtaken = [at for at in one["entered"] if any(since < at < until for since, until in other["waited"])]
        assert not overtaken, f"one went in {len(overtaken)} times while the other waited at the door"


async def test_two_databases_in_one_process_share_a_file(database: Database, database_url: str) -> None:
    other = await opened(database_url)
    await asyncio.gather(
        *[add(database, f"one-{number}") for number in range(50)],
        *[add(other, f"two-{number}") for number in range(50)],
    )
    assert len(await names(other)) == 100
    await other.driver.close()


async def test_a_shell_that_holds_the_write_lock_only_delays(database: Database, database_url: str) -> None:
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(file_of(database_url), isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            held.set()
            enough.wait(20)
            shell.execute("COMMIT")

    holder = asyncio.create_task(asyncio.to_thread(hold))
    await asyncio.to_thread(held.wait)
    with lived() as seconds:
        waiting = asyncio.create_task(add(database, "a"))
        longest_pause = 0.0
        while not waiting.done():
            before = seconds()
            await asyncio.sleep(0.01)
            longest_pause = max(longest_pause, seconds() - before)
            if seconds() > 1:
                enough.set()
        await waiting
        assert enough.is_set(), "it did not wait"
        await holder

        assert seconds() < 5
    assert longest_pause < 0.5, "the loop stood still"
    assert await names(database) == ["a"]


async def test_nobody_waits_for_ever_for_a_neighbour_that_stopped(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary.core.db.sqlite.PATIENCE_SECONDS", 0.2)
    other = await opened(database_url)
    assert isinstance(other.driver, SqliteDriver)
    assert other.driver._writer is not None
    other.driver._writer._turnstile.enter()  # as a process does that is stopped (SIGSTOP) while it writes

    for name in ("first", "second"):
        with pytest.raises(DatabaseUnavailable):
            await asyncio.wait_for(add(database, name), 5)

    other.driver._writer._turnstile.leave()
    assert isinstance(database.driver, SqliteDriver)
    assert database.driver._writer is not None
    async with asyncio.timeout(20):  # until its thread is through: so short a patience is soon at its end again
        while not database.driver._writer._idle:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.02)
    await asyncio.wait_for(add(database, "third"), 5)
    assert await names(database) == ["third"]
    await other.driver.close()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "noise.db"
    path.write_bytes(b"this is no database at all" * 200)
    with pytest.raises(DatabaseUnavailable):
        await driver_for(f"sqlite:///{path}").open()
    with pytest.raises(DatabaseUnavailable):
        await migrate(f"sqlite:///{path}")


async def test_a_place_where_no_file_can_be_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        await driver_for(f"sqlite:///{tmp_path}").open()
    with pytest.raises(DatabaseUnavailable):
        await driver_for(f"sqlite:///{tmp_path}/no/such/folder/ostiary.db").open()


async def test_a_closed_database_is_unavailable(database_url: str) -> None:
    database = await opened(database_url)
    await database.driver.close()
    with pytest.raises(DatabaseUnavailable):
        await names(database)
    with pytest.raises(DatabaseUnavailable):
        await add(database, "a")


async def test_a_damaged_file_is_unavailable(database: Database, database_url: str) -> None:
    await asyncio.gather(*[add(database, "x" * 50_000 + str(number)) for number in range(200)])
    await raw(database_url, "PRAGMA wal_checkpoint(TRUNCATE)")
    path = file_of(database_url)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(DatabaseUnavailable):
        await opened(database_url)
    with pytest.raises(DatabaseUnavailable):
        await names(database)  # open since before, its pages no longer in its cache


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    async def touch() -> None:
        await (await opened(f"sqlite:///{tmp_path / 'new.db'}")).driver.close()

    asyncio.run(touch())
    for file in tmp_path.glob("new.db*"):
        assert file.stat().st_mode & 0o077 == 0, file.name
