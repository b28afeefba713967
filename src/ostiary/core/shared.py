"""What the processes of a house share beside the database, as the settings say: counters, and the push of signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.core.limits import DatabaseLimiter, MemoryLimiter

if TYPE_CHECKING:
    from ostiary.core.clock import Clock
    from ostiary.core.db import Database
    from ostiary.core.limits import Limiter
    from ostiary.core.signals import Push


def limiter_for(where: str, database: Database, clock: Clock, valkey: str | None) -> Limiter:
    """Return what counts: in memory, in the database, or in Valkey.

    Args:
        where: `memory`, `database` or `valkey`.
        database: The house's.
        clock: Tells the time.
        valkey: Where Valkey is, if it is asked for.
    """
    if where == "memory":
        return MemoryLimiter(clock)
    if where == "valkey":
        from ostiary.core.valkey import ValkeyLimiter  # noqa: PLC0415 - only who runs Valkey installs it

        return ValkeyLimiter(valkey or "", clock)
    return DatabaseLimiter(database)


def push_for(by: str, database: Database, valkey: str | None) -> Push | None:
    """Return what tells the other processes of a signal at once; None where each reads for itself.

    Args:
        by: `valkey`, or whatever the database can do.
        database: The house's.
        valkey: Where Valkey is, if it is asked for.
    """
    if by == "valkey":
        from ostiary.core.valkey import ValkeyPush  # noqa: PLC0415

        return ValkeyPush(valkey or "")
    if database.driver.dialect == "postgresql":
        from ostiary.core.db.postgres import PostgresPush  # noqa: PLC0415

        return PostgresPush(database.driver)  # type: ignore[arg-type]
    return None
