"""Brings a database up to date with Alembic; a look is enough when it is already."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostiary.core.db import DatabaseUnavailable

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0019"
FOLDER = Path(__file__).parent


def sqlalchemy_url(url: str) -> str:
    """Return the URL under which SQLAlchemy reaches a database."""
    if url.startswith("sqlite:///"):
        return url
    return "postgresql+asyncpg://" + url.partition("://")[2]


async def migrate(url: str) -> None:
    """Bring a database up to date; of processes that start together one does it.

    Raises:
        DatabaseUnavailable: It cannot be reached.
    """
    if not await is_current(url):
        await asyncio.to_thread(_upgrade, url)


async def is_current(url: str) -> bool:
    """Return whether a database has the shape that this version wants; costs no import of Alembic."""
    if url.startswith("sqlite:///"):
        return await asyncio.to_thread(_sqlite_version, Path(url.removeprefix("sqlite:///"))) == HEAD
    return await _postgres_version(url) == HEAD


def _sqlite_version(path: Path) -> str | None:
    if not path.exists():
        return None
    connection = sqlite3.connect(path, timeout=30)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError as failure:
        raise DatabaseUnavailable(f"SQLite cannot read its file: {failure}") from failure
    finally:
        connection.close()
    return row[0] if row else None


async def _postgres_version(url: str) -> str | None:
    import asyncpg  # noqa: PLC0415

    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as failure:
        raise DatabaseUnavailable(f"PostgreSQL cannot be reached ({type(failure).__name__})") from failure
    try:
        found: Any = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()
    return str(found) if found else None


def configuration(url: str) -> Config:
    """Return Alembic's configuration for a database."""
    from alembic.config import Config  # noqa: PLC0415 - half a second that a start without change does not pay

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["url"] = sqlalchemy_url(url)
    return config


def _upgrade(url: str) -> None:
    from alembic import command  # noqa: PLC0415

    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        path.touch(mode=0o600, exist_ok=True)
    command.upgrade(configuration(url), "head")
