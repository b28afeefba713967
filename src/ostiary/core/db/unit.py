"""A unit of work: what happens together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ostiary.core.errors import Problem

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.clock import Millis
    from ostiary.core.db.database import Database
    from ostiary.core.db.query import Query

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Note:
    """A journal entry to be: what happened, to whom, and what more there is to say.

    `private` holds what is personal: it is stored only under the account's own key (D12).
    """

    action: str
    account_id: str | None
    session_id: str | None
    details: dict[str, Any]
    private: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Errand:
    """A job to be: queued in the same transaction as its cause (R54)."""

    job: str
    payload: dict[str, Any]
    run_at: Millis


@dataclass(frozen=True, slots=True)
class Signal:
    """A change that other processes must hear of before they trust their memory (D3)."""

    kind: str
    subject: str


@dataclass(slots=True)
class Unit:
    """One transaction: statements, journal notes, errands and signals, all or nothing.

    It begins at the first statement that needs it and commits when its block
    ends. A Problem rolls everything back but its notes, which are written on
    their own: refusals leave evidence too (D9). A Problem whose class says
    `keeps_deed` commits what was done before it is raised on.

    Nothing slow may happen inside: no hashing, no mail, no call to elsewhere (D7).
    """

    database: Database
    caller: Caller
    now: Millis
    notes: list[Note] = field(default_factory=list)
    errands: list[Errand] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    _afterwards: list[Callable[[], None]] = field(default_factory=list)
    _transaction: Any = None

    async def find(self, query: Query[Row], **parameters: Any) -> Row | None:  # noqa: ANN401
        """Return the first row, or None."""
        rows = await self.all(query, **parameters)
        return rows[0] if rows else None

    async def get(self, query: Query[Row], **parameters: Any) -> Row:  # noqa: ANN401
        """Return the one row.

        Raises:
            LookupError: There is none.
        """
        row = await self.find(query, **parameters)
        if row is None:
            raise LookupError(query.row.__name__)
        return row

    async def all(self, query: Query[Row], **parameters: Any) -> list[Row]:  # noqa: ANN401
        """Return every row."""
        compiled = query.compiled(self.database.driver.dialect)
        rows: Sequence[Sequence[Any]] = await self.transaction.fetch(compiled, compiled.arguments(parameters))
        make = query.row
        return [make(*row) for row in rows]

    async def run(self, query: Query[Any], **parameters: Any) -> int:  # noqa: ANN401
        """Run a statement and return how many rows it affected.

        Raises:
            Duplicate: A unique column already holds that value.
        """
        compiled = query.compiled(self.database.driver.dialect)
        count: int = await self.transaction.execute(compiled, compiled.arguments(parameters))
        return count

    async def lock(self, name: str) -> None:
        """Keep others who ask for the same name out until this unit ends."""
        await self.transaction.lock(name)

    def note(
        self,
        action: str,
        account_id: str | None = None,
        *,
        session_id: str | None = None,
        private: dict[str, Any] | None = None,
        **details: Any,  # noqa: ANN401
    ) -> None:
        """Write to the journal when this unit commits, or when it is refused."""
        self.notes.append(Note(action, account_id, session_id, details, private or {}))

    def later(self, job: str, *, run_at: Millis | None = None, **payload: Any) -> None:  # noqa: ANN401
        """Queue a job in this transaction; it runs at least once, after the commit.

        The caller's language goes with it as `language`, for the letters that come of it.
        """
        if self.caller.language is not None:
            payload.setdefault("language", self.caller.language)
        self.errands.append(Errand(job, payload, self.now if run_at is None else run_at))

    def signal(self, kind: str, subject: str) -> None:
        """Tell every process, this one included, that something it may remember has changed."""
        self.signals.append(Signal(kind, subject))

    def afterwards(self, act: Callable[[], None]) -> None:
        """Call `act` once the commit is durable, and not otherwise."""
        self._afterwards.append(act)

    @property
    def transaction(self) -> Any:  # noqa: ANN401 - Transaction; kept loose for speed of import
        """The transaction, begun at its first statement."""
        if self._transaction is None:
            self._transaction = self.database.driver.transaction()
        return self._transaction

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if failure is None or (isinstance(failure, Problem) and failure.keeps_deed):
            await self._commit()
            return
        if self._transaction is not None:
            await self._transaction.rollback()
            self._transaction = None
        if isinstance(failure, Problem) and self.notes:
            self.errands.clear()
            self.signals.clear()
            self._afterwards.clear()
            await self._commit()

    async def _commit(self) -> None:
        try:
            for flush in self.database.flushes:
                await flush(self)
            if self._transaction is not None:
                await self._transaction.commit()
        except BaseException:
            if self._transaction is not None:
                await self._transaction.rollback()
            raise
        for act in self._afterwards:
            act()
