"""Reads the journal, and proves that nobody has touched it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.audit import queries
from ostiary.audit.links import decoded
from ostiary.audit.queries import Line, Place
from ostiary.audit.statement import Expectations, StatementRefused
from ostiary.audit.verdict import Findings, Verdict
from ostiary.audit.verification import BATCH, Progress, Verification
from ostiary.audit.wanted import FOREVER, Wanted
from ostiary.core.crypto import Unsealable
from ostiary.core.journal import REGISTER, Journal

if TYPE_CHECKING:
    from ostiary.audit.checkpoints import Checkpoints
    from ostiary.core.clock import Millis
    from ostiary.core.db import Database, Unit

__all__ = ["BATCH", "MOST_LISTED", "MOST_OPENED", "Audit", "Search"]

MOST_LISTED = 1000
MOST_OPENED = 200_000
"""Entries that one search for an address opens; what is sealed has no index (D12), so it reads them all."""

OPENED_AT_ONCE = 100
"""Between so many the event loop belongs to others."""

NEWEST = Place(FOREVER, 2**31 - 1, FOREVER)


@dataclass(frozen=True, slots=True)
class Search:
    """What a search that must open entries found.

    Attributes:
        lines: The entries, the newest first.
        read: How many entries were opened for it.
        stopped_at: The place where the bound ended it; None if it saw everything that was asked for.
    """

    lines: list[Line]
    read: int
    stopped_at: Place | None

    @property
    def rest_until(self) -> Millis | None:
        """What to ask for as `until`, to go on: some of the same millisecond may not have been read yet."""
        return None if self.stopped_at is None else self.stopped_at.at + 1


@dataclass(frozen=True, slots=True)
class Audit:
    """Reads the journal for its keeper.

    Args:
        database: Where the journal is.
        journal: Knows the keys: what is sealed, and whose ends of strands are genuine.
        checkpoints: What the journal is compared with; without them, with nothing.
    """

    database: Database
    journal: Journal
    checkpoints: Checkpoints | None = None

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
            action: Of this action only, such as `session.ended`, or all that begin alike: `session.*`.
            since: From this moment on, in milliseconds since 1970.
            until: Before this moment.
            after: Go on behind this place: the last line's `place`.
            most: At most so many, up to a thousand.
        """
        return await self._page(
            Wanted(account_id, action, since, until), after or NEWEST, max(1, min(most, MOST_LISTED))
        )

    async def search(
        self, wanted: Wanted, *, most: int = 100, most_read: int = MOST_OPENED, progress: Progress | None = None
    ) -> Search:
        """Return the newest entries that agree with everything wanted, the address included.

        Addresses are sealed under each account's own key, and no index of them
        exists: each entry of the time range is opened.

        Args:
            wanted: What to look for; a time range makes it quick.
            most: At most so many lines.
            most_read: Stop after opening so many entries, and say where.
            progress: Called now and then with the number of entries opened so far.
        """
        lines: list[Line] = []
        read, after = 0, NEWEST
        while read < most_read:
            page = await self._page(wanted, after, min(OPENED_AT_ONCE, most_read - read))
            for line in page:
                read += 1
                if wanted.matches_private(line.private):
                    lines.append(line)
                    if len(lines) == most:
                        return Search(lines, read, None)
            if len(page) < OPENED_AT_ONCE and read < most_read:
                return Search(lines, read, None)
            after = page[-1].place
            if progress is not None:
                progress(read)
            await asyncio.sleep(0)
        return Search(lines, read, after)

    async def verify(self, progress: Progress | None = None, anchored: Sequence[str] = ()) -> Verdict:
        """Read the whole journal and return whether it is as it was written.

        Writers may go on: of each strand is verified what its end vouched for
        when the verification began, and no later entry is taken for a stray.
        It is compared with the newest stored checkpoints, and with those that
        the keeper brings from an anchor. A whole database put back to an
        earlier state, its stored checkpoints included, is genuine by itself:
        only an anchored checkpoint shows it.

        Args:
            progress: Called now and then with the number of entries read so far.
            anchored: Checkpoints kept elsewhere, as compact JWS.

        Raises:
            DatabaseUnavailable: It cannot be read to the end.
        """
        findings, expectations = Findings(), Expectations()
        if self.checkpoints is not None:
            await self.checkpoints.expect(findings, expectations)
            self._expect(self.checkpoints, anchored, findings, expectations)
        return await Verification(self.database, self.journal, expectations, findings, progress).run()

    def line_of(self, entry: queries.Shown, private: dict[str, str] | None) -> Line:
        """Return an entry for a reader."""
        return Line(
            entry.strand, entry.position, entry.at, entry.action, entry.account_id, entry.session_id, entry.request_id,
            decoded(entry.details), private,
        )  # fmt: skip

    async def private_of(self, unit: Unit, entry: queries.Shown) -> dict[str, str] | None:
        """Return what is personal in an entry, or None where the account's key is gone."""
        # The row decides, not a key that some memory may still hold (D12).
        if entry.account_id is not None and entry.sealed is not None and entry.key_of is None:
            return None
        try:
            return await self.journal.unsealed(unit, entry)
        except Unsealable:  # edited: `verify` says so
            return None

    async def _page(self, wanted: Wanted, after: Place, most: int) -> list[Line]:
        start = {"after_at": after.at, "after_strand": after.strand, "after_position": after.position, "most": most}
        told = wanted.parameters() | start
        told["until"] = min(told["until"], after.at + 1)  # the index knows times, not places
        async with self.database.unit() as unit:
            if wanted.account_id is None:
                entries = await unit.all(queries.EVERYTHING, **told)
            else:
                entries = await unit.all(queries.OF_ACCOUNT, account_id=wanted.account_id, **told)
            return [self.line_of(entry, await self.private_of(unit, entry)) for entry in entries]

    @staticmethod
    def _expect(
        checkpoints: Checkpoints, anchored: Sequence[str], findings: Findings, expectations: Expectations
    ) -> None:
        for number, jws in enumerate(anchored, 1):
            try:
                expectations.add(checkpoints.opened(jws))
            except StatementRefused as refused:
                words = f"checkpoint {number} of the file was not signed by this house ({refused})"
                findings.add(REGISTER, number - 1, "checkpoint-forged", words)
