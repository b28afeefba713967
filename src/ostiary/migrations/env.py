"""Alembic's entry: connects, takes the lock of migrations, and runs them in one transaction."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from alembic import context
from sqlalchemy import Connection, create_engine, text

from ostiary.migrations.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

MIGRATION_LOCK = 0x0571A6


def run(connection: Connection) -> None:
    """Run what is missing, all or nothing."""
    is_sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=is_sqlite, transaction_per_migration=False
    )
    with context.begin_transaction():
        if not is_sqlite:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        context.run_migrations()


@contextmanager
def alone(path: str) -> Iterator[None]:
    """Keep other processes out while the file changes shape."""
    handle = os.open(f"{path}-migrating", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def main(url: str) -> None:
    """Connect and run."""
    if url.startswith("sqlite"):
        engine = create_engine(url)
        with alone(url.removeprefix("sqlite:///")), engine.connect() as connection:
            run(connection)
        engine.dispose()
    else:
        asyncio.run(_run_on_postgres(url))


async def _run_on_postgres(url: str) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - needs greenlet, which SQLite does without

    engine: Any = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


main(context.config.attributes["url"])
