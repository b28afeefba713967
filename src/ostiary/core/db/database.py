"""The one way to the database: units, and statements that are a unit of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ostiary.core.caller import Caller, house_now
from ostiary.core.db.unit import Unit

if TYPE_CHECKING:
    from ostiary.core.clock import Clock
    from ostiary.core.db.driver import Driver
    from ostiary.core.db.query import Query

Row = TypeVar("Row")
Flush = Callable[[Unit], Awaitable[None]]


class Database:
    """A database, and what every unit does as it commits.

    Attributes:
        flushes: Run in order at the end of each unit, inside its transaction:
            errands, signals, and the journal last, so that a writer holds its
            strand no longer than the commit itself.
    """

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self.driver = driver
        self.clock = clock
        self.flushes: list[Flush] = []

    def unit(self, caller: Caller | None = None) -> Unit:
        """Return a unit of work, to be used as `async with`; without a caller it is the house's own."""
        return Unit(self, caller or house_now(), self.clock.now())

    async def find(self, query: Query[Row], **parameters: Any) -> Row | None:  # noqa: ANN401
        """Run one statement as a transaction of its own; return its first row, or None."""
        rows = await self.all(query, **parameters)
        return rows[0] if rows else None

    async def all(self, query: Query[Row], **parameters: Any) -> list[Row]:  # noqa: ANN401
        """Run one statement as a transaction of its own; return its rows."""
        compiled = query.compiled(self.driver.dialect)
        make = query.row
        return [make(*row) for row in await self.driver.fetch(compiled, compiled.arguments(parameters))]

    async def watch(self, query: Query[Row], **parameters: Any) -> list[Row]:  # noqa: ANN401
        """As `all`, beside all others: they may be a thousand, and wait for a connection. One caller at a time."""
        compiled = query.compiled(self.driver.dialect)
        return [query.row(*row) for row in await self.driver.fetch_aside(compiled, compiled.arguments(parameters))]

    async def run(self, query: Query[Any], **parameters: Any) -> int:  # noqa: ANN401
        """Run one statement as a transaction of its own; return how many rows it affected."""
        compiled = query.compiled(self.driver.dialect)
        return await self.driver.execute(compiled, compiled.arguments(parameters))


def driver_for(url: str, *, largest_pool: int = 10) -> Driver:
    """Return the driver that a database URL asks for.

    Args:
        url: `sqlite:///path/to/file` or `postgresql://user@host/name`.
        largest_pool: Connections to PostgreSQL at most, for this process.

    Raises:
        ValueError: The URL names neither.
    """
    if url.startswith("sqlite:///"):
        from ostiary.core.db.sqlite import SqliteDriver  # noqa: PLC0415 - each is imported where it is used

        return SqliteDriver(Path(url.removeprefix("sqlite:///")))
    if url.startswith(("postgresql://", "postgres://")):
        from ostiary.core.db.postgres import PostgresDriver  # noqa: PLC0415

        return PostgresDriver(url, largest_pool)
    raise ValueError("a database URL begins with sqlite:/// or postgresql://")
