"""Reads the journal, and proves that nobody has touched it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ostiary.audit import queries
from ostiary.audit.queries import Line, Place
from ostiary.audit.verdict import Findings, Kind, Verdict
from ostiary.core.crypto import Unsealable
from ostiary.core.journal import BREAK, FIND_HEAD, GENESIS, REGISTER, Entry, Head, Journal, link

if TYPE_CHECKING:
    from ostiary.core.clock import Millis
    from ostiary.core.db import Database, Unit

Progress = Callable[[int], None]

BATCH = 500
"""Entries in memory at a time; reading so many holds an event loop for some milliseconds at most."""

MOST_LISTED = 1000
FOREVER: Millis = 2**62
NEWEST = Place(FOREVER, 2**31 - 1, FOREVER)

BREAKS: dict[str, tuple[Kind, str]] = {
    "head": ("head-forged", "the house found this strand's end not to be its own, and went on from there"),
    "strand": ("strand-missing", "the house found this strand's end gone, and began it anew"),
    "register": ("register-forged", "the house found the register of strands not to be its own"),
}


@dataclass(frozen=True, slots=True)
class Audit:
    """Reads the journal for its keeper.

    Args:
        database: Where the journal is.
        journal: Knows the keys: what is sealed, and whose ends of strands are genuine.
    """

    database: Database
    journal: Journal

    async def listed(
        self,
        account_id: str | None = None,
        *,
        action: str | None = None,
        since: Millis | None = None,
        until: Millis | None = None,
        after: Place | None = None,
        most: int = 100,
    ) -> list[Line]:
        """Return entries, the newest first, with what is personal where the account's key still exists.

        Args:
            account_id: Of this account only.
            action: Of this action only, such as `session.ended`.
            since: From this moment on, in milliseconds since 1970.
            until: Before this moment.
            after: Go on behind this place: the last line's `place`.
            most: At most so many, up to a thousand.
        """
        start = after or NEWEST
        wanted: dict[str, Any] = {
            "action": action or "", "any_action": int(action is None), "since": since or 0,
            "until": FOREVER if until is None else until, "after_at": start.at, "after_strand": start.strand,
            "after_position": start.position, "most": max(1, min(most, MOST_LISTED)),
        }  # fmt: skip
        async with self.database.unit() as unit:
            if account_id is None:
                entries = await unit.all(queries.EVERYTHING, **wanted)
            else:
                entries = await unit.all(queries.OF_ACCOUNT, account_id=account_id, **wanted)
            return [await self._line(unit, entry) for entry in entries]

    async def verify(self, progress: Progress | None = None) -> Verdict:
        """Read the whole journal and return whether it is as it was written.

        Writers may go on: of each strand is verified what its end vouched for
        when the verification began, and no later entry is taken for a stray.
        What it cannot see: a whole database put back to an earlier state, for
        that is a state which was genuine once.

        Args:
            progress: Called now and then with the number of entries read so far.

        Raises:
            DatabaseUnavailable: It cannot be read to the end.
        """
        findings = Findings()
        heads = {head.strand: head for head in await self.database.all(queries.HEADS)}
        register = heads.pop(REGISTER, None)
        known = await self._check_register(register, findings)
        for strand in range(known or 0):
            if strand not in heads:
                findings.add(strand, 0, "strand-missing", f"strand {strand} is in the register, but its end is gone")
        for head in heads.values():
            if known is not None and head.strand not in range(known):
                findings.add(head.strand, 0, "extra", f"strand {head.strand} is not in the register")
            try:
                await self._check_strand(head, findings, progress)
            except TypeError:  # as SQLite takes text for a number
                words = f"the end of strand {head.strand} holds what this house never writes"
                findings.add(head.strand, 0, "head-forged", words)
        await self._check_strays(heads, known, findings)
        return Verdict(findings.entries, len(heads), tuple(findings.found))

    async def _line(self, unit: Unit, entry: queries.Shown) -> Line:
        private: dict[str, str] | None = None
        # The row decides, not a key that some memory may still hold (D12).
        if entry.account_id is None or entry.sealed is None or entry.key_of is not None:
            try:
                private = await self.journal.unsealed(unit, entry)
            except Unsealable:  # edited: `verify` says so
                private = None
        return Line(
            entry.strand, entry.position, entry.at, entry.action, entry.account_id, entry.session_id, entry.request_id,
            _decoded(entry.details), private,
        )  # fmt: skip

    async def _check_register(self, register: Head | None, findings: Findings) -> int | None:
        """Return how many strands there must be, or None if nobody can say."""
        if register is None:
            findings.add(REGISTER, 0, "register-forged", "the register of strands is gone")
            return None
        if register.head != GENESIS or not await self._is_genuine(register):
            findings.add(REGISTER, 0, "register-forged", "the register of strands was not written by this house")
            return None
        return register.entries

    async def _check_strand(self, head: Head, findings: Findings, progress: Progress | None) -> None:
        strand, chain, expected = head.strand, GENESIS, 0
        while part := await self.database.all(
            queries.PART, strand=strand, start=expected, end=head.entries, most=BATCH
        ):
            begun = expected
            for entry in part:
                if self._check_entry(entry, expected, chain, findings):
                    chain, expected = entry.chain, entry.position + 1
            findings.entries += len(part)
            if progress is not None:
                progress(findings.entries)
            if expected == begun:
                break
            await asyncio.sleep(0)  # let others have the loop: on SQLite nothing above waits
        genuine = await self._is_genuine(head)
        if not genuine:
            words = f"the end of strand {strand} was not written by this house"
            findings.add(strand, head.entries, "head-forged", words)
        if expected < head.entries:
            gone = _numbered(expected, head.entries)
            findings.add(strand, expected, "truncated", f"{gone} at the end of strand {strand} gone")
        elif genuine and chain != head.head:
            words = f"strand {strand} does not end as it was written: entries were edited and linked anew"
            findings.add(strand, max(0, expected - 1), "edited", words)

    def _check_entry(self, entry: Entry, expected: int, chain: bytes, findings: Findings) -> bool:
        """Return whether this entry stands at a place where the chain can go on from it."""
        strand, position = entry.strand, entry.position
        if type(position) is not int:  # SQLite lets a shell put an entry between two others, at 1.5
            findings.add(strand, expected, "extra", f"strand {strand} has an entry between two others")
            return False
        if position > expected:
            gone = _numbered(expected, position)
            findings.add(strand, expected, "missing", f"{gone} of strand {strand} gone")
        if entry.action == BREAK:
            kind, words = BREAKS.get(str(_decoded(entry.details).get("what")), BREAKS["head"])
            findings.add(strand, position, kind, f"entry {position} of strand {strand} says: {words}")
        elif position == expected and not _follows(chain, entry):
            words = f"entry {position} of strand {strand}, or the one before it, was edited or moved"
            findings.add(strand, position, "edited", words)
        return True

    async def _is_genuine(self, head: Head) -> bool:
        try:
            return await self.journal.is_genuine(head)
        except TypeError:  # SQLite lets a shell put text where bytes belong
            return False

    async def _check_strays(self, heads: dict[int, Head], known: int | None, findings: Findings) -> None:
        for bounds in await self.database.all(queries.BOUNDS):
            if bounds.last is not None and not _is_below(bounds.last, bounds.entries):
                words = f"strand {bounds.strand} has entries behind its end, which this house did not write"
                findings.add(bounds.strand, bounds.entries, "extra", words)
            if type(bounds.first) is int and bounds.first < 0:
                words = f"strand {bounds.strand} has entries before its first"
                findings.add(bounds.strand, bounds.first, "extra", words)
        found = await self.database.find(queries.FIRST_STRAND)
        while found is not None and found.strand is not None:
            strand = found.strand
            # A strand that began after we had read the ends has one by now.
            is_known = strand in heads or (known is not None and strand in range(known))  # its end is looked at
            if not is_known and await self.database.find(FIND_HEAD, strand=strand) is None:
                findings.add(strand, 0, "extra", f"strand {strand} has entries, but no end that vouches for them")
            found = await self.database.find(queries.NEXT_STRAND, after=strand)


def _follows(chain: bytes, entry: Entry) -> bool:
    try:
        return link(chain, entry) == entry.chain
    except TypeError:  # SQLite lets a shell put text where bytes belong
        return False


def _is_below(last: object, entries: object) -> bool:
    return type(last) is int and type(entries) is int and last < entries  # SQLite lets a shell put text here, too


def _numbered(start: int, end: int) -> str:
    return f"entry {start} is" if end - start == 1 else f"entries {start} to {end - 1} are"


def _decoded(details: str) -> dict[str, Any]:
    """Return the details, which somebody may have edited into anything."""
    try:
        return msgspec.json.decode(details, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {"unreadable": details}
