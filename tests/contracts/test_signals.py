"""The change feed hears of everything exactly once, whatever order, clock or failure it meets (D3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from tests.services.postgres import Postgres

from ostiary.core import signals as signals_module
from ostiary.core.clock import ManualClock
from ostiary.core.db import Database, DatabaseUnavailable, driver_for
from ostiary.core.errors import Problem
from ostiary.core.signals import AFTER, Signals

REMEMBER = timedelta(minutes=16)


class Refused(Problem):
    slug = "refused-in-a-test"
    title = "No."
    status = 400


@dataclass
class Process:
    """One process's feed, what it heard, and a steady clock to turn."""

    database: Database
    feed: Signals
    steady: list[float]
    heard: list[str] = field(default_factory=list)

    async def say(self, *subjects: str) -> None:
        async with self.database.unit() as unit:
            for subject in subjects:
                unit.signal("session", subject)

    async def catches_up(self) -> list[str]:
        """Return everything heard once it has read what there is."""
        await self.feed.refresh()
        return sorted(self.heard)


Join = Callable[[], Awaitable[Process]]


@pytest.fixture
async def join(database_url: str, patience: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Join]:
    """Let one more process join, with a clock of its own; no heart beats by itself."""
    monkeypatch.setattr(signals_module, "HEARTBEAT_SECONDS", 3600.0)
    async with AsyncExitStack() as stack:

        async def join() -> Process:
            driver = driver_for(database_url)
            await driver.open()
            stack.push_async_callback(driver.close)
            steady = [1000.0]

            def tick() -> float:
                steady[0] += 0.001
                return steady[0]

            database = Database(driver, ManualClock())
            feed = Signals(database, remember=REMEMBER, steady=tick)
            database.flushes = [feed.flush]
            process = Process(database, feed, steady)
            feed.on("session", process.heard.append)
            await feed.start()
            stack.push_async_callback(feed.stop)
            return process

        yield join


@pytest.fixture
async def two(join: Join) -> tuple[Process, Process]:
    """Two processes."""
    return await join(), await join()


async def stored(process: Process) -> list[str]:
    return [heard.subject for heard in await process.database.all(AFTER, settled=0)]


async def test_each_change_is_heard_once_here_and_there(two: tuple[Process, Process]) -> None:
    here, there = two
    for number in range(20):
        await here.say(f"a{number:02}")
        await there.say(f"b{number:02}")
        await here.catches_up()

    everything = [f"{letter}{number:02}" for letter in "ab" for number in range(20)]
    assert await here.catches_up() == everything
    assert await there.catches_up() == everything


async def test_the_maker_of_a_change_hears_of_it_with_the_commit(two: tuple[Process, Process]) -> None:
    await two[0].say("mine")

    assert two[0].heard == ["mine"]


async def test_what_is_rolled_back_was_never_said(two: tuple[Process, Process]) -> None:
    here, there = two

    async def refuse() -> None:
        async with here.database.unit() as unit:
            unit.signal("session", "taken back")
            raise Refused

    with pytest.raises(Refused):
        await refuse()

    assert await here.catches_up() == await there.catches_up() == []


async def test_a_process_that_joins_later_hears_what_was_said_before(join: Join) -> None:
    early = await join()
    await early.say("old")

    assert (await join()).heard == ["old"]


@pytest.mark.parametrize("wrong", [timedelta(days=-2), timedelta(days=2)])
async def test_a_writer_whose_clock_is_wrong_is_heard_all_the_same(
    two: tuple[Process, Process], wrong: timedelta
) -> None:
    here, there = two
    assert isinstance(here.database.clock, ManualClock)
    here.database.clock.advance(seconds=wrong.total_seconds())

    await here.say("from another day")

    assert await there.catches_up() == ["from another day"]


async def test_memory_does_not_grow_with_what_was_heard(two: tuple[Process, Process]) -> None:
    here, there = two
    for number in range(300):
        await (here, there)[number % 2].say(str(number))
        await there.catches_up()
    await here.catches_up()
    await here.catches_up()
    await there.catches_up()

    assert len(here.heard) == len(there.heard) == 300
    assert not here.feed._heard
    assert not there.feed._heard


async def test_pruning_spares_what_others_may_not_have_heard_whatever_the_time_of_day(
    two: tuple[Process, Process],
) -> None:
    here, there = two
    await here.say("young")
    await here.catches_up()
    assert isinstance(here.database.clock, ManualClock)
    here.database.clock.advance(hours=20)  # this machine's time is wrong

    await here.feed.prune()
    assert await there.catches_up() == ["young"]
    here.steady[0] += 2 * REMEMBER.total_seconds() + 1
    await here.feed.prune()

    assert await stored(there) == []


async def test_pruning_keeps_what_was_heard_lately(two: tuple[Process, Process]) -> None:
    here, _ = two
    await here.say("old")
    await here.catches_up()
    await here.feed.prune()
    here.steady[0] += 2 * REMEMBER.total_seconds() + 1
    await here.say("new")
    await here.catches_up()

    await here.feed.prune()

    assert await stored(here) == ["new"]


async def test_a_listener_that_fails_is_called_again(two: tuple[Process, Process]) -> None:
    here, there = two
    failing = [RuntimeError("the first time")]

    def fail_once(_: str) -> None:
        if failing:
            raise failing.pop()

    there.feed._listeners["session"].insert(0, fail_once)
    await here.say("important")

    with pytest.raises(RuntimeError):
        await there.catches_up()
    assert await there.catches_up() == ["important"]


class TestOnPostgreSQL:
    """Where numbers commit out of order, and a view has to be proven."""

    @pytest.fixture
    def storage(self) -> str:
        return "postgresql"

    async def test_a_number_that_commits_late_is_heard(self, two: tuple[Process, Process]) -> None:
        here, there = two
        async with here.database.unit() as slow:
            slow.signal("session", "slow")
            await here.feed.flush(slow)  # the number is taken here, the commit comes much later
            slow.signals.clear()
            for number in range(5):
                await there.say(f"quick{number}")
                for _ in range(3):
                    await there.catches_up()
            there.steady[0] += 3600  # however long it was suspended
            assert "slow" not in await there.catches_up()

        assert "slow" in await there.catches_up()
        assert len(there.heard) == 6

    async def test_a_number_that_never_commits_holds_nothing_up(self, two: tuple[Process, Process]) -> None:
        here, there = two

        async def refuse() -> None:
            async with here.database.unit() as unit:
                unit.signal("session", "never")
                await here.feed.flush(unit)
                raise Refused

        with pytest.raises(Refused):
            await refuse()
        await here.say("after")

        for _ in range(3):
            assert await there.catches_up() == ["after"]
        assert there.feed._heard == set()
        assert there.feed._settled == 2

    async def test_many_writers_at_once_are_all_heard_while_reading(self, join: Join) -> None:
        writers, reader = [await join() for _ in range(3)], await join()
        done = asyncio.Event()

        async def read() -> None:
            while not done.is_set():
                await reader.feed.refresh()

        reading = asyncio.create_task(read())
        await asyncio.gather(*(writers[n % 3].say(f"{n:03}", f"{n:03}+") for n in range(150)))
        done.set()
        await reading

        expected = sorted(f"{n:03}{more}" for n in range(150) for more in ("", "+"))
        assert await reader.catches_up() == expected

    async def test_a_reading_that_began_before_the_question_does_not_answer_it(
        self, two: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here, there = two
        read: Callable[..., Awaitable[object]] = there.database.watch
        go_on, has_read = asyncio.Event(), asyncio.Event()

        async def suspended(*query: object, **parameters: object) -> object:
            rows = await read(*query, **parameters)
            has_read.set()
            await go_on.wait()  # as by SIGSTOP, between the database's answer and its use
            return rows

        monkeypatch.setattr(there.database, "watch", suspended)
        old = asyncio.create_task(there.feed.refresh())
        await has_read.wait()
        await here.say("meanwhile")
        asked = asyncio.create_task(there.feed.refresh())
        await asyncio.sleep(0)
        go_on.set()
        await asked
        await old

        assert there.heard == ["meanwhile"]

    async def test_a_reading_that_hangs_is_given_up_and_the_request_refused(
        self, two: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here, there = two
        with monkeypatch.context() as broken:
            broken.setattr(signals_module, "READ_SECONDS", 0.1)
            broken.setattr(there.database, "watch", lambda *_, **__: asyncio.sleep(3600))
            with pytest.raises(DatabaseUnavailable):
                await there.feed.refresh()
        await here.say("afterwards")

        assert await there.catches_up() == ["afterwards"]

    async def test_a_view_is_fresh_for_two_seconds_of_either_clock(self, join: Join) -> None:
        process = await join()
        clock = process.database.clock
        assert isinstance(clock, ManualClock)
        assert process.feed.is_fresh()

        process.steady[0] += 2
        assert not process.feed.is_fresh()
        await process.feed.refresh()
        assert process.feed.is_fresh()
        clock.advance(seconds=-2)
        assert not process.feed.is_fresh()

    async def test_a_feed_that_was_never_started_or_is_stopped_is_never_fresh(self, join: Join) -> None:
        process = await join()
        young = Signals(process.database, remember=REMEMBER, steady=lambda: 0.5)  # a machine that just came up
        assert not young.is_fresh()

        await process.feed.stop()

        assert not process.feed.is_fresh()

    async def test_a_server_that_took_over_is_read_from_the_beginning(
        self, two: tuple[Process, Process], postgres: Postgres, database_url: str
    ) -> None:
        here, there = two
        for number in range(5):
            await here.say(f"before{number}")
        await there.catches_up()
        await there.catches_up()
        # A standby that had not received the last rows gives their numbers again.
        name = database_url.rpartition("/")[2]
        postgres.run_sql("DELETE FROM signals WHERE sequence > 2", "ALTER SEQUENCE signals_sequence_seq RESTART WITH 3",
                         database=name)  # fmt: skip
        postgres.stop()
        postgres.start()
        await asyncio.sleep(0.2)  # until the pools see that their connections are gone
        late = [str(number) for number in range(3, 5)]
        async with here.database.unit() as unit:
            for subject in late:
                unit.signal("session", subject)

        heard = await there.catches_up()

        assert set(late) <= set(heard)

    async def test_the_heart_goes_on_after_any_failure(
        self, join: Join, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(signals_module, "HEARTBEAT_SECONDS", 0.01)
        process = await join()
        with monkeypatch.context() as broken:
            broken.setattr(process.database, "watch", lambda *_, **__: 1 / 0)
            async with asyncio.timeout(20):
                while process.feed.failures < 2:  # noqa: ASYNC110 - a heart sets no event
                    await asyncio.sleep(0.02)
        async with asyncio.timeout(20):
            while process.feed.failures:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)

        said = [record.getMessage() for record in caplog.records if record.name == "ostiary.core.signals"]
        assert said[0] == "the change feed cannot be read (ZeroDivisionError); requests are refused"
        assert len(said) == 2
