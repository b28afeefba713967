"""Named statements: built by SQLAlchemy Core, compiled once for each dialect, run on the driver itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import msgspec

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

Dialect = Literal["sqlite", "postgresql"]
Insert = Callable[..., Any]
Row = TypeVar("Row")
Statement = Any  # a Core statement, or a function from the dialect's insert to one: Callable[[Insert], Executable]


@cache
def _speech(dialect: Dialect) -> tuple[Any, Insert]:
    """Return a dialect's compiler and its `insert`; who uses one database loads one."""
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415
        from sqlalchemy.dialects.sqlite.pysqlite import dialect as sqlite_dialect  # noqa: PLC0415

        return sqlite_dialect(paramstyle="qmark"), sqlite.insert
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415
    from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect  # noqa: PLC0415

    return asyncpg_dialect(), postgresql.insert  # type: ignore[no-untyped-call]


class NoRow(msgspec.Struct, frozen=True):
    """The row of a statement that yields none."""


class Compiled:
    """SQL text of one dialect, and the order in which it takes its parameters."""

    __slots__ = ("_constants", "_names", "_slots", "reads_only", "sql")

    def __init__(self, compiled: SQLCompiler, *, reads_only: bool) -> None:
        self.sql = str(compiled)
        self.reads_only = reads_only
        self._slots: tuple[str, ...] = tuple(compiled.positiontup or ())
        given = compiled.params
        required = {name for name, bind in compiled.binds.items() if bind.required}
        self._names = frozenset(required)
        self._constants = {name: given[name] for name in self._slots if name not in required}

    def arguments(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the driver's positional arguments.

        Raises:
            TypeError: A parameter is missing, or one was given that the statement does not take.
        """
        if given.keys() != self._names:
            raise TypeError(f"expected parameters {sorted(self._names)}, got {sorted(given)}")
        if not self._constants:
            return tuple([given[name] for name in self._slots])
        constants = self._constants
        return tuple([given[name] if name in given else constants[name] for name in self._slots])


class Query(Generic[Row]):
    """One named statement, and the frozen struct that each of its rows becomes.

    Args:
        statement: A Core statement with `bindparam` for what varies; or a function that
            builds it from the dialect's own `insert`, where `ON CONFLICT` is needed.
        row: A `msgspec.Struct` whose fields are the selected columns, in order.
    """

    __slots__ = ("_build", "_compiled", "row")

    @overload
    def __init__(self: Query[NoRow], statement: Statement) -> None: ...
    @overload
    def __init__(self, statement: Statement, row: type[Row]) -> None: ...
    def __init__(self, statement: Statement, row: Any = NoRow) -> None:
        self._build = statement
        self.row: type[Row] = row
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, dialect: Dialect) -> Compiled:
        """Return this statement for one dialect, compiled at the first call."""
        found = self._compiled.get(dialect)
        if found is None:
            found = self._compiled[dialect] = self._compile(dialect)
        return found

    def _compile(self, dialect: Dialect) -> Compiled:
        build = self._build
        speech, insert = _speech(dialect)
        statement = build if hasattr(build, "compile") else build(insert)
        compiled = statement.compile(dialect=speech)
        fields = tuple(getattr(self.row, "__struct_fields__", ()))
        columns = tuple(column.name for column in getattr(statement, "exported_columns", ()))
        if fields or columns:
            assert fields == columns, f"{self.row.__name__} has {fields}, its statement yields {columns}"
        return Compiled(compiled, reads_only=bool(getattr(statement, "is_select", False)))

    @classmethod
    def all_of(cls, queries: Sequence[Query[Row]]) -> Query[Row]:
        """Return one statement that yields the rows of several: one read where there would be one for each.

        Args:
            queries: SELECTs of the same columns, at least one.
        """
        from sqlalchemy import union_all  # noqa: PLC0415 - as the dialects

        first = queries[0]
        return cls(union_all(*(query._build for query in queries)), first.row)  # noqa: SLF001 - its own kind
