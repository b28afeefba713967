"""The bounded pool of threads in which passwords are hashed (D7)."""

from __future__ import annotations

import asyncio
import atexit
import enum
import math
import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from ostiary.core.errors import TooBusy, Unavailable
from ostiary.core.hash_formats.niceness import be_nice
from ostiary.core.hash_formats.work_area import give_back_area, keep_area

T = TypeVar("T")

_ASSUMED_SECONDS = 0.025
_IDLE_SECONDS = 30.0
_REMEMBERED = 20  # measurements in the moving average; fewer count evenly, so that a slow first one is soon put right


class _Stage(enum.Enum):
    HELD = enum.auto()
    PROMISED = enum.auto()
    QUEUED = enum.auto()
    RUNNING = enum.auto()
    DONE = enum.auto()


@dataclass(frozen=True, slots=True)
class _TurnedAway:
    """Says that a caller has to come back later, and in how many seconds.

    A value and no exception: one that a future holds is in a circle with the frames that it passes, and of a flood's
    refusals each would leave 56 objects to the garbage collector.
    """

    retry_after: int


@dataclass(slots=True, eq=False, weakref_slot=True)
class _Work:
    job: Callable[[], object] | None = field(repr=False)  # None: a promise of room for a job to come
    weight: float
    loop: asyncio.AbstractEventLoop = field(repr=False)
    answer: asyncio.Future[Any] = field(repr=False)
    stage: _Stage = _Stage.HELD

    def deliver(self, result: object, error: BaseException | None) -> None:
        """Hand the outcome to the waiting caller, from any thread."""
        with suppress(RuntimeError):  # its loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: object, error: BaseException | None) -> None:
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(result)
        else:
            self.answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class PoolBounds:
    """How much the pool takes on.

    Attributes:
        threads: Number of hash threads.
        niceness: Added to their priority value on Linux, 0 to 19.
        longest_wait: Seconds that work may be expected to queue.
        hold: Seconds that a caller waits for room, at most, before it is refused.
        most_held: Callers that wait for room at one time.
        area_kib: Work area that each thread keeps, in KiB.
    """

    threads: int
    niceness: int
    longest_wait: float
    hold: float
    most_held: int
    area_kib: int


class HashPool:
    """Threads that compute jobs in order, and a door that admits no more than they can do.

    Work is weighed in default hashes. Where what is ahead would take longer
    than `longest_wait`, a caller is held, and after `hold` refused: without the
    hold, clients that repeat at once would eat the processor with refusals.

    All state is guarded by one lock, never held while a job runs, so that
    threads admit held callers themselves, without the event loop.
    """

    def __init__(self, bounds: PoolBounds) -> None:
        self.bounds = bounds
        self.refused = 0
        self.unit_seconds = _ASSUMED_SECONDS
        self._measurements = 0
        self._closed = False
        self.begin_empty()
        _living.add(self)

    def begin_empty(self) -> None:
        """Set up without work and threads: at first, and in a forked child, which inherits lists but no threads."""
        self._wake = threading.Condition()  # re-entrant, for finalizers that run inside it
        self._held: OrderedDict[_Work, None] = OrderedDict()
        self._queue: OrderedDict[_Work, None] = OrderedDict()
        self._running = 0
        self._promised = 0
        self._load = 0.0
        self._idle = 0
        self._threads: list[threading.Thread] = []

    @property
    def waiting(self) -> int:
        """Jobs admitted that no thread has begun."""
        return len(self._queue)

    @property
    def held(self) -> int:
        """Callers that wait for room."""
        return len(self._held)

    @property
    def running(self) -> int:
        """Jobs that are being computed."""
        return self._running

    @property
    def load(self) -> float:
        """Weight of all that is admitted and not finished, in default hashes."""
        return self._load

    @property
    def expected_wait(self) -> float:
        """Seconds until work that is admitted now would begin."""
        if self._running + len(self._queue) + self._promised < self.bounds.threads:
            return 0.0
        return self._load * self.unit_seconds / self.bounds.threads

    async def run(self, job: Callable[[], T], weight: float, promise: _Work | None = None) -> T:
        """Return what `job` returns, computed by a hash thread.

        A caller that is cancelled takes its work back, unless a thread has begun it.

        Args:
            job: What to compute.
            weight: Its cost in default hashes.
            promise: Room that `reserve` has promised; it is used up.

        Raises:
            TooBusy: There is no room, and none came free in time.
            Unavailable: The pool is closed.
        """
        loop = asyncio.get_running_loop()
        work = _Work(job, weight, loop, loop.create_future())
        with self._wake:
            if promise is not None and promise.stage is _Stage.PROMISED and not self._closed:
                self._take(promise)
                self._admit(work)
        return cast("T", await self._entered(work))

    async def reserve(self, weight: float, *, first: bool = False) -> _Work:
        """Return a promise of room, held or refused for as `run` does; to be used by it, or given back.

        So whoever is turned away has cost nothing that comes before the hash.

        Args:
            weight: Of the work to come, in default hashes.
            first: Waits before all others who wait; where too many do, the last of them makes room.

        Raises:
            TooBusy: There is no room, and none came free in time.
            Unavailable: The pool is closed.
        """
        loop = asyncio.get_running_loop()
        promise = _Work(None, weight, loop, loop.create_future())
        try:
            await self._entered(promise, first=first)
        except BaseException:
            self.give_back(promise)
            raise
        return promise

    def give_back(self, promise: _Work) -> None:
        """Let others have room that was promised, if it was not used."""
        with self._wake:
            if promise.stage is _Stage.PROMISED:
                self._take(promise)
                self._admit_held()

    async def _entered(self, work: _Work, *, first: bool = False) -> object:
        loop, timer = work.loop, None
        with self._wake:
            if work.stage is not _Stage.HELD:
                pass  # admitted by a promise, and perhaps begun already
            elif self._closed:
                raise Unavailable(retry_after=1)
            elif not self._held and self._has_room():
                self._admit(work)
            elif len(self._held) < self.bounds.most_held or (first and self._turn_last_away()):
                self._held[work] = None
                if first:
                    self._held.move_to_end(work, last=False)
                crowd = len(self._held) / self.bounds.most_held  # who came at one time is not refused at one time
                timer = loop.call_later(self.bounds.hold * (1 - crowd / 5), self._give_up, work)
            else:
                raise TooBusy(retry_after=self._turned_away().retry_after)
        try:
            answer = None if work.stage is _Stage.PROMISED else await work.answer
        finally:
            if timer is not None:
                timer.cancel()
            self._withdraw(work)
        if isinstance(answer, _TurnedAway):
            raise TooBusy(retry_after=answer.retry_after)
        return answer

    def measured(self, unit_seconds: float) -> None:
        """Take a measurement of one default hash as the present truth, in seconds."""
        self.unit_seconds = unit_seconds
        self._measurements = _REMEMBERED

    def end(self) -> None:
        """Refuse all that has not begun and let the threads go; returns at once."""
        with self._wake:
            self._closed = True
            abandoned = [*self._held, *self._queue]
            self._held.clear()
            self._queue.clear()
            for work in abandoned:
                if work.stage is _Stage.QUEUED:
                    self._unload(work)
                work.stage = _Stage.DONE
            self._wake.notify_all()
        for work in abandoned:
            work.deliver(None, Unavailable(retry_after=1))

    def begin_again(self) -> None:
        """Take work again after `end` and `left`; nothing happens where it never ended."""
        with self._wake:
            if self._closed:
                self._closed = False
                self._threads, self._idle = [], 0

    async def left(self) -> None:
        """Return when the threads have gone; each ends with the job that it has."""
        await asyncio.get_running_loop().run_in_executor(None, self.join, None)

    def join(self, seconds: float | None) -> None:
        """Wait until the threads have gone, but no longer than `seconds`."""
        until = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))

    def _has_room(self) -> bool:
        return self.expected_wait < self.bounds.longest_wait

    def _take(self, promise: _Work) -> None:
        promise.stage = _Stage.DONE
        self._promised -= 1
        self._unload(promise)

    def _admit(self, work: _Work) -> None:
        if work.job is None:
            work.stage = _Stage.PROMISED
            self._promised += 1
            self._load += work.weight
            work.deliver(None, None)
            return
        # More than one notification may be on its way to one idle thread: count work, not wake-ups.
        if len(self._queue) >= self._idle and len(self._threads) < self.bounds.threads:
            name = f"ostiary-hash-{len(self._threads)}"
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        work.stage = _Stage.QUEUED
        self._queue[work] = None
        self._load += work.weight
        self._wake.notify()

    def _admit_held(self) -> None:
        while self._held and self._has_room() and not self._closed:
            work, _ = self._held.popitem(last=False)
            self._admit(work)

    def _unload(self, work: _Work) -> None:
        # Exactly zero when nothing is left, lest the roundings of a million sums keep a door shut.
        self._load = self._load - work.weight if self._queue or self._running or self._promised else 0.0

    def _turn_last_away(self) -> bool:
        """Refuse whoever came last of those who wait; False if nobody waits."""
        if not self._held:
            return False
        work, _ = self._held.popitem()
        work.stage = _Stage.DONE
        work.deliver(self._turned_away(), None)
        return True

    def _give_up(self, work: _Work) -> None:
        with self._wake:
            if work.stage is not _Stage.HELD:
                return
            del self._held[work]
            work.stage = _Stage.DONE
            refusal = self._turned_away()
        if not work.answer.done():
            work.answer.set_result(refusal)

    def _turned_away(self) -> _TurnedAway:
        self.refused += 1
        ahead = self._load * (1 + len(self._held) / max(1, len(self._queue) + self._running + self._promised))
        return _TurnedAway(max(1, math.ceil(ahead * self.unit_seconds / self.bounds.threads)))

    def _withdraw(self, work: _Work) -> None:
        with self._wake:
            if work.stage is _Stage.HELD:
                del self._held[work]
            elif work.stage is _Stage.QUEUED:
                del self._queue[work]
                self._unload(work)
                self._admit_held()
            else:
                return  # a thread has it, or had it
            work.stage = _Stage.DONE

    def _serve(self) -> None:
        be_nice(self.bounds.niceness)
        keep_area(self.bounds.area_kib)
        while self._serve_one():
            pass

    def _serve_one(self) -> bool:
        work = self._next()
        if work is None:
            return False
        begun = time.perf_counter()
        result: object = None
        error: BaseException | None = None
        try:
            assert work.job is not None  # promises are not queued
            result = work.job()
        except BaseException as raised:  # noqa: BLE001 - a foreign library's panic must not cost a thread
            error = raised
        self._finished(work, time.perf_counter() - begun)
        work.deliver(result, error)
        return True

    def _next(self) -> _Work | None:
        with self._wake:
            self._idle += 1
            while not self._queue:
                if self._closed:
                    return None
                if not self._wake.wait(_IDLE_SECONDS):
                    give_back_area()
            self._idle -= 1
            work, _ = self._queue.popitem(last=False)
            work.stage = _Stage.RUNNING
            self._running += 1
            return work

    def _finished(self, work: _Work, seconds: float) -> None:
        with self._wake:
            work.stage = _Stage.DONE
            self._running -= 1
            self._unload(work)
            self._measurements = min(self._measurements + 1, _REMEMBERED)
            self.unit_seconds += (seconds / work.weight - self.unit_seconds) / self._measurements
            self._admit_held()


_living: weakref.WeakSet[HashPool] = weakref.WeakSet()


def _end_all() -> None:
    """Before the interpreter goes, end the threads, which are inside C code with memory of ours."""
    pools = list(_living)
    for pool in pools:
        pool.end()
    for pool in pools:
        pool.join(3.0)


def _begin_empty_after_fork() -> None:
    for pool in list(_living):
        pool.begin_empty()


atexit.register(_end_all)
os.register_at_fork(after_in_child=_begin_empty_after_fork)
