"""What a database driver must do for the house; SQLite and PostgreSQL do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ostiary.core.db.query import Compiled, Dialect

Values = tuple[Any, ...]


class Transaction(Protocol):
    """One transaction; it begins at the first statement that needs it."""

    async def fetch(self, compiled: Compiled, arguments: Values) -> Sequence[Sequence[Any]]:
        """Run a statement and return its rows."""
        ...

    async def execute(self, compiled: Compiled, arguments: Values) -> int:
        """Run a statement and return how many rows it affected."""
        ...

    async def commit(self) -> None:
        """Make everything durable; returns when it is."""
        ...

    async def rollback(self) -> None:
        """Undo everything; never raises."""
        ...

    async def lock(self, name: str) -> None:
        """Keep others who ask for the same name out until this transaction ends."""
        ...

    async def strand(self) -> int:
        """Return the journal strand that this transaction alone may extend."""
        ...


class Driver(Protocol):
    """A database: single statements, and transactions of several."""

    @property
    def dialect(self) -> Dialect:
        """Which SQL it speaks."""
        ...

    async def open(self) -> None:
        """Connect.

        Raises:
            DatabaseUnavailable: It cannot be reached.
        """
        ...

    async def close(self) -> None:
        """Finish what is under way and disconnect."""
        ...

    def transaction(self) -> Transaction:
        """Return a transaction that has not begun."""
        ...

    async def fetch(self, compiled: Compiled, arguments: Values) -> Sequence[Sequence[Any]]:
        """Run one statement as a transaction of its own and return its rows."""
        ...

    async def fetch_aside(self, compiled: Compiled, arguments: Values) -> Sequence[Sequence[Any]]:
        """As `fetch`, for who keeps watch and must not queue behind a thousand requests; one at a time."""
        ...

    async def execute(self, compiled: Compiled, arguments: Values) -> int:
        """Run one statement as a transaction of its own and return how many rows it affected."""
        ...
