"""What changed elsewhere: every process hears of it before it trusts its memory (D3)."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import msgspec
from sqlalchemy import bindparam, delete, insert, select

from ostiary.core.clock import Millis, millis
from ostiary.core.db import Database, DatabaseUnavailable, Query
from ostiary.core.tables import signals

if TYPE_CHECKING:
    from ostiary.core.db import Unit

OVERLAP = timedelta(seconds=30)
"""How far each reading reaches back: a slow transaction may commit a lower number late."""

BOUND_SECONDS = 2.0
"""How old a view may be before a request must not rely on it."""

HEARTBEAT_SECONDS = 0.5
REMEMBERED = 20_000


class Heard(msgspec.Struct, frozen=True):
    """One change: its number, what kind of thing changed, and which one."""

    sequence: int
    kind: str
    subject: str


ADD = Query(
    insert(signals)
    .values(kind=bindparam("kind"), subject=bindparam("subject"), at=bindparam("at"))
    .returning(signals.c.sequence, signals.c.kind, signals.c.subject),
    Heard,
)
AFTER = Query(
    select(signals.c.sequence, signals.c.kind, signals.c.subject)
    .where(signals.c.sequence > bindparam("sequence"))
    .order_by(signals.c.sequence),
    Heard,
)
SINCE = Query(
    select(signals.c.sequence, signals.c.kind, signals.c.subject)
    .where(signals.c.at >= bindparam("since"))
    .order_by(signals.c.sequence),
    Heard,
)
PRUNE = Query(delete(signals).where(signals.c.at < bindparam("before")))


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
    and refuses if it cannot.
    """

    def __init__(self, database: Database, *, remember: timedelta, push: Push | None = None) -> None:
        self._database = database
        self._remember = remember
        self._push = push
        self._listeners: dict[str, list[Callable[[str], None]]] = {}
        self._applied: OrderedDict[int, None] = OrderedDict()
        self._last = 0
        self._proved_at = 0.0
        self._data_version = -1
        self._reading: asyncio.Task[None] | None = None
        self._heart: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._reader: sqlite3.Connection | None = None  # SQLite's own, which knows whether anybody committed
        self.failures = 0

    def on(self, kind: str, listener: Callable[[str], None]) -> None:
        """Call `listener` with the subject of each change of this kind."""
        self._listeners.setdefault(kind, []).append(listener)

    async def start(self) -> None:
        """Read what changed lately, and begin to listen."""
        self._reader = getattr(self._database.driver, "reader", None)
        if self._push is not None:
            await self._push.start(self._wake.set)
        await self._read(since=self._database.clock.now() - millis(self._remember))
        if self._reader is not None:
            self._data_version = self._reader.execute("PRAGMA data_version").fetchone()[0]
            await self._read(since=self._database.clock.now() - millis(self._remember))
        else:
            self._heart = asyncio.create_task(self._beat(), name="signals")

    async def stop(self) -> None:
        """Stop listening."""
        for task in (self._heart, self._reading):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._push is not None:
            await self._push.stop()

    def is_fresh(self) -> bool:
        """Return whether memory may be trusted now; on SQLite, catch up first.

        Raises:
            DatabaseUnavailable: The file cannot be read.
        """
        if self._reader is None:
            return time.monotonic() - self._proved_at < BOUND_SECONDS
        try:
            version = self._reader.execute("PRAGMA data_version").fetchone()[0]
            if version != self._data_version:
                compiled = AFTER.compiled("sqlite")
                for row in self._reader.execute(compiled.sql, (self._last,)).fetchall():
                    self._apply(Heard(*row))
                self._data_version = version
        except sqlite3.Error as failure:
            raise DatabaseUnavailable from failure
        return True

    async def refresh(self) -> None:
        """Bring the view up to date from the database; simultaneous callers share one reading.

        Raises:
            DatabaseUnavailable: It cannot be read: refuse (D14).
        """
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        await asyncio.shield(self._reading)

    async def flush(self, unit: Unit) -> None:
        """Store the unit's signals; part of its commit."""
        if not unit.signals:
            return
        for signal in unit.signals:
            heard = await unit.find(ADD, kind=signal.kind, subject=signal.subject, at=unit.now)
            if heard is not None:
                unit.afterwards(lambda heard=heard: self._apply(heard, ours=True))  # type: ignore[misc]
        if self._push is not None:
            await self._push.announce(unit)

    async def prune(self) -> int:
        """Forget what is older than anything that it could refuse."""
        return await self._database.run(PRUNE, before=self._database.clock.now() - 2 * millis(self._remember))

    async def _read(self, since: Millis | None = None) -> None:
        started = time.monotonic()
        if since is None:
            gone = started - self._proved_at if self._proved_at else 0.0
            since = self._database.clock.now() - int(gone * 1000) - millis(OVERLAP)
        for heard in await self._database.all(SINCE, since=since):
            self._apply(heard)
        self._proved_at = started

    def _apply(self, heard: Heard, *, ours: bool = False) -> None:
        if heard.sequence in self._applied:
            return
        self._applied[heard.sequence] = None
        if len(self._applied) > REMEMBERED:
            self._applied.popitem(last=False)
        if not ours:  # our own number says nothing about smaller ones of others
            self._last = max(self._last, heard.sequence)
        for listener in self._listeners.get(heard.kind, ()):
            listener(heard.subject)

    async def _beat(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self.refresh()
            except DatabaseUnavailable:
                self.failures += 1
                await asyncio.sleep(HEARTBEAT_SECONDS)
