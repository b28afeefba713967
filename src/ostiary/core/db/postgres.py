"""PostgreSQL on asyncpg: prepared statements, one connection for each transaction."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from ostiary.core.db.driver import Values
from ostiary.core.db.errors import DatabaseUnavailable, Duplicate, UnitBroken
from ostiary.core.errors import Unavailable

if TYPE_CHECKING:
    import asyncpg

    from ostiary.core.db.query import Compiled
    from ostiary.core.db.unit import Unit

STRAND_LOCKS = 0x0571A  # first half of the advisory lock that names a journal strand
ACQUIRE_SECONDS = 5.0
COMMAND_SECONDS = 10.0
"""How long a statement may take: a database that falls silent must not hold requests for longer."""


class PostgresTransaction:
    """One transaction on one pooled connection, taken at the first statement."""

    def __init__(self, driver: PostgresDriver) -> None:
        self._driver = driver
        self._connection: asyncpg.Connection[Any] | None = None

    async def _begun(self) -> asyncpg.Connection[Any]:
        if self._connection is None:
            self._connection = await self._driver.acquire()
            with Spoken(self._connection):
                await self._connection.execute("BEGIN")
        return self._connection

    async def fetch(self, compiled: Compiled, arguments: Values) -> Sequence[Sequence[Any]]:
        """Run a statement and return its rows."""
        connection = await self._begun()
        with Spoken(connection):
            return [tuple(row) for row in await connection.fetch(compiled.sql, *arguments)]

    async def execute(self, compiled: Compiled, arguments: Values) -> int:
        """Run a statement and return how many rows it affected."""
        connection = await self._begun()
        with Spoken(connection):
            return affected(await connection.execute(compiled.sql, *arguments))

    async def lock(self, name: str) -> None:
        """Take a lock that the end of the transaction gives back."""
        connection = await self._begun()
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        with Spoken(connection):
            await connection.execute("SELECT pg_advisory_xact_lock($1)", number)

    async def strand(self) -> int:
        """Return this connection's strand, claiming a free one at the first call.

        The claim is a lock that lives as long as the connection: no other
        writer ever waits for it, and a dead process gives it back.
        """
        connection = await self._begun()
        claimed: int | None = connection.strand  # type: ignore[attr-defined]
        number = 0
        while claimed is None:
            with Spoken(connection):
                free = await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", STRAND_LOCKS, number)
            if free:
                connection.claim_strand(claimed := number)  # type: ignore[attr-defined]
            number += 1
        return claimed

    async def notify(self, channel: str) -> None:
        """Wake who listens, when this transaction commits."""
        connection = await self._begun()
        with Spoken(connection):
            await connection.execute("SELECT pg_notify($1, '')", channel)

    async def commit(self) -> None:
        """Make everything durable; returns when it is."""
        if self._connection is not None:
            try:
                with Spoken(self._connection):
                    said = await self._connection.execute("COMMIT")
                if said != "COMMIT":  # the server's answer to COMMIT is ROLLBACK where a statement had failed
                    raise UnitBroken
            finally:
                await self._release()

    async def rollback(self) -> None:
        """Undo everything; never raises."""
        if self._connection is not None:
            try:
                with Spoken(self._connection):
                    await self._connection.execute("ROLLBACK")
            except DatabaseUnavailable:
                _terminate(self._connection)
            finally:
                await self._release()

    async def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._driver.release(connection)


class PostgresDriver:
    """A pool of connections to one PostgreSQL database."""

    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, url: str, largest_pool: int = 10) -> None:
        self._url = url
        self._largest_pool = largest_pool
        self._pool: asyncpg.Pool[Any] | None = None
        self._aside: asyncpg.Connection[Any] | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            DatabaseUnavailable: The server cannot be reached or refuses the login.
        """
        import asyncpg  # noqa: PLC0415

        with TRANSLATED:
            # No smallest size: in an outage the pool would log each of its attempts to keep it, trace and all.
            self._pool = await asyncpg.create_pool(
                self._url, min_size=0, max_size=self._largest_pool, connection_class=_connection_class(),
                command_timeout=COMMAND_SECONDS, max_inactive_connection_lifetime=0, timeout=10,
            )  # fmt: skip
        try:
            await self.release(await self.acquire())
        except DatabaseUnavailable:
            await self.close()
            raise

    async def connect(self) -> asyncpg.Connection[Any]:
        """Return a connection beside the pool, for listening; the caller closes it."""
        import asyncpg  # noqa: PLC0415

        with TRANSLATED:
            return await asyncpg.connect(self._url, command_timeout=10, timeout=10)

    async def close(self) -> None:
        """Finish what is under way and disconnect."""
        if self._aside is not None:
            _terminate(self._aside)
            self._aside = None
        if self._pool is not None:
            pool = self._pool
            try:
                await asyncio.wait_for(pool.close(), 5)
            except TimeoutError:
                pool.terminate()
            finally:
                self._pool = None

    async def acquire(self) -> asyncpg.Connection[Any]:
        """Take a connection from the pool."""
        if self._pool is None:
            raise DatabaseUnavailable
        with TRANSLATED:
            return await self._pool.acquire(timeout=ACQUIRE_SECONDS)  # type: ignore[return-value]  # a proxy of one

    async def release(self, connection: asyncpg.Connection[Any]) -> None:
        """Give a connection back."""
        if self._pool is not None:
            try:
                await self._pool.release(connection, timeout=COMMAND_SECONDS)  # type: ignore[arg-type]  # as in acquire
            except Exception:  # noqa: BLE001 - whatever is wrong with it, it must not stay in the pool
                _terminate(connection)

    def transaction(self) -> PostgresTransaction:
        """Return a transaction that has not begun."""
        return PostgresTransaction(self)

    async def fetch(self, compiled: Compiled, arguments: Values) -> Sequence[Sequence[Any]]:
        """Run one statement as a transaction of its own and return its rows."""
        connection = await self.acquire()
        try:
            with Spoken(connection):
                return await connection.fetch(compiled.sql, *arguments)
        finally:
            await self.release(connection)

    async def fetch_aside(self, compiled: Compiled, arguments: Values) -> Sequence[Sequence[Any]]:
        """As `fetch`, on a connection of its own, which is made anew where it was lost."""
        if self._aside is None or self._aside.is_closed():
            self._aside = await self.connect()
        with Spoken(self._aside):
            return await self._aside.fetch(compiled.sql, *arguments)

    async def execute(self, compiled: Compiled, arguments: Values) -> int:
        """Run one statement as a transaction of its own and return how many rows it affected."""
        connection = await self.acquire()
        try:
            with Spoken(connection):
                return affected(await connection.execute(compiled.sql, *arguments))
        finally:
            await self.release(connection)


def affected(tag: str) -> int:
    """Return the row count of a command tag such as `UPDATE 3`."""
    count = tag.rpartition(" ")[2]
    return int(count) if count.isdigit() else 0


class Translated:
    """Turns the driver's exceptions into the house's own, around any block."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, failure: BaseException | None, trace: object) -> None:
        """Raise the house's word for what the driver raised."""
        if failure is None or isinstance(failure, Unavailable):
            return
        import asyncpg  # noqa: PLC0415

        if isinstance(failure, asyncpg.UniqueViolationError):
            raise Duplicate(failure.constraint_name or "") from failure
        if isinstance(failure, asyncpg.InFailedSQLTransactionError):
            raise UnitBroken from failure
        if isinstance(failure, (*_out_of_reach(), OSError, TimeoutError)):
            raise DatabaseUnavailable from failure


TRANSLATED = Translated()


class Spoken(Translated):
    """As `Translated`, for a statement: if its answer was not waited for, its connection is of no more use.

    The driver would ask the server over a new connection to give the statement
    up, and wait for that before it lets go of this one: for ever, if the
    server is out of reach.
    """

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    def __exit__(self, kind: type[BaseException] | None, failure: BaseException | None, trace: object) -> None:
        """Hang up on who did not answer, and raise the house's word for it."""
        if isinstance(failure, (TimeoutError, asyncio.CancelledError)):
            _terminate(self._connection)
        super().__exit__(kind, failure, trace)


def _terminate(connection: asyncpg.Connection[Any]) -> None:
    with contextlib.suppress(Exception):  # the pool may have let go of a lost connection already
        connection.terminate()


@cache
def _out_of_reach() -> tuple[type[Exception], ...]:
    import asyncpg  # noqa: PLC0415

    return (
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # what it says of a connection that is lost at the wrong moment
        asyncpg.InsufficientResourcesError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.ReadOnlySQLTransactionError,
        asyncpg.TransactionRollbackError,  # a deadlock: the same may succeed a moment later
    )


@cache
def _connection_class() -> type[asyncpg.Connection[Any]]:
    import asyncpg  # noqa: PLC0415 - only who runs on PostgreSQL installs it

    class Connection(asyncpg.Connection[Any] if TYPE_CHECKING else asyncpg.Connection):  # type: ignore[misc]
        strand: int | None = None

        def claim_strand(self, number: int) -> None:
            """Remember the journal strand whose lock this connection holds."""
            self.strand = number

        def get_reset_query(self) -> str:
            """Keep the journal strand's lock, and save a round trip for each request."""
            return ""

    return Connection


CHANNEL = "ostiary_signals"
RECONNECT_SECONDS = 1.0


class PostgresPush:
    """Wakes other processes by NOTIFY; part of the transaction, delivered at its commit."""

    def __init__(self, driver: PostgresDriver) -> None:
        self._driver = driver
        self._task: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection[Any] | None = None

    async def start(self, wake: Callable[[], None]) -> None:
        """Listen on a connection of its own, and reconnect for as long as it takes."""
        self._connection = await self._listening(wake)
        self._task = asyncio.create_task(self._watch(wake), name="listen")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None:
            self._connection.terminate()

    async def announce(self, unit: Unit) -> None:
        """Notify when the unit commits."""
        await unit.transaction.notify(CHANNEL)

    async def _listening(self, wake: Callable[[], None]) -> asyncpg.Connection[Any]:
        connection = await self._driver.connect()
        with TRANSLATED:
            await connection.add_listener(CHANNEL, lambda *_: wake())
        return connection

    async def _watch(self, wake: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(RECONNECT_SECONDS)
            if self._connection is None or self._connection.is_closed():
                try:
                    self._connection = await self._listening(wake)
                except DatabaseUnavailable:
                    self._connection = None
                else:
                    wake()  # whatever was said meanwhile was not heard
