"""The migrations make exactly the tables that the code describes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.ext.asyncio import create_async_engine
from tests.core.db.raw import raw

from ostiary.migrations import is_current, migrate
from ostiary.migrations.run import sqlalchemy_url
from ostiary.migrations.tables import metadata

T = TypeVar("T")


@pytest.fixture
def empty_url(storage: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A database that nobody has migrated."""
    if storage == "sqlite":
        return f"sqlite:///{tmp_path / 'new.db'}"
    url: str = request.getfixturevalue("fresh_postgres_url")
    return url


def _differences(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _keys(connection: Connection) -> dict[str, Any]:
    """What Alembic does not compare: primary keys, and what becomes of a row whose owner goes."""
    look = inspect(connection)
    return {
        table: (
            sorted(look.get_pk_constraint(table)["constrained_columns"]),
            sorted(
                (key["constrained_columns"], key["options"].get("ondelete")) for key in look.get_foreign_keys(table)
            ),
        )
        for table in metadata.tables
    }


async def _on(url: str, look: Callable[[Connection], T]) -> T:
    if url.startswith("sqlite"):
        engine = create_engine(url)
        with engine.connect() as connection:
            found = look(connection)
        engine.dispose()
        return found
    engine_ = create_async_engine(sqlalchemy_url(url))
    async with engine_.connect() as connection_:
        found = await connection_.run_sync(look)
    await engine_.dispose()
    return found


async def test_a_migrated_database_has_the_shape_of_the_models(database_url: str) -> None:
    assert await _on(database_url, _differences) == []


async def test_a_difference_would_be_seen(database_url: str) -> None:
    await raw(database_url, "ALTER TABLE counters ADD COLUMN colour TEXT", "DROP INDEX ix_journal_at")
    found = [difference[0] for difference in await _on(database_url, _differences)]
    assert sorted(found) == ["add_index", "remove_column"]


async def test_primary_and_foreign_keys_are_those_of_the_models(database_url: str) -> None:
    expected = {
        name: (
            sorted(column.name for column in table.primary_key.columns),
            sorted(([key.parent.name], key.ondelete) for key in table.foreign_keys),
        )
        for name, table in metadata.tables.items()
    }
    assert await _on(database_url, _keys) == expected


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert await is_current(database_url)
    await migrate(database_url)
    assert await raw(database_url, "SELECT count(*) FROM alembic_version") == [(1,)]


async def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    await asyncio.gather(*[_migrated_in_a_process(empty_url) for _ in range(3)])
    assert await is_current(empty_url)
    assert await _on(empty_url, _differences) == []


async def _migrated_in_a_process(url: str) -> None:

    program = "import asyncio, sys; from ostiary.migrations import migrate; asyncio.run(migrate(sys.argv[1]))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, url)
    assert await process.wait() == 0
