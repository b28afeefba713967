"""Tables from nothing, for databases that live as long as a test: what the migrations lead to, without their way."""

from __future__ import annotations

from sqlalchemy import create_engine, text

from ostiary.migrations.run import HEAD
from ostiary.migrations.tables import metadata

VERSION_TABLE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def sqlite_image() -> bytes:
    """Return the bytes of an SQLite file with the current tables and nothing in them.

    Migrating an empty database takes half a second at first, most of it for loading Alembic.
    """
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            metadata.create_all(connection)
            connection.execute(text(VERSION_TABLE))
            connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
            connection.commit()
            raw = connection.connection.driver_connection
            assert raw is not None
            image: bytes = raw.serialize()
    finally:
        engine.dispose()
    return image
