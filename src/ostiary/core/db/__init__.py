"""Units of work on SQLite and PostgreSQL: one small executor for both."""

from ostiary.core.db.database import Database, driver_for
from ostiary.core.db.errors import DatabaseUnavailable, Duplicate, UnitBroken
from ostiary.core.db.query import Insert, NoRow, Query
from ostiary.core.db.unit import Unit

__all__ = [
    "Database",
    "DatabaseUnavailable",
    "Duplicate",
    "Insert",
    "NoRow",
    "Query",
    "Unit",
    "UnitBroken",
    "driver_for",
]
