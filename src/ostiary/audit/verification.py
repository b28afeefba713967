"""Reads the whole journal and says where it is not as it was written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ostiary.audit import queries
from ostiary.audit.links import Strand, numbered
from ostiary.audit.statement import Expectations
from ostiary.audit.verdict import Findings, Verdict
from ostiary.core.journal import FIND_HEAD, GENESIS, REGISTER

if TYPE_CHECKING:
    from ostiary.core.db import Database
    from ostiary.core.journal import Base, Head, Journal

Progress = Callable[[int], None]

BATCH = 500
"""Entries in memory at a time; reading so many holds an event loop for some milliseconds at most."""


@dataclass(slots=True)
class Verification:
    """One reading of the whole journal."""

    database: Database
    journal: Journal
    expectations: Expectations
    findings: Findings
    progress: Progress | None
    _bases: dict[int, int] = field(default_factory=dict)

    async def run(self) -> Verdict:
        """Read everything; see `Audit.verify`."""
        heads = {head.strand: head for head in await self.database.all(queries.HEADS)}
        register = heads.pop(REGISTER, None)
        known = await self._check_register(register)
        for strand in range(known or 0):
            if strand not in heads:
                words = f"strand {strand} is in the register, but its end is gone"
                self.findings.add(strand, 0, "strand-missing", words)
        for head in heads.values():
            if known is not None and head.strand not in range(known):
                self.findings.add(head.strand, 0, "extra", f"strand {head.strand} is not in the register")
            try:
                await self._check_strand(head)
            except TypeError:  # as SQLite takes text for a number
                words = f"the end of strand {head.strand} holds what this house never writes"
                self.findings.add(head.strand, 0, "head-forged", words)
        ends = ((head.strand, head.entries) for head in heads.values() if type(head.entries) is int)
        self.expectations.look_at_ends(ends, self.findings)
        await self._check_strays(heads, known)
        return Verdict(self.findings.entries, len(heads), tuple(self.findings.found))

    async def _check_register(self, register: Head | None) -> int | None:
        """Return how many strands there must be, or None if nobody can say."""
        if register is None:
            self.findings.add(REGISTER, 0, "register-forged", "the register of strands is gone")
            return None
        if register.head != GENESIS or not await self._is_genuine(register):
            words = "the register of strands was not written by this house"
            self.findings.add(REGISTER, 0, "register-forged", words)
            return None
        return register.entries

    async def _check_strand(self, head: Head) -> None:
        strand = await self._begun(head.strand)
        while part := await self.database.all(
            queries.PART, strand=head.strand, start=strand.expected, end=head.entries, most=BATCH
        ):
            begun = strand.expected
            if part[0].position != begun and await self._moved(strand):
                continue
            for entry in part:
                strand.take(entry, self.findings, self.expectations)
            self._count(len(part))
            if strand.expected == begun:
                break
            await asyncio.sleep(0)  # let others have the loop: on SQLite nothing above waits
        if strand.expected < head.entries:
            await self._moved(strand)
        await self._check_end(head, strand)

    async def _check_end(self, head: Head, strand: Strand) -> None:
        genuine = await self._is_genuine(head)
        number, expected = head.strand, strand.expected
        if not genuine:
            words = f"the end of strand {number} was not written by this house"
            self.findings.add(number, head.entries, "head-forged", words)
        if expected > head.entries:
            await self._check_beginning_behind_end(number, expected)
        elif expected < head.entries:
            gone = numbered(expected, head.entries)
            self.findings.add(number, expected, "truncated", f"{gone} at the end of strand {number} gone")
        elif genuine and strand.chain != head.head:
            words = f"strand {number} does not end as it was written: entries were edited and linked anew"
            self.findings.add(number, max(0, expected - 1), "edited", words)

    async def _check_beginning_behind_end(self, number: int, begins: int) -> None:
        """Look whether all that we had to read was deleted meanwhile, or somebody put an old end of the strand back."""
        now = await self.database.find(FIND_HEAD, strand=number)
        if now is None or now.entries < begins:
            self.findings.add(
                number, begins, "set-back", f"strand {number} ends before entry {begins}, where it begins"
            )

    async def _begun(self, number: int) -> Strand:
        """Return a strand at its beginning, which is not its first entry if old ones were deleted."""
        base = await self.database.find(queries.FIND_BASE, strand=number)
        if base is None:
            self._bases[number] = 0
            return Strand(number)
        if not await self._is_genuine_base(base):
            words = f"where strand {number} begins was not written by this house: entries before may have been deleted"
            self.findings.add(number, 0, "base-forged", words)
            if type(base.position) is not int or type(base.chain) is not bytes:
                self._bases[number] = 0
                return Strand(number)
        self._bases[number] = base.position
        self.expectations.look(number, base.position - 1, base.chain, self.findings)
        return Strand(number, base.position, base.chain)

    async def _moved(self, strand: Strand) -> bool:
        """Go on from where the strand begins now, if old entries were deleted while we read."""
        base = await self.database.find(queries.FIND_BASE, strand=strand.number)
        if base is None or not await self._is_genuine_base(base) or base.position <= strand.expected:
            return False
        self._bases[strand.number] = strand.expected = base.position
        strand.chain = base.chain
        return True

    def _count(self, read: int) -> None:
        self.findings.entries += read
        if self.progress is not None:
            self.progress(self.findings.entries)

    async def _is_genuine(self, head: Head) -> bool:
        try:
            return await self.journal.is_genuine(head)
        except TypeError:  # SQLite lets a shell put text where bytes belong
            return False

    async def _is_genuine_base(self, base: Base) -> bool:
        try:
            return await self.journal.is_genuine_base(base)
        except TypeError:  # as above
            return False

    async def _check_strays(self, heads: dict[int, Head], known: int | None) -> None:
        for bounds in await self.database.all(queries.BOUNDS):
            number = bounds.strand
            if bounds.last is not None and not _is_below(bounds.last, bounds.entries):
                words = f"strand {number} has entries behind its end, which this house did not write"
                self.findings.add(number, bounds.entries, "extra", words)
            if type(bounds.first) is int and bounds.first < self._bases.get(number, 0):
                words = f"strand {number} has entries before its first"
                self.findings.add(number, bounds.first, "extra", words)
        for base in await self.database.all(queries.BASES):
            if base.strand not in heads and not (known is not None and base.strand in range(known)):
                words = f"strand {base.strand} has a beginning, but no end that vouches for it"
                self.findings.add(base.strand, 0, "base-forged", words)
        found = await self.database.find(queries.FIRST_STRAND)
        while found is not None and found.strand is not None:
            strand = found.strand
            # A strand that began after we had read the ends has one by now.
            is_known = strand in heads or (known is not None and strand in range(known))  # its end is looked at
            if not is_known and await self.database.find(FIND_HEAD, strand=strand) is None:
                words = f"strand {strand} has entries, but no end that vouches for them"
                self.findings.add(strand, 0, "extra", words)
            found = await self.database.find(queries.NEXT_STRAND, after=strand)


def _is_below(last: object, entries: object) -> bool:
    return type(last) is int and type(entries) is int and last < entries  # SQLite lets a shell put text here, too
