"""What browsers report: counted in memory, written seldom, shown to the keeper."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

import msgspec

from ostiary.core.errors import Unavailable
from ostiary.csp_reports import queries
from ostiary.csp_reports.queries import Group

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database
    from ostiary.csp_reports.reading import Report
    from ostiary.csp_reports.settings import CspReportSettings
    from ostiary.protection import Protection

log = logging.getLogger(__name__)

WRITE_EVERY_SECONDS = 1.0
BATCH = 50
"""Groups of one statement: the writer is never held for longer than that takes."""

LOCK = "csp reports"

LAST = (1 << 62, "")


class CspReports:
    """Reports of violated content policies.

    Strangers can send as many as they like, and SQLite has one writer, which
    logins need. So reports are counted in memory; a second after the first of
    them all groups are written together. A crash loses that second.

    Args:
        database: Holds the groups.
        protection: Says who has sent enough.
        origins: Where our pages are; reports on others are dropped.
        settings: Bounds.
    """

    def __init__(
        self, database: Database, protection: Protection, origins: AbstractSet[str], settings: CspReportSettings
    ) -> None:
        self.origins = origins
        self.largest_delivery = settings.largest_delivery
        self._database = database
        self._protection = protection
        self._most = settings.most_groups
        self._waiting: dict[str, Group] = {}
        self._writing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    async def take(self, caller: Caller, reports: list[Report]) -> int:
        """Count reports as far as the limits allow; return how many were counted."""
        counted = 0
        for report in reports:
            if not await self._protection.admit_csp_report(caller):
                break
            counted += self._hold(report)
        if self._waiting and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write_soon(), name="csp reports")
        return counted

    async def write(self) -> int:
        """Write what waits, one process after the other; return how many groups.

        Side by side, one would delete what the other has just counted, and each could hold what the other waits for.
        """
        waiting, self._waiting = list(self._waiting.values()), {}
        for start in range(0, len(waiting), BATCH):
            some = waiting[start : start + BATCH]
            parameters = {
                f"{name}_{place}": getattr(group, name) for place, group in enumerate(some) for name in queries.FIELDS
            }
            async with self._database.unit() as unit:
                await unit.lock(LOCK)
                await unit.run(queries.count(len(some)), **parameters)
                await unit.run(queries.MAKE_ROOM, most=self._most)
        return len(waiting)

    async def listed(self, after: tuple[int, str] = LAST, most: int = 100) -> list[Group]:
        """Return groups, the last seen first.

        Args:
            after: `last_seen_at` and `id` of the group to go on behind.
            most: How many at most.
        """
        return await self._database.all(queries.LISTED, seen_at=after[0], after_id=after[1], most=most)

    async def clear(self, caller: Caller) -> int:
        """Forget every group; return how many there were."""
        self._waiting = {}
        async with self._database.unit(caller) as unit:
            await unit.lock(LOCK)
            gone = await unit.run(queries.CLEAR)
            unit.note("reports.cleared", caller.account_id, groups=gone)
            return gone

    async def close(self) -> None:
        """Write what waits and stop."""
        self._hurry.set()
        if self._writing is not None:
            await self._writing
        self._writing, self._hurry = None, asyncio.Event()  # of the next loop: a house may be opened again

    def _hold(self, report: Report) -> int:
        now, group = self._database.clock.now(), report.group
        held = self._waiting.get(group)
        if held is None:
            if len(self._waiting) >= self._most:
                return 0
            held = Group(group, **msgspec.structs.asdict(report), count=0, first_seen_at=now, last_seen_at=now)
        self._waiting[group] = msgspec.structs.replace(held, count=held.count + 1, last_seen_at=now)
        return 1

    async def _write_soon(self) -> None:
        while self._waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), WRITE_EVERY_SECONDS)
            try:
                await self.write()
            except Unavailable as gone:  # hearsay is not worth a queue (D14: degrade)
                log.warning("reports of violated policies were dropped (%s)", type(gone).__name__)
