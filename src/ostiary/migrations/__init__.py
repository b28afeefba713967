"""The shape of the database, and how it came about."""

from ostiary.migrations.run import is_current, migrate

__all__ = ["is_current", "migrate"]
