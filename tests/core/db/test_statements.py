"""Every statement of the house compiles for both databases, and every column is of a kind that needs no converting."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest
from sqlalchemy import BigInteger, Integer, LargeBinary, Text
from tests.architecture.source import SOURCE

import ostiary
from ostiary.core.db import Query
from ostiary.core.db.query import Dialect
from ostiary.migrations.tables import metadata

PLAIN = (Integer, BigInteger, Text, LargeBinary)
OPTIONAL = {"ostiary.core.valkey"}
"""Needs a library that not everybody installs, and speaks no SQL."""

POSTGRESQL_ALONE = {
    "ostiary.core.signals.ADD_ON_POSTGRESQL",
    "ostiary.core.signals.AFTER_ON_POSTGRESQL",
    "ostiary.core.signals.NEXT_TRANSACTION",
}
"""They ask for what only its snapshots tell."""


def statements() -> dict[str, Query[object]]:
    found: dict[str, Query[object]] = {}
    for module in _modules():
        for name, value in vars(module).items():
            if isinstance(value, Query):
                found[f"{module.__name__}.{name}"] = value
    return found


def _modules() -> list[ModuleType]:
    names = [
        info.name for info in pkgutil.walk_packages(ostiary.__path__, "ostiary.") if _may_hold_statements(info.name)
    ]
    return [importlib.import_module(name) for name in names]


def _may_hold_statements(name: str) -> bool:
    return name not in OPTIONAL and (name.startswith("ostiary.core.") or name.endswith(".queries"))


STATEMENTS = statements()


def test_the_statements_are_found() -> None:
    assert {"ostiary.core.journal.ADD_ENTRY", "ostiary.keys.queries.KILL", "ostiary.audit.queries.PART"} <= set(
        STATEMENTS
    )


PAIRS = [
    (name, dialect)
    for name in sorted(STATEMENTS)
    for dialect in ("sqlite", "postgresql")
    if dialect == "postgresql" or name not in POSTGRESQL_ALONE
]


@pytest.mark.parametrize(("name", "dialect"), PAIRS)
def test_a_statement_compiles_for_each_database(name: str, dialect: Dialect) -> None:
    compiled = STATEMENTS[name].compiled(dialect)

    assert "POSTCOMPILE" not in compiled.sql, "a list as parameter needs a second compilation for each call"
    assert "%(" not in compiled.sql
    marks = compiled.sql.count("?") if dialect == "sqlite" else len(compiled._slots)
    assert marks == len(compiled._slots)


def test_a_column_is_of_a_kind_that_both_drivers_hand_over_as_it_is() -> None:
    """The executor converts nothing: no date, no JSON, no boolean comes out of it differently on two databases."""
    odd = [
        f"{column} is {column.type!r}"
        for table in metadata.tables.values()
        for column in table.columns
        if type(column.type) not in PLAIN
    ]
    assert not odd, "\n".join(odd)


def test_migrations_know_every_table() -> None:
    told = (SOURCE / "migrations" / "tables.py").read_text()
    models = sorted(path.parent.relative_to(SOURCE) for path in SOURCE.rglob("models.py"))
    forgotten = [str(slice_) for slice_ in models if f"ostiary.{'.'.join(slice_.parts)}" not in told]
    assert not forgotten, f"import their models in migrations/tables.py: {forgotten}"
