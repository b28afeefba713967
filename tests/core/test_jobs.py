"""Jobs are queued with their cause and run at least once, with patience."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
from tests.core.db.raw import blob, raw
from tests.house import OpenHouse

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.jobs import BATCH, CLAIM, MOST_ATTEMPTS, Outbox
from ostiary.wiring import Ostiary


class Worker:
    """Notes what it was given, after failing as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.done: list[Any] = []
        self.ran = asyncio.Event()

    async def __call__(self, payload: dict[str, Any]) -> None:
        if self.failures:
            self.failures -= 1
            raise KeyError("mira@example.org")
        self.done.append(payload["number"])
        self.ran.set()


async def queue(house: Ostiary, *numbers: int, job: str = "count", run_at: int | None = None) -> None:
    async with house.database.unit() as unit:
        for number in numbers:
            unit.later(job, run_at=run_at, number=number)


async def test_a_job_runs_once_and_is_gone(house: Ostiary) -> None:
    house.outbox.on("count", worker := Worker())
    await queue(house, 1, 2)
    assert await house.outbox.drain() == 2
    assert await house.outbox.drain() == 0
    assert sorted(worker.done) == [1, 2]
    assert await raw(house.database_url, "SELECT 1 FROM outbox") == []


async def test_a_unit_that_fails_queues_nothing(house: Ostiary) -> None:
    async def fail() -> None:
        async with house.database.unit() as unit:
            unit.later("count", number=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await house.outbox.drain() == 0


async def test_of_two_processes_one_does_it(open_house: OpenHouse) -> None:
    houses = [await open_house(work=False) for _ in range(2)]
    worker = Worker()
    for house in houses:
        house.outbox.on("count", worker)
    await queue(houses[0], *range(3 * BATCH))

    await asyncio.gather(*[house.outbox.drain() for house in houses for _ in range(2)])
    for house in houses:
        await house.outbox.drain()

    assert sorted(worker.done) == list(range(3 * BATCH))


async def test_a_job_waits_for_its_time(house: Ostiary, clock: ManualClock) -> None:
    house.outbox.on("count", worker := Worker())
    await queue(house, 1, run_at=clock.now() + 1000)
    clock.advance(milliseconds=999)
    assert await house.outbox.drain() == 0
    clock.advance(milliseconds=1)
    assert await house.outbox.drain() == 1
    assert worker.done == [1]


async def test_a_failed_job_is_tried_again_ever_more_seldom(house: Ostiary, clock: ManualClock) -> None:
    house.outbox.on("count", worker := Worker(failures=3))
    await queue(house, 1)
    waits = []
    for _ in range(4):
        begun = clock.now()
        while await house.outbox.drain() == 0:
            clock.advance(seconds=1)
        waits.append((clock.now() - begun) // 1000)
    assert waits == [0, 2, 4, 8]
    assert worker.done == [1]


async def test_a_hopeless_job_is_given_up_and_kept_for_the_keeper(
    house: Ostiary, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    house.outbox.on("count", Worker(failures=10**6))
    await queue(house, 1)
    with caplog.at_level(logging.DEBUG):
        for _ in range(MOST_ATTEMPTS + 3):
            await house.outbox.drain()
            clock.advance(hours=2)

    rows = await raw(house.database_url, "SELECT attempts, last_error FROM outbox WHERE failed_at IS NOT NULL")
    assert rows == [(MOST_ATTEMPTS, "KeyError")]
    assert "given up" in caplog.text
    assert "mira" not in caplog.text


async def test_a_job_that_only_a_newer_version_knows_waits_for_it(house: Ostiary, clock: ManualClock) -> None:
    """Rolling upgrade: the old process meets it first and must not throw it away (R52)."""
    await queue(house, 1, job="invented-later")
    await house.outbox.drain()
    house.outbox.on("invented-later", worker := Worker())
    clock.advance(minutes=1)
    await house.outbox.drain()
    assert worker.done == [1]


async def test_a_job_whose_worker_died_is_taken_up_by_another(open_house: OpenHouse, clock: ManualClock) -> None:
    first, second = await open_house(work=False), await open_house(work=False)

    async def die(_: dict[str, Any]) -> None:
        raise asyncio.CancelledError

    first.outbox.on("count", die)
    second.outbox.on("count", worker := Worker())
    await queue(first, 1)
    with pytest.raises(asyncio.CancelledError):
        await first.outbox.drain()

    assert await second.outbox.drain() == 0  # the other may be at it still
    clock.advance(seconds=CLAIM.total_seconds())
    assert await second.outbox.drain() == 1
    assert worker.done == [1]


async def test_payloads_are_sealed_and_stay_readable_when_the_key_is_rotated(
    house: Ostiary, clock: ManualClock
) -> None:
    house.outbox.on("count", worker := Worker())
    async with house.database.unit() as unit:
        unit.later("count", number=1, email="mira@example.org")
    row = (await raw(house.database_url, "SELECT payload FROM outbox"))[0]
    assert b"mira" not in bytes(row[0])
    await house.keys.rotate(KEEPER, ("data",))
    clock.advance(days=1)
    await house.outbox.drain()
    assert worker.done == [1]


async def test_a_forged_payload_is_never_run(house: Ostiary) -> None:
    house.outbox.on("count", worker := Worker())
    await queue(house, 1, 2)
    noise = blob(house.database_url, b"\x0bnoise" * 9)
    await raw(house.database_url, f"UPDATE outbox SET payload = {noise}")
    await house.outbox.drain()
    assert worker.done == []


async def test_a_payload_moved_to_another_job_is_never_run(house: Ostiary) -> None:
    house.outbox.on("count", worker := Worker())
    await queue(house, 1, 2)
    await raw(house.database_url, "UPDATE outbox SET payload = (SELECT payload FROM outbox ORDER BY id LIMIT 1)")
    await house.outbox.drain()
    assert len(worker.done) == 1


async def test_the_worker_runs_what_is_queued_at_once_and_stops_cleanly(open_house: OpenHouse) -> None:
    house = await open_house(work=True)
    house.outbox.on("count", worker := Worker())
    await queue(house, 1)
    await asyncio.wait_for(worker.ran.wait(), 5)
    await asyncio.wait_for(house.outbox.stop(), 5)


async def test_the_worker_outlives_a_round_that_fails(house: Ostiary, monkeypatch: pytest.MonkeyPatch) -> None:
    house.outbox.on("count", worker := Worker())
    drain, rounds = Outbox.drain, 0

    async def fail_once(outbox: Outbox) -> int:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise ZeroDivisionError
        return await drain(outbox)

    monkeypatch.setattr(Outbox, "drain", fail_once)
    await house.outbox.start()
    await queue(house, 1)
    await asyncio.wait_for(worker.ran.wait(), 5)
    await house.outbox.stop()


async def test_a_chore_that_fails_is_done_again(house: Ostiary) -> None:
    calls: list[int] = []
    enough = asyncio.Event()

    async def chore() -> None:
        calls.append(1)
        if len(calls) == 3:
            enough.set()
        raise ZeroDivisionError

    outbox = Outbox(house.database, house.sealer)
    outbox.every(timedelta(milliseconds=5), "test", chore)
    await outbox.start()
    await asyncio.wait_for(enough.wait(), 5)
    await outbox.stop()
