"""How many processes share the work, so that each takes its share of a broad traffic limit."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ostiary.core.clock import millis
from ostiary.core.secrets import new_id
from ostiary.protection import queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from ostiary.core.db import Database

BEAT = timedelta(seconds=10)
ALIVE_FOR = 3 * BEAT


class Presence:
    """Says now and then that this process lives, and hears how many do."""

    def __init__(self, database: Database, hear: Callable[[int], None]) -> None:
        self._database = database
        self._hear = hear
        self._id = new_id(database.clock.now())

    async def beat(self) -> int:
        """Say that this process lives; return how many do."""
        async with self._database.unit() as unit:
            await unit.run(queries.SEEN, id=self._id, now=unit.now)
            await unit.run(queries.GONE, which="", before=unit.now - 10 * millis(ALIVE_FOR))
            found = await unit.get(queries.ALIVE, since=unit.now - millis(ALIVE_FOR))
        self._hear(max(1, found.number))
        return found.number

    async def leave(self) -> None:
        """Say goodbye: the others take over this process's share."""
        await self._database.run(queries.GONE, which=self._id, before=0)
