"""The outbox: jobs queued in the transaction that caused them, run at least once, with backoff (R54)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from ostiary.core.caller import speaking
from ostiary.core.clock import Millis, millis
from ostiary.core.crypto import Sealer, Unsealable
from ostiary.core.db import Database, DatabaseUnavailable, Query
from ostiary.core.tables import outbox

if TYPE_CHECKING:
    from ostiary.core.db import Unit

log = logging.getLogger(__name__)

Job = Callable[[dict[str, Any]], Awaitable[None]]
Chore = Callable[[], Awaitable[object]]

CLAIM = timedelta(seconds=10)
"""How long after a worker's last sign of life another tries the same job: a letter in the hands of a process
that was killed leaves so much later."""

RENEWAL_SECONDS = 3.0
"""How often a worker says that it is still at a job."""

MOST_ATTEMPTS = 12
PATIENT_ATTEMPTS = 36
"""For what somebody must get to know and would not ask for again: with the waits, a little more than a day."""

FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(hours=1)
IDLE_SECONDS = 1.0
BATCH = 20


class Due(msgspec.Struct, frozen=True):
    """A job whose time has come."""

    id: str
    job: str
    payload: bytes
    attempts: int
    claimed_until: Millis


ENQUEUE = Query(
    insert(outbox).values(
        id=bindparam("id"), job=bindparam("job"), payload=bindparam("payload"), run_at=bindparam("run_at"),
        attempts=0, claimed_until=0,
    )
)  # fmt: skip
DUE = Query(
    select(outbox.c.id, outbox.c.job, outbox.c.payload, outbox.c.attempts, outbox.c.claimed_until)
    .where(
        outbox.c.run_at <= bindparam("now"),
        outbox.c.claimed_until <= bindparam("now"),
        outbox.c.failed_at.is_(None),
    )
    .order_by(outbox.c.run_at)
    .limit(BATCH),
    Due,
)
CLAIM_JOB = Query(
    update(outbox)
    .where(outbox.c.id == bindparam("job_id"), outbox.c.claimed_until == bindparam("seen"))  # one worker wins
    .values(claimed_until=bindparam("until"), attempts=outbox.c.attempts + 1)
)
RENEW_CLAIM = Query(
    update(outbox)
    .where(outbox.c.id == bindparam("job_id"), outbox.c.claimed_until == bindparam("seen"))
    .values(claimed_until=bindparam("until"))
)


class Queued(msgspec.Struct, frozen=True):
    """A job that waits, or was given up."""

    id: str
    job: str
    payload: bytes
    run_at: Millis
    attempts: int
    failed_at: Millis | None
    last_error: str | None


PAGE = Query(
    select(
        outbox.c.id, outbox.c.job, outbox.c.payload, outbox.c.run_at, outbox.c.attempts, outbox.c.failed_at,
        outbox.c.last_error,
    )
    .where(outbox.c.id > bindparam("after"))
    .order_by(outbox.c.id)
    .limit(BATCH * 10),
    Queued,
)  # fmt: skip
FINISH = Query(delete(outbox).where(outbox.c.id == bindparam("job_id")))
POSTPONE = Query(
    update(outbox)
    .where(outbox.c.id == bindparam("job_id"))
    .values(run_at=bindparam("again_at"), claimed_until=0, last_error=bindparam("why"), failed_at=bindparam("gave_up"))
)


class UnknownJob(Exception):  # noqa: N818 - reads as what it says
    """This process does not know how to do that job."""


async def _unknown(_: dict[str, Any]) -> None:
    raise UnknownJob


class Outbox:
    """Queues jobs and runs them.

    Payloads are sealed at rest, for they may name people. A job may run twice
    when a process dies between doing and noting it: handlers must bear that.
    Units that a handler opens speak the language of the request that caused it.
    """

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._jobs: dict[str, Job] = {}
        self._patience: dict[str, int] = {}
        self._chores: list[tuple[str, timedelta, Chore]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._stopping = False

    def on(self, job: str, handler: Job, *, attempts: int = MOST_ATTEMPTS) -> None:
        """Run `handler` with the payload of each job of this name, so often at most until it succeeds."""
        self._jobs[job] = handler
        self._patience[job] = attempts

    def every(self, interval: timedelta, name: str, chore: Chore) -> None:
        """Run `chore` at this interval; each process does, so it must bear company."""
        self._chores.append((name, interval, chore))

    async def flush(self, unit: Unit) -> None:
        """Store the unit's errands; part of its commit. What is stored is no errand any more: it may come again."""
        if not unit.errands:
            return
        errands, unit.errands = unit.errands, []
        for errand in errands:
            identity = secrets.token_urlsafe(12)
            payload = self._sealer.seal(msgspec.json.encode(errand.payload), f"outbox {identity}")
            await unit.run(ENQUEUE, id=identity, job=errand.job, payload=payload, run_at=errand.run_at)
        unit.afterwards(self._wake.set)

    async def start(self) -> None:
        """Begin to work in the background."""
        self._stopping = False
        self._wake = asyncio.Event()  # of this loop: a house may be opened again in another one
        self._tasks = [asyncio.create_task(self._work(), name="outbox")]
        self._tasks += [
            asyncio.create_task(self._repeat(name, interval, chore), name=name)
            for name, interval, chore in self._chores
        ]

    async def stop(self) -> None:
        """Finish the job in hand and stop."""
        self._stopping = True
        self._wake.set()
        for task in self._tasks[1:]:
            task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks[:1], timeout=10)
            for task in late:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def drain(self) -> int:
        """Run every job that is due now, some at a time; return how many ran.

        Side by side, so that they share commits, and one that waits for a slow
        mail server does not hold up the others.
        """
        count = 0
        while due := await self._database.all(DUE, now=self._database.clock.now()):
            outcomes = await asyncio.gather(*(self._take(job) for job in due), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            ran = [outcome for outcome in outcomes if outcome is True]
            if not ran:
                break
            count += sum(ran)
        return count

    async def naming(self, account_id: str) -> AsyncIterator[tuple[Queued, dict[str, Any]]]:
        """Yield the queued jobs whose payload names an account as `account_id`; opens every one that is queued."""
        async for job, payload in self.queued():
            if payload.get("account_id") == account_id:
                yield job, payload

    async def queued(self, name: str | None = None) -> AsyncIterator[tuple[Queued, dict[str, Any]]]:
        """Yield the jobs of a name, or all, that wait or were given up, with their payloads."""
        after = ""
        while page := await self._database.all(PAGE, after=after):
            for job in page:
                if name is not None and job.job != name:
                    continue
                try:
                    payload = msgspec.json.decode(self._sealer.open(job.payload, f"outbox {job.id}"))
                except Unsealable:  # edited, or its key is gone: nobody can read what it says
                    continue
                yield job, payload
            after = page[-1].id
            await asyncio.sleep(0)  # between pages the event loop belongs to others

    async def forget(self, account_id: str) -> int:
        """Drop the queued jobs that name an account, those given up included; return how many."""
        dropped = 0
        async for job, _ in self.naming(account_id):
            dropped += await self._database.run(FINISH, job_id=job.id)
        return dropped

    async def _work(self) -> None:
        while not self._stopping:
            try:
                ran = await self.drain()
            except DatabaseUnavailable:
                ran = 0
            except Exception as failure:  # noqa: BLE001 - the worker outlives whatever one round meets
                log.warning("the outbox failed (%s)", type(failure).__name__)
                ran = 0
            if ran == 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), IDLE_SECONDS)
                self._wake.clear()

    async def _take(self, job: Due) -> bool:
        if self._stopping:
            return False
        until = self._database.clock.now() + millis(CLAIM)
        if not await self._database.run(CLAIM_JOB, job_id=job.id, seen=job.claimed_until, until=until):
            return False
        try:
            await self._do(job, until)
        except Exception as failure:  # noqa: BLE001 - whatever a handler raises is a failed attempt, never the worker's end
            await self._postpone(job, failure)
        else:
            await self._database.run(FINISH, job_id=job.id)
        return True

    async def _do(self, job: Due, until: Millis) -> None:
        holding = asyncio.create_task(self._hold(job, until), name="claim")
        try:
            payload = msgspec.json.decode(self._sealer.open(job.payload, f"outbox {job.id}"))
            handler = self._jobs.get(job.job, _unknown)  # a newer version's, perhaps: its own worker will take it
            with speaking(payload.pop("language", None)):
                await handler(payload)
        finally:
            holding.cancel()

    async def _hold(self, job: Due, seen: Millis) -> None:
        """Renew the claim for as long as the job takes; without the database there is nobody who could take it."""
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            until = self._database.clock.now() + millis(CLAIM)
            with contextlib.suppress(DatabaseUnavailable):
                if not await self._database.run(RENEW_CLAIM, job_id=job.id, seen=seen, until=until):
                    return
                seen = until

    async def _postpone(self, job: Due, failure: Exception) -> None:
        if job.attempts + 1 >= self._patience.get(job.job, MOST_ATTEMPTS):
            await self._give_up(job, type(failure).__name__)
            return
        wait = min(millis(FIRST_WAIT) * 2**job.attempts, millis(LONGEST_WAIT))
        # The type alone: a message may hold an address or a server's answer to it (R17).
        log.warning("job %s failed (%s), attempt %d", job.job, type(failure).__name__, job.attempts + 1)
        again_at = self._database.clock.now() + wait
        await self._database.run(POSTPONE, job_id=job.id, again_at=again_at, why=type(failure).__name__, gave_up=None)

    async def _give_up(self, job: Due, why: str) -> None:
        log.error("job %s is given up after %d attempts (%s)", job.job, job.attempts + 1, why)
        now = self._database.clock.now()
        await self._database.run(POSTPONE, job_id=job.id, again_at=now, why=why, gave_up=now)

    async def _repeat(self, name: str, interval: timedelta, chore: Chore) -> None:
        seconds = interval.total_seconds()
        while True:
            await asyncio.sleep(seconds * (0.9 + secrets.randbelow(200) / 1000))  # processes drift apart
            try:
                await chore()
            except Exception as failure:  # noqa: BLE001 - one bad round must not end the chore
                log.warning("chore %s failed (%s)", name, type(failure).__name__)
