"""Deletes old entries, so that what remains can still be proved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ostiary.audit import queries
from ostiary.audit.checkpoints import LOCK
from ostiary.audit.links import follows
from ostiary.core.clock import Millis, millis
from ostiary.core.journal import BREAK, GENESIS, JournalBroken

if TYPE_CHECKING:
    from ostiary.audit.checkpoints import Checkpoints
    from ostiary.audit.settings import JournalSettings
    from ostiary.audit.statement import Statement
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.core.journal import Entry, Journal

BATCH = 500
"""Entries deleted in one transaction: no writer waits for longer than that."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What goes of one strand: the entries from `start` up to, but without, `end`."""

    strand: int
    start: int
    end: int

    @property
    def entries(self) -> int:
        """How many."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Retention:
    """Deletes what is older than the keeper wants to keep.

    Only entries that a signed checkpoint covers go, oldest first, in small
    transactions. Each moves the strand's beginning with it: the first kept
    position and the chain value before, under a MAC. The last entry of a
    strand always stays.
    """

    database: Database
    journal: Journal
    checkpoints: Checkpoints
    settings: JournalSettings

    async def tend(self, caller: Caller) -> None:
        """Delete what the setting says is too old; safe in every process at once."""
        if self.settings.keep is not None:
            try:
                await self.prune(caller, self.database.clock.now() - millis(self.settings.keep))
            except JournalBroken:
                await self.checkpoints.alarm(caller)
                raise

    async def plan(self, caller: Caller, before: Millis) -> tuple[Cut, ...]:
        """Return what `prune` would delete.

        Raises:
            JournalBroken: The journal is not this house's own; nothing of it is deleted.
        """
        return (await self._planned(caller, before))[1]

    async def prune(self, caller: Caller, before: Millis) -> int:
        """Delete the entries from before a moment; return how many went.

        Afterwards a checkpoint names where each strand begins.

        Raises:
            JournalBroken: Something to be deleted was tampered with: it is evidence.
        """
        covered, cuts = await self._planned(caller, before)
        gone, told = 0, False
        for cut in cuts:
            start = cut.start
            while start < cut.end:
                deleted = await self._delete(caller, cut, start, covered, cuts, before, told=told)
                if deleted == 0:  # another process is at it
                    break
                told, start, gone = True, start + deleted, gone + deleted
                await asyncio.sleep(0)
        if gone:
            await self.checkpoints.write(caller)
        return gone

    async def _planned(self, caller: Caller, before: Millis) -> tuple[Statement, tuple[Cut, ...]]:
        covered = self.checkpoints.opened((await self.checkpoints.write(caller)).jws)
        cuts = []
        for line in covered.strands:
            last = line.entries - 1
            found = await self.database.find(
                queries.FIRST_KEPT, strand=line.strand, start=line.base, end=last, before=before
            )
            kept = last if found is None or found.number is None else found.number
            if kept > line.base:
                cuts.append(Cut(line.strand, line.base, kept))
        return covered, tuple(cuts)

    async def _delete(
        self, caller: Caller, cut: Cut, start: int, covered: Statement, cuts: tuple[Cut, ...], before: Millis, *,
        told: bool,
    ) -> int:  # fmt: skip
        stop = min(start + BATCH, cut.end)
        entries = await self.database.all(queries.PART, strand=cut.strand, start=start, end=stop, most=BATCH)
        async with self.database.unit(caller) as unit:
            await unit.lock(LOCK)
            position, chain = await self._beginning(unit, cut.strand)
            if position != start:
                return 0
            after = _checked(cut.strand, start, stop, chain, entries)
            gone = await unit.run(queries.DELETE_PART, strand=cut.strand, start=start, end=stop)
            if gone != stop - start:
                raise JournalBroken(f"Entries of strand {cut.strand} vanished a moment ago: `ostiary journal verify`.")
            await unit.run(queries.PUT_BASE, **msgspec.structs.asdict(self.journal.base(cut.strand, stop, after)))
            if not told:
                unit.note(
                    "journal.pruned", before=before, checkpoint=covered.sequence,
                    strands=[[one.strand, one.start, one.end] for one in cuts],
                )  # fmt: skip
        return gone

    async def _beginning(self, unit: Unit, strand: int) -> tuple[int, bytes]:
        base = await unit.find(queries.FIND_BASE, strand=strand)
        if base is None:
            return 0, GENESIS
        if not await self.journal.is_genuine_base(base):
            raise JournalBroken(f"Where strand {strand} begins is not this house's own: `ostiary journal verify`.")
        return base.position, base.chain


def _checked(strand: int, start: int, stop: int, chain: bytes, entries: list[Entry]) -> bytes:
    """Return the chain value of the last entry; what does not hang together is evidence and stays."""
    for expected, entry in enumerate(entries, start):
        if entry.position != expected or not (entry.action == BREAK or follows(chain, entry)):
            raise JournalBroken(f"Entry {expected} of strand {strand} was tampered with: `ostiary journal verify`.")
        chain = entry.chain
    if len(entries) != stop - start:
        raise JournalBroken(f"Entries of strand {strand} are missing: `ostiary journal verify`.")
    return chain
