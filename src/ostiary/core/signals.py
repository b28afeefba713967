"""What changed elsewhere: every process hears of it before it trusts its memory (D3)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import msgspec
from sqlalchemy import BigInteger, Text, bindparam, cast, delete, func, insert, or_, select

from ostiary.core.clock import millis
from ostiary.core.db import Database, DatabaseUnavailable, Query
from ostiary.core.tables import signals

if TYPE_CHECKING:
    from ostiary.core.db import Unit

log = logging.getLogger(__name__)

BOUND_SECONDS = 2.0
"""How old a view may be before a request must not rely on it."""

READ_SECONDS = 2.0
"""How long a request waits for a reading before it is refused."""

HEARTBEAT_SECONDS = 0.5
LONGEST_KEPT = timedelta(days=1)
"""For the rows that no process lived long enough to prune by its own knowledge."""


def steady_seconds() -> float:
    """Return seconds of a clock that nobody sets and that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Heard(msgspec.Struct, frozen=True):
    """One change: its number, what kind of thing changed, and which one."""

    sequence: int
    kind: str
    subject: str


class Reading(msgspec.Struct, frozen=True):
    """One change as PostgreSQL tells of it, or nothing new; and what its snapshot could see.

    Attributes:
        oldest: Every transaction of a smaller number had ended, and was seen.
        server: When it started; another value means another server, or one that recovered.
    """

    sequence: int | None
    kind: str | None
    subject: str | None
    oldest: int
    server: str


class OldestKept(msgspec.Struct, frozen=True):
    """The number of the oldest change that is still stored, or None."""

    number: int | None


class Number(msgspec.Struct, frozen=True):
    """The number of a transaction."""

    number: int


_COLUMNS = (signals.c.sequence, signals.c.kind, signals.c.subject)


def _plain(number: object) -> object:
    return cast(cast(number, Text), BigInteger)  # xid8 converts by its text only


ADD = Query(
    insert(signals)
    .values(kind=bindparam("kind"), subject=bindparam("subject"), at=bindparam("at"))
    .returning(*_COLUMNS),
    Heard,
)
AFTER = Query(select(*_COLUMNS).where(signals.c.sequence > bindparam("settled")).order_by(signals.c.sequence), Heard)

# The condition is always true. It gives the transaction its number before the row takes its own, which
# `_settle` relies on: whoever holds a smaller row number has a transaction number by now.
ADD_ON_POSTGRESQL = Query(
    insert(signals)
    .from_select(
        ["kind", "subject", "at"],
        select(
            bindparam("kind", type_=Text), bindparam("subject", type_=Text), bindparam("at", type_=BigInteger)
        ).where(func.pg_current_xact_id().is_not(None)),
    )
    .returning(*_COLUMNS),
    Heard,
)
_seen = select(
    _plain(func.pg_snapshot_xmin(func.pg_current_snapshot())).label("oldest"),  # type: ignore[attr-defined]
    cast(func.pg_postmaster_start_time(), Text).label("server"),
).subquery("seen")
AFTER_ON_POSTGRESQL = Query(
    select(*_COLUMNS, _seen.c.oldest, _seen.c.server)
    .select_from(_seen.outerjoin(signals, signals.c.sequence > bindparam("settled")))
    .order_by(signals.c.sequence),
    Reading,
)
NEXT_TRANSACTION = Query(select(_plain(func.pg_current_xact_id()).label("number")), Number)  # type: ignore[attr-defined]
KEPT = Query(
    select(*_COLUMNS)
    .where(signals.c.sequence > bindparam("after"))
    .order_by(signals.c.sequence)
    .limit(bindparam("most")),
    Heard,
)
OLDEST = Query(select(func.min(signals.c.sequence).label("number")), OldestKept)
PRUNE = Query(
    delete(signals).where(or_(signals.c.sequence <= bindparam("settled"), signals.c.at < bindparam("before")))
)


class Push(Protocol):
    """A way to wake other processes at once; it may lose a message, the heartbeat heals that."""

    async def start(self, wake: Callable[[], None]) -> None:
        """Begin to listen; `wake` is called for each message."""
        ...

    async def stop(self) -> None:
        """Stop listening."""
        ...

    async def announce(self, unit: Unit) -> None:
        """Say, when the unit has committed, that there is something new."""
        ...


class Signals:
    """The change feed of this process.

    On SQLite the file itself says whether anybody committed (`PRAGMA
    data_version`, microseconds), so the view is exact at every request. On
    PostgreSQL a push wakes the reader at once, and a reading twice a second proves
    the view fresh; a view older than its bound reads before it answers,
    and refuses if it cannot. What is new is known by numbers alone, never by
    the clocks of other machines: docs/explanation/revocation.md.

    Args:
        database: Whose changes.
        remember: How long a change can matter to somebody who has not heard of it.
        push: What wakes other processes, if anything.
        steady: Seconds of a clock that nobody sets.
    """

    def __init__(
        self, database: Database, *, remember: timedelta, push: Push | None = None,
        steady: Callable[[], float] = steady_seconds,
    ) -> None:  # fmt: skip
        self._database = database
        self._remember = remember
        self._push = push
        self._steady = steady
        self._is_sqlite = database.driver.dialect == "sqlite"
        self._add = ADD if self._is_sqlite else ADD_ON_POSTGRESQL
        self._listeners: dict[str, list[Callable[[str], None]]] = {}
        self._taps: list[Callable[[Heard], None]] = []
        self._reading: asyncio.Task[None] | None = None
        self._heart: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._known_until: deque[tuple[float, int]] = deque()
        self.failures = 0
        self._line = secrets.token_hex(6)
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Know nothing: the next reading tells everything there is."""
        self._settled = 0  # every number up to this one is heard, or will never come
        self._heard: set[int] = set()  # those above it
        self._gap: tuple[int, int] | None = None  # once that transaction is over, up to that number all is settled
        self._server: str | None = None
        self._data_version = -1
        self._proved_at = -math.inf  # never: some clocks begin at zero with the machine
        self._proved_at_time = 0

    def on(self, kind: str, listener: Callable[[str], None]) -> None:
        """Call `listener` with the subject of each change of this kind; perhaps more than once."""
        self._listeners.setdefault(kind, []).append(listener)

    def tap(self, listener: Callable[[Heard], None]) -> None:
        """Call `listener` with each change and its number; perhaps more than once, and not in order."""
        self._taps.append(listener)

    @property
    def position(self) -> tuple[str, int]:
        """Which line of numbers this is, and up to which of them nothing can be new any more.

        On PostgreSQL that is the server; on SQLite each process has its own, as a file may become an older copy.
        """
        return self._server or self._line, self._settled

    async def kept(self, after: int, most: int) -> list[Heard]:
        """Return what is stored above a number, in order: whatever could matter to somebody is."""
        return await self._database.all(KEPT, after=after, most=most)

    async def oldest_kept(self) -> int | None:
        """Return the number of the oldest change that is stored."""
        return (await self._database.all(OLDEST))[0].number

    async def start(self) -> None:
        """Read what changed lately, and begin to listen.

        Raises:
            DatabaseUnavailable: It cannot be read.
        """
        self._begin_anew()
        self._wake = asyncio.Event()  # of this loop: a house may be opened again in another one
        if self._push is not None:
            await self._push.start(self._wake.set)  # first, so that nothing falls between
        await self.refresh()
        self._known_until.append((self._steady(), self._settled))
        # On SQLite each request that must know looks for itself; the heart tells what nobody asks for, such as blocks.
        self._heart = asyncio.create_task(self._beat(), name="signals")

    async def stop(self) -> None:
        """Stop listening."""
        for task in (self._heart, self._reading):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._heart = self._reading = None
        if self._push is not None:
            await self._push.stop()
        self._proved_at = -math.inf

    def is_fresh(self) -> bool:
        """Return whether memory may be trusted now; on SQLite, catch up first.

        Raises:
            DatabaseUnavailable: The file cannot be read.
        """
        if self._is_sqlite:
            self._catch_up()
            return True
        # Two clocks: a machine that was paused from outside may have seen neither, or only one, move on.
        return (
            self._steady() - self._proved_at < BOUND_SECONDS
            and abs(self._database.clock.now() - self._proved_at_time) < BOUND_SECONDS * 1000
        )

    async def refresh(self) -> None:
        """Bring the view up to date by a reading that begins after this call, shared with others who ask.

        A reading already under way may have looked before what the caller must
        see, or long ago if the process was suspended meanwhile: it does not count.

        Raises:
            DatabaseUnavailable: It cannot be read: refuse (D14).
        """
        if self._is_sqlite:
            self._catch_up()
            return
        asked_at = self._steady()
        while self._proved_at < asked_at:
            reading = self._reading
            if reading is None or reading.done():
                reading = self._reading = asyncio.create_task(self._read())
                reading.add_done_callback(_take_note)
            done, _ = await asyncio.wait({reading}, timeout=READ_SECONDS)
            if not done:
                reading.cancel()  # hangs; the next caller tries anew
                if self._reading is reading:
                    self._reading = None
            if not done or reading.cancelled():
                raise DatabaseUnavailable
            reading.result()

    async def flush(self, unit: Unit) -> None:
        """Store the unit's signals; part of its commit."""
        if not unit.signals:
            return
        for signal in unit.signals:
            heard = await unit.get(self._add, kind=signal.kind, subject=signal.subject, at=unit.now)
            unit.afterwards(lambda heard=heard: self._apply(heard.sequence, heard.kind, heard.subject))  # type: ignore[misc]
        if self._push is not None:
            await self._push.announce(unit)

    async def prune(self) -> int:
        """Forget what is older than anything that it could refuse.

        Counted from when this process heard of it, by its steady clock: a
        machine whose time is wrong must not delete what others have yet to read.
        """
        now = self._steady()
        self._known_until.append((now, self._settled))
        over = 0
        while self._known_until and self._known_until[0][0] <= now - 2 * self._remember.total_seconds():
            over = self._known_until.popleft()[1]
        before = self._database.clock.now() - millis(LONGEST_KEPT)
        return await self._database.run(PRUNE, settled=over, before=before)

    def _catch_up(self) -> None:
        """Hear what was committed to the file since; one writer at a time: numbers come in order."""
        reader: sqlite3.Connection = self._database.driver.reader  # type: ignore[attr-defined]  # SQLite's driver has one
        try:
            version = reader.execute("PRAGMA data_version").fetchone()[0]
            if version == self._data_version:
                return
            compiled = AFTER.compiled("sqlite")
            rows = reader.execute(compiled.sql, compiled.arguments({"settled": self._settled})).fetchall()
        except sqlite3.Error as failure:
            raise DatabaseUnavailable from failure
        for row in rows:
            self._apply(*row)
        if rows:
            self._settle_up_to(rows[-1][0])
        self._data_version = version

    async def _read(self) -> None:
        """Hear what was committed to PostgreSQL since."""
        started_at, time_then = self._steady(), self._database.clock.now()
        rows = await self._database.watch(AFTER_ON_POSTGRESQL, settled=self._settled)
        if self._server is not None and rows[0].server != self._server:
            # A standby that took over may give numbers again that we heard of in another life.
            self._begin_anew()
            rows = await self._database.watch(AFTER_ON_POSTGRESQL, settled=0)
        self._server = rows[0].server
        for row in rows:
            if row.sequence is not None:
                self._apply(row.sequence, row.kind or "", row.subject or "")
        self._settle(rows[0].oldest)
        self._proved_at, self._proved_at_time = started_at, time_then
        if self._heard and self._gap is None:
            highest = max(self._heard)
            self._gap = ((await self._database.watch(NEXT_TRANSACTION))[0].number, highest)

    def _settle(self, oldest: int) -> None:
        """Note up to which number nothing can be new any more.

        Transactions commit in another order than they took their numbers, and
        those that fail leave theirs unused. A missing number is waited for
        until every transaction that could hold it has ended, however long one
        of them was suspended.
        """
        if self._gap is not None and self._gap[0] <= oldest:
            self._settle_up_to(self._gap[1])
            self._gap = None
        while self._settled + 1 in self._heard:
            self._settled += 1
            self._heard.discard(self._settled)
        if not self._heard:
            self._gap = None

    def _settle_up_to(self, sequence: int) -> None:
        self._settled = max(self._settled, sequence)
        self._heard = {number for number in self._heard if number > self._settled}

    def _apply(self, sequence: int, kind: str, subject: str) -> None:
        if sequence <= self._settled or sequence in self._heard:
            return
        for listener in self._listeners.get(kind, ()):
            listener(subject)
        for tap in self._taps:
            tap(Heard(sequence, kind, subject))
        self._heard.add(sequence)  # after the listeners: one that failed is called again

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):  # wait_for of 3.11 can swallow the cancel of `stop`
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.refresh()
            except Exception as failure:  # noqa: BLE001 - whatever failed, the heart must go on
                if self.failures == 0:
                    log.error("the change feed cannot be read (%s); requests are refused", type(failure).__name__)  # noqa: TRY400
                self.failures += 1
                await asyncio.sleep(HEARTBEAT_SECONDS)
            else:
                if self.failures:
                    log.warning("the change feed is read again, after %d failures", self.failures)
                self.failures = 0


def _take_note(reading: asyncio.Task[None]) -> None:
    """See a failure even where everybody who waited for it has left."""
    if not reading.cancelled():
        reading.exception()
