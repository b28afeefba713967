"""SQLite on the standard library's driver: reads on the loop's thread, one writer, commits shared by a group."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from ostiary.core.db.driver import Values
from ostiary.core.db.errors import DatabaseUnavailable, Duplicate, UnitBroken
from ostiary.core.db.query import Compiled
from ostiary.core.db.turnstile import Turnstile

AT_A_STRETCH = 0.00015
"""Seconds after which a unit lets others go on before its next statement: statements run on the loop's thread, and a
request that is answered from memory shall not wait for all of a sign-in's."""

LARGEST_GROUP = 256
"""Units that may share one commit; a bound on how long the first of them waits."""

PATIENCE_SECONDS = 10.0
"""How long to wait for a writer that does not use the turnstile (a backup, a shell)."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection as every part of the house wants it."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -8000")
    connection.execute("PRAGMA secure_delete = ON")  # D12: the key of an erased account must not stay in a free page
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


class Writer:
    """The one connection of this process that writes.

    Units take turns on it. Each runs on the loop's thread inside a savepoint;
    when nobody waits, or the group is full, one commit on a thread of its own
    makes the whole group durable. While that commit is under way the next
    group gathers: the more load, the larger the groups.
    """

    def __init__(self, path: Path) -> None:
        self.connection = connect(path)
        self.connection.execute("PRAGMA busy_timeout = 0")  # waiting is done in the thread, never on the loop
        self._turnstile = Turnstile(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ostiary-writer")
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._group: list[asyncio.Future[None]] = []
        self._idle = True
        self._begun = False
        self._overdue: asyncio.TimerHandle | None = None

    async def enter(self) -> None:
        """Wait for the turn; on return a savepoint is open."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if self._idle:
            self._idle = False
            self._advance(loop)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.undo()
            raise

    def undo(self) -> None:
        """Undo what this turn did and pass the turn on."""
        try:
            self.connection.execute("ROLLBACK TO unit")
            self.connection.execute("RELEASE unit")
        except sqlite3.Error:
            self._abandon()
        self._advance(asyncio.get_running_loop())

    async def keep(self) -> None:
        """Pass the turn on and wait until the group's commit is durable."""
        loop = asyncio.get_running_loop()
        try:
            self.connection.execute("RELEASE unit")
        except sqlite3.Error as failure:
            self._abandon()
            self._advance(loop)
            raise DatabaseUnavailable from failure
        durable: asyncio.Future[None] = loop.create_future()
        self._group.append(durable)
        self._advance(loop)
        await durable

    def _advance(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nobody holds the turn: give it to the next, or commit, or rest."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if self._waiting and len(self._group) < LARGEST_GROUP:
            if self._begun or self._begin_at_once():
                self._hand_over()
            else:
                self._overdue = loop.call_later(PATIENCE_SECONDS, self._refuse_overdue, loop)
                self._in_thread(loop, self._begin_patiently, self._after_begin)
        elif self._begun and self._group:
            self._in_thread(loop, self._commit, self._after_commit)
        elif self._begun:
            self._end_empty(loop)
        else:
            self._idle = True

    def _hand_over(self) -> None:
        self.connection.execute("SAVEPOINT unit")
        self._waiting.popleft().set_result(None)

    def _abandon(self) -> None:
        """SQLite has undone the whole group by itself, as on a full disk: none of its units may believe it was kept."""
        if self.connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")
        group, self._group = self._group, []
        for durable in group:
            if not durable.done():
                durable.set_exception(DatabaseUnavailable())
        self._begun = False
        self._turnstile.leave()

    def _end_empty(self, loop: asyncio.AbstractEventLoop) -> None:
        self.connection.execute("ROLLBACK")
        self._begun = False
        self._turnstile.leave()
        self._advance(loop)

    def _begin_at_once(self) -> bool:
        if not self._turnstile.try_enter():
            return False
        try:
            self.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            self._turnstile.leave()
            return False
        self._begun = True
        return True

    def _begin_patiently(self) -> None:
        self._turnstile.enter()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self.connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as refused:
                if not _is_busy(refused) or time.monotonic() > deadline:
                    self._turnstile.leave()
                    raise
                time.sleep(0.002)
            else:
                return

    def _commit(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self.connection.execute("COMMIT")
            except sqlite3.Error as refused:
                if not _is_busy(refused) or time.monotonic() > deadline:
                    raise
                time.sleep(0.002)
            else:
                return

    def _in_thread(self, loop: asyncio.AbstractEventLoop, work: Any, then: Any) -> None:  # noqa: ANN401
        def done(finished: Future[None]) -> None:
            try:
                loop.call_soon_threadsafe(then, loop, finished.exception())
            except RuntimeError:  # the loop is closed: nobody is left to tell
                return

        self._thread.submit(work).add_done_callback(done)

    def _after_begin(self, loop: asyncio.AbstractEventLoop, failure: BaseException | None) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        if failure is None:
            self._begun = True
        else:
            self._refuse_waiting()
        self._advance(loop)

    def _refuse_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nobody waits for ever, not even for a neighbour that stopped while it held the turnstile."""
        self._refuse_waiting()
        self._overdue = loop.call_later(PATIENCE_SECONDS, self._refuse_overdue, loop)

    def _refuse_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for turn in waiting:
            if not turn.done():
                turn.set_exception(DatabaseUnavailable())

    def _after_commit(self, loop: asyncio.AbstractEventLoop, failure: BaseException | None) -> None:
        group, self._group = self._group, []
        if failure is not None and self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self._begun = False
        self._turnstile.leave()
        for durable in group:
            if durable.done():
                continue
            if failure is None:
                durable.set_result(None)
            else:
                durable.set_exception(DatabaseUnavailable())
        self._advance(loop)

    async def close(self) -> None:
        """Wait for the last commit and disconnect."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._idle and time.monotonic() < deadline:  # noqa: ASYNC110 - once in a life
            await asyncio.sleep(0.005)
        self._thread.shutdown(wait=self._idle)
        self.connection.close()
        self._turnstile.close()


class SqliteTransaction:
    """One unit's share of the writer; before its first write it reads without a turn."""

    def __init__(self, reader: sqlite3.Connection, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer
        self._writing = False
        self._broken = False
        self._resumed_at = time.perf_counter() - AT_A_STRETCH / 2  # what the caller did before is not known

    async def _connection(self, compiled: Compiled) -> sqlite3.Connection:
        if self._broken:
            raise UnitBroken
        if time.perf_counter() - self._resumed_at > AT_A_STRETCH:
            await asyncio.sleep(0)
            self._resumed_at = time.perf_counter()
        if self._writing:
            return self._writer.connection
        if compiled.reads_only:
            return self._reader
        await self._writer.enter()
        self._writing = True
        return self._writer.connection

    async def fetch(self, compiled: Compiled, arguments: Values) -> Sequence[Sequence[Any]]:
        """Run a statement and return its rows."""
        connection = await self._connection(compiled)
        try:
            return _fetch(connection, compiled, arguments)
        except BaseException:
            self._broken = True
            raise

    async def execute(self, compiled: Compiled, arguments: Values) -> int:
        """Run a statement and return how many rows it affected."""
        connection = await self._connection(compiled)
        try:
            return _execute(connection, compiled, arguments)
        except BaseException:
            self._broken = True
            raise

    async def lock(self, name: str) -> None:
        """Take the writer's turn: on SQLite there is one writer at a time."""
        if not self._writing:
            await self._writer.enter()
            self._writing = True

    async def strand(self) -> Literal[0]:
        """Return 0: one writer at a time needs one strand."""
        await self.lock("journal")
        return 0

    async def commit(self) -> None:
        """Make everything durable; returns when it is."""
        if self._broken:
            raise UnitBroken
        if self._writing:
            self._writing = False
            await self._writer.keep()

    async def rollback(self) -> None:
        """Undo everything."""
        if self._writing:
            self._writing = False
            self._writer.undo()


class SqliteDriver:
    """An SQLite file in WAL mode, `synchronous=FULL`."""

    dialect: Literal["sqlite"] = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader: sqlite3.Connection | None = None
        self._writer: Writer | None = None

    @property
    def reader(self) -> sqlite3.Connection:
        """The connection that only reads, on the loop's thread."""
        if self._reader is None:
            raise DatabaseUnavailable
        return self._reader

    async def open(self) -> None:
        """Open the file, creating it readable by its owner only."""
        try:
            self.path.touch(mode=0o600, exist_ok=True)
            self._reader = connect(self.path, read_only=True)
            self._writer = Writer(self.path)
        except (OSError, sqlite3.Error) as failure:
            await self.close()
            raise DatabaseUnavailable(f"SQLite cannot open its file: {failure}") from failure

    async def close(self) -> None:
        """Finish what is under way and disconnect."""
        if self._writer is not None:
            await self._writer.close()
        if self._reader is not None:
            self._reader.close()
        self._reader = self._writer = None

    def transaction(self) -> SqliteTransaction:
        """Return a transaction that has not begun."""
        if self._writer is None:
            raise DatabaseUnavailable
        return SqliteTransaction(self.reader, self._writer)

    async def fetch(self, compiled: Compiled, arguments: Values) -> Sequence[Sequence[Any]]:
        """Run one statement as a transaction of its own and return its rows."""
        if compiled.reads_only:
            return _fetch(self.reader, compiled, arguments)
        transaction = self.transaction()
        try:
            rows = await transaction.fetch(compiled, arguments)
        except BaseException:
            await transaction.rollback()
            raise
        await transaction.commit()
        return rows

    async def fetch_aside(self, compiled: Compiled, arguments: Values) -> Sequence[Sequence[Any]]:
        """As `fetch`: whoever reads a file waits for nobody."""
        return await self.fetch(compiled, arguments)

    async def execute(self, compiled: Compiled, arguments: Values) -> int:
        """Run one statement as a transaction of its own and return how many rows it affected."""
        transaction = self.transaction()
        try:
            count = await transaction.execute(compiled, arguments)
        except BaseException:
            await transaction.rollback()
            raise
        await transaction.commit()
        return count


def _fetch(connection: sqlite3.Connection, compiled: Compiled, arguments: Values) -> Sequence[Sequence[Any]]:
    try:
        return connection.execute(compiled.sql, arguments).fetchall()
    except sqlite3.Error as failure:
        raise _translated(failure) from failure


def _execute(connection: sqlite3.Connection, compiled: Compiled, arguments: Values) -> int:
    try:
        return connection.execute(compiled.sql, arguments).rowcount
    except sqlite3.Error as failure:
        raise _translated(failure) from failure


def _is_busy(failure: sqlite3.Error) -> bool:
    return getattr(failure, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _translated(failure: sqlite3.Error) -> Exception:
    code = getattr(failure, "sqlite_errorcode", 0)
    if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        return Duplicate(str(failure).rpartition(": ")[2])
    if isinstance(failure, sqlite3.OperationalError) or type(failure) is sqlite3.DatabaseError:  # the latter: damaged
        return DatabaseUnavailable()
    return failure
