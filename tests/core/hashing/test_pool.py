"""Admission, accounting and the end of the hash pool."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from ostiary.core.errors import TooBusy, Unavailable
from ostiary.core.hash_formats.pool import HashPool, PoolBounds
from ostiary.core.hashing import Hasher, HashingSettings


def bounds(
    *, threads: int = 1, longest_wait: float = 1.5, hold: float = 30.0, most_held: int = 100, niceness: int = 0
) -> PoolBounds:
    return PoolBounds(threads, niceness, longest_wait, hold, most_held, area_kib=64)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - threads change it, which can set no event of ours
            await asyncio.sleep(0.002)


class Bench:
    """A pool of one thread whose jobs each take a second of its clock and wait for a gate of ours."""

    def __init__(self, limits: PoolBounds) -> None:
        self.pool = HashPool(limits)
        self.pool.measured(1.0)
        self.gate = threading.Semaphore(0)
        self.done: list[str] = []

    def start(self, name: str, weight: float = 1.0) -> asyncio.Task[str]:
        def job() -> str:
            assert self.gate.acquire(timeout=60)
            self.done.append(name)
            return name

        return asyncio.create_task(self.pool.run(job, weight), name=name)

    def open(self, times: int = 1) -> None:
        self.gate.release(times)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench(bounds())
    yield bench
    bench.open(1000)
    bench.pool.end()
    await bench.pool.left()


async def fill(bench: Bench) -> list[asyncio.Task[str]]:
    """One running and one queued second: 2 s ahead of whoever comes next, 1.5 s allowed."""
    first = bench.start("first")
    await until(lambda: bench.pool.running == 1)
    second = bench.start("second")
    await until(lambda: bench.pool.waiting == 1)
    return [first, second]


async def test_work_runs_in_threads_of_the_pool_and_answers_come_back() -> None:
    pool = HashPool(bounds(threads=2))
    names = await asyncio.gather(*(pool.run(lambda: threading.current_thread().name, 1.0) for _ in range(50)))
    assert set(names) <= {"ostiary-hash-0", "ostiary-hash-1"}
    pool.end()
    await pool.left()


async def test_threads_start_only_when_there_is_work_for_them() -> None:
    before = set(threading.enumerate())  # those of earlier tests may end meanwhile

    def hash_threads() -> int:
        return sum(thread.name.startswith("ostiary-hash") for thread in set(threading.enumerate()) - before)

    pool = HashPool(bounds(threads=4))
    assert hash_threads() == 0
    for _ in range(5):
        await pool.run(lambda: None, 1.0)
        await until(lambda: pool._idle == 1)
    assert hash_threads() == 1
    gate = threading.Event()
    tasks = [asyncio.create_task(pool.run(gate.wait, 0.01)) for _ in range(9)]
    await until(lambda: pool.running == 4)
    assert hash_threads() == 4
    gate.set()
    await asyncio.gather(*tasks)
    pool.end()
    await pool.left()
    assert hash_threads() == 0


async def test_a_job_that_raises_tells_its_caller_and_costs_no_thread() -> None:
    class Panic(BaseException):
        pass

    def panic() -> None:
        raise Panic

    pool = HashPool(bounds())
    with pytest.raises(Panic):
        await pool.run(panic, 1.0)
    assert await pool.run(lambda: "alive", 1.0) == "alive"
    assert (pool.load, pool.running, pool.waiting) == (0.0, 0, 0)
    pool.end()
    await pool.left()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
async def test_hash_threads_are_nicer_than_the_rest() -> None:
    pool = HashPool(bounds(niceness=3))

    def own() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    here = own()
    assert await pool.run(own, 1.0) == min(19, here + 3)
    assert own() == here
    pool.end()
    await pool.left()


async def test_work_beyond_the_longest_wait_is_held_and_admitted_when_room_comes(bench: Bench) -> None:
    tasks = await fill(bench)
    third = bench.start("third")
    await until(lambda: bench.pool.held == 1)
    assert (bench.pool.waiting, bench.pool.running, bench.pool.load) == (1, 1, 2.0)

    bench.open()
    await tasks[0]
    await until(lambda: bench.pool.running == 1)  # the second
    assert (bench.pool.waiting, bench.pool.held) == (1, 0)
    bench.open(2)
    assert await asyncio.gather(*tasks, third) == ["first", "second", "third"]
    assert bench.done == ["first", "second", "third"]
    assert (bench.pool.load, bench.pool.refused) == (0.0, 0)


async def test_the_held_are_admitted_in_order_and_nobody_overtakes_them(bench: Bench) -> None:
    tasks = await fill(bench)
    for name in ("third", "fourth", "fifth"):
        tasks.append(bench.start(name))
        await until(lambda: bench.pool.held == len(tasks) - 2)
    bench.open(5)
    await asyncio.gather(*tasks)
    assert bench.done == ["first", "second", "third", "fourth", "fifth"]


async def test_a_held_caller_is_refused_when_no_room_came() -> None:
    bench = Bench(bounds(hold=0.05))
    tasks = await fill(bench)
    with pytest.raises(TooBusy) as refusal:
        await bench.start("third")
    assert refusal.value.retry_after == 2  # two jobs of a second each are ahead
    assert (bench.pool.held, bench.pool.refused) == (0, 1)
    bench.open(2)
    await asyncio.gather(*tasks)
    assert bench.done == ["first", "second"]
    bench.pool.end()
    await bench.pool.left()


async def test_who_came_at_one_moment_is_not_refused_at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(bounds(hold=0.5, most_held=100))
    tasks = await fill(bench)
    begun, refused, told = time.monotonic(), list[float](), list[float]()
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def noted(delay: float, callback: Callable[..., object], *given: Any) -> asyncio.TimerHandle:  # noqa: ANN401
        """Note for how long each is held: a machine that stands still at the end refuses all of them at once."""
        if callback == bench.pool._give_up:
            told.append(delay)
        return call_later(delay, callback, *given)

    monkeypatch.setattr(loop, "call_later", noted)

    async def wait(number: int) -> None:
        with pytest.raises(TooBusy):
            await bench.start(f"held {number}")
        refused.append(time.monotonic() - begun)

    await asyncio.gather(*(wait(number) for number in range(100)))
    assert min(refused) >= 0.38  # four fifths of the hold, for the last of a full room
    assert len(told) == len(refused) == 100
    assert max(told) - min(told) >= 0.05, "a wave of refusals keeps everybody else waiting"
    bench.open(2)
    await asyncio.gather(*tasks)
    bench.pool.end()
    await bench.pool.left()


async def test_callers_beyond_the_number_that_may_be_held_are_refused_at_once() -> None:
    bench = Bench(bounds(most_held=2))
    tasks = await fill(bench)
    tasks += [bench.start("third"), bench.start("fourth")]
    await until(lambda: bench.pool.held == 2)
    begun = time.monotonic()
    with pytest.raises(TooBusy) as refusal:
        await bench.start("fifth")
    assert time.monotonic() - begun < 5  # they are held for 30
    assert refusal.value.retry_after == 4
    bench.open(4)
    await asyncio.gather(*tasks)
    bench.pool.end()
    await bench.pool.left()


async def test_dear_work_takes_the_room_of_many(bench: Bench) -> None:
    task = bench.start("imported bcrypt", weight=13.0)
    await until(lambda: bench.pool.running == 1)
    assert bench.pool.expected_wait == pytest.approx(13.0)
    held = bench.start("ours")
    await until(lambda: bench.pool.held == 1)
    bench.open(2)
    await asyncio.gather(task, held)
    assert bench.pool.load == 0.0


async def test_an_idle_thread_takes_work_of_any_weight(bench: Bench) -> None:
    bench.pool.measured(100.0)
    bench.open()
    assert await bench.start("dear", weight=99.0) == "dear"


async def test_a_queued_caller_that_leaves_is_not_computed_and_makes_room(bench: Bench) -> None:
    first, second = await fill(bench)
    third = bench.start("third")
    await until(lambda: bench.pool.held == 1)

    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert (bench.pool.waiting, bench.pool.held, bench.pool.load) == (1, 0, 2.0)  # the third moved up
    bench.open(2)
    await asyncio.gather(first, third)
    assert bench.done == ["first", "third"]


async def test_a_held_caller_that_leaves_is_forgotten(bench: Bench) -> None:
    tasks = await fill(bench)
    third = bench.start("third")
    await until(lambda: bench.pool.held == 1)
    third.cancel()
    with pytest.raises(asyncio.CancelledError):
        await third
    assert bench.pool.held == 0
    bench.open(3)
    await asyncio.gather(*tasks)
    assert bench.done == ["first", "second"]


async def test_a_running_caller_that_leaves_is_still_accounted_for(bench: Bench) -> None:
    first, second = await fill(bench)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (bench.pool.running, bench.pool.load) == (1, 2.0)  # a thread cannot be called back
    bench.open(2)
    await second
    assert bench.done == ["first", "second"]
    assert (bench.pool.running, bench.pool.load) == (0, 0.0)


async def test_closing_while_busy_finishes_what_runs_and_refuses_what_waits() -> None:
    bench = Bench(bounds())
    first, second = await fill(bench)
    third = bench.start("third")
    await until(lambda: bench.pool.held == 1)

    bench.pool.end()
    for waiting in (second, third):
        with pytest.raises(Unavailable):
            await waiting
    with pytest.raises(Unavailable):
        await bench.pool.run(lambda: None, 1.0)
    assert (bench.pool.waiting, bench.pool.held, bench.pool.running, bench.pool.load) == (0, 0, 1, 1.0)

    bench.open()
    assert await first == "first"
    await bench.pool.left()
    assert bench.done == ["first"]
    assert not any(thread.is_alive() for thread in bench.pool._threads)
    bench.pool.end()  # twice does no harm


async def test_a_flood_is_accounted_for_to_the_last_caller() -> None:
    hasher = Hasher(
        HashingSettings.model_validate(
            {"memory_kib": 1024, "passes": 1, "threads": 2, "longest_wait": 0.02, "hold": 0.05, "most_held": 40}
        )
    )
    stored = await hasher.hash("right")
    outcomes = {"matched": 0, "refused": 0, "left": 0}
    advice: list[int | None] = []

    async def caller(number: int) -> None:
        patience = 0.01 if number % 5 == 0 else 30.0
        try:
            async with asyncio.timeout(patience):
                verdict = await hasher.verify(stored, "right")
        except TooBusy as refusal:
            outcomes["refused"] += 1
            advice.append(refusal.retry_after)
        except TimeoutError:
            outcomes["left"] += 1
        else:
            assert verdict.matches
            outcomes["matched"] += 1

    await asyncio.gather(*(caller(number) for number in range(400)))
    assert sum(outcomes.values()) == 400
    assert all(outcomes.values()), outcomes
    assert all(seconds is not None and seconds >= 1 for seconds in advice)
    # A caller whose time ran out while its refusal was on the way counts there and not here.
    assert outcomes["refused"] <= hasher.refused <= outcomes["refused"] + outcomes["left"]
    await until(lambda: hasher.running == 0)
    assert (hasher.waiting, hasher.held, hasher.load, hasher.expected_wait) == (0, 0, 0.0, 0.0)
    assert (await hasher.verify(stored, "right")).matches  # and the door is open again
    await hasher.close()


async def test_callers_that_leave_at_random_moments_never_unbalance_the_books() -> None:
    pool = HashPool(bounds(threads=2, longest_wait=0.004, hold=0.01, most_held=20))

    async def caller(number: int) -> None:
        with suppress(TooBusy, TimeoutError):
            async with asyncio.timeout(number % 23 / 1000):
                await pool.run(lambda: time.sleep(0.0005), 0.1 + number % 3)

    for _ in range(5):
        await asyncio.gather(*(caller(number) for number in range(200)))
    await until(lambda: pool.running == 0)
    assert (pool.waiting, pool.held, pool.load) == (0, 0, 0.0)
    pool.end()
    await pool.left()


async def test_the_estimate_follows_what_is_measured() -> None:
    pool = HashPool(bounds())
    pool.measured(5.0)
    for _ in range(200):
        await pool.run(lambda: None, 1.0)
    assert pool.unit_seconds < 0.1
    pool.end()
    await pool.left()


async def test_a_forgotten_hasher_lets_its_threads_go() -> None:
    hasher = Hasher(HashingSettings(memory_kib=64, passes=1, threads=2))
    await hasher.hash("password")
    threads = list(hasher._pool._threads)
    del hasher
    gc.collect()
    await until(lambda: not any(thread.is_alive() for thread in threads))


@pytest.mark.parametrize("ending", ["", "import sys; sys.exit(0)", "raise KeyboardInterrupt"])
def test_a_process_that_ends_while_hashing_neither_hangs_nor_crashes(ending: str) -> None:
    program = f"""
import asyncio
from ostiary.core.hashing import Hasher, HashingSettings
hasher = Hasher(HashingSettings(threads=2))
async def main():
    for number in range(40):
        asyncio.ensure_future(hasher.hash("x"))
    await asyncio.sleep(0.05)
    print("busy", hasher.running, flush=True)
    {ending or "pass"}
asyncio.run(main())
"""
    begun = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False, text=True)
    assert "busy" in ended.stdout
    assert ended.returncode == (-signal.SIGINT if "Keyboard" in ending else 0), ended.stderr
    assert "Fatal" not in ended.stderr
    assert time.monotonic() - begun < 30


def test_a_forked_child_hashes_with_threads_of_its_own() -> None:
    program = """
import asyncio, os, sys, warnings
warnings.simplefilter("ignore")  # newer Pythons warn of forking beside threads, which is what is tested
from ostiary.core.hashing import Hasher, HashingSettings
hasher = Hasher(HashingSettings(memory_kib=64, passes=1, threads=2))
stored = asyncio.run(hasher.hash("x"))
child = os.fork()
assert asyncio.run(asyncio.wait_for(hasher.verify(stored, "x"), 20)).matches
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False, text=True)
    assert ended.returncode == 0, ended.stderr


async def test_who_goes_first_waits_before_all_others_who_wait(bench: Bench) -> None:
    tasks = await fill(bench)
    order: list[str] = []

    async def promised(name: str, *, first: bool) -> None:
        promise = await bench.pool.reserve(1.0, first=first)
        order.append(name)
        bench.pool.give_back(promise)

    waiting = []
    for name in ("stranger", "another", "known"):
        waiting.append(asyncio.create_task(promised(name, first=name == "known")))
        await until(lambda: bench.pool.held == len(waiting))
    bench.open(5)
    await asyncio.gather(*tasks, *waiting)

    assert order == ["known", "stranger", "another"]


async def test_where_too_many_wait_the_last_stranger_makes_room_for_who_goes_first() -> None:
    bench = Bench(bounds(most_held=2))
    tasks = await fill(bench)
    strangers = [bench.start("stranger"), bench.start("last")]
    await until(lambda: bench.pool.held == 2)

    known = asyncio.create_task(bench.pool.reserve(1.0, first=True))
    with pytest.raises(TooBusy):
        await strangers[1]
    bench.open(4)
    bench.pool.give_back(await known)
    await asyncio.gather(*tasks, strangers[0])
    assert bench.pool.load == 0.0
    bench.pool.end()
    await bench.pool.left()
