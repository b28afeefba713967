"""What a driver may say, in the words of the house."""

from __future__ import annotations

from ostiary.core.errors import Unavailable


class Duplicate(Exception):  # noqa: N818 - reads as what it says
    """A unique column already holds this value.

    Attributes:
        constraint: The constraint (PostgreSQL) or `table.column` (SQLite) that refused.
    """

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class UnitBroken(Exception):  # noqa: N818 - reads as what it says
    """A statement failed, and the unit went on as if it had not: nothing of the unit is kept.

    PostgreSQL does so by itself; SQLite is made to, so that both tell a mistake of ours.
    """


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached or refuses to answer (D14: closed)."""

    slug = "database-unavailable"
    title = "The service cannot reach its records right now. Please try again."
