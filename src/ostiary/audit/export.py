"""The journal as a stream of lines: whole and provable, or some of it for another program."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from ostiary.audit import queries
from ostiary.audit.formats import Private, cef_line, csv_head, csv_line, json_line
from ostiary.audit.lines import END, KIND, Footer, Header
from ostiary.audit.statement import digest_of
from ostiary.audit.wanted import Wanted
from ostiary.client.strict import encode_base64url
from ostiary.core.errors import Unavailable
from ostiary.core.journal import REGISTER

if TYPE_CHECKING:
    from ostiary.audit.checkpoints import Checkpoints
    from ostiary.audit.queries import Shown, Stored
    from ostiary.audit.service import Audit
    from ostiary.audit.statement import Statement
    from ostiary.core.caller import Caller
    from ostiary.core.chain import Entry
    from ostiary.core.clock import Millis
    from ostiary.core.db import Database

Style = Literal["jsonl", "csv", "cef"]
Progress = Callable[[int], None]

BATCH = 250
"""Entries in memory at a time."""

LOOK_AGAIN_SECONDS = 1.0


class Sink(Protocol):
    """Where lines go: a file, a pipe."""

    def write(self, data: bytes, /) -> object:
        """Take some bytes."""
        ...

    def flush(self) -> object:
        """Let them go."""
        ...


class ExportOverrun(Unavailable):
    """Old entries were deleted while they were exported; what was written is not whole."""

    slug = "export-overrun"
    title = "The journal was pruned while it was exported. Please begin the export again."


@dataclass(slots=True)
class Order:
    """What an export is to be.

    Attributes:
        style: JSON Lines, CSV or CEF.
        wanted: Which entries; with any filter, an export cannot prove that it left nothing out.
        is_sealed: Leave what is personal sealed.
        stop: Go on as entries come until this is set; None ends with the entries that there are.
        progress: Called now and then with the number of entries written so far.
    """

    style: Style = "jsonl"
    wanted: Wanted = field(default_factory=Wanted)
    is_sealed: bool = False
    stop: asyncio.Event | None = None
    progress: Progress | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out, so that it can be proved."""
        return not self.wanted.filters


class Written:
    """Counts and digests what goes to the sink."""

    def __init__(self, sink: Sink, progress: Progress | None) -> None:
        self._sink = sink
        self._progress = progress
        self.digest = hashlib.sha256()
        self.entries = 0

    def put(self, line: bytes) -> None:
        """Write a line that is no entry."""
        self.digest.update(line)
        self._sink.write(line)

    def told(self) -> None:
        """Let the lines go, and tell how far it is."""
        self._sink.flush()
        if self._progress is not None:
            self._progress(self.entries)


@dataclass(frozen=True, slots=True)
class Export:
    """Writes the journal out, in parts that fit into memory, while others go on writing into it.

    Args:
        database: Holds the journal.
        audit: Opens what is personal.
        checkpoints: Say how far the strands go, and sign the export.
    """

    database: Database
    audit: Audit
    checkpoints: Checkpoints

    async def write(self, caller: Caller, sink: Sink, order: Order) -> int:
        """Write an export; return how many entries are in it.

        JSON Lines without filters hold everything that the chain covers, up to
        the checkpoint at its end: `verify_export` proves it without this house.

        Raises:
            JournalBroken: There is nothing that the house could vouch for.
            ExportOverrun: Entries were deleted before they could be written.
        """
        async with self.database.unit(caller) as unit:
            unit.note(
                "journal.exported", format=order.style, filters=list(order.wanted.filters), sealed=order.is_sealed,
                follows=order.stop is not None,
            )  # fmt: skip
        written = Written(sink, order.progress)
        stored = await self.checkpoints.write(caller)
        said = self.checkpoints.opened(stored.jws)
        reached = {line.strand: line.base for line in said.strands}
        self._begin(written, order, stored)
        if order.is_whole and order.style == "jsonl":
            await self._go_on(written, order, reached, {line.strand: line.entries for line in said.strands})
        else:
            await self._through_time(written, order, reached, said)
        if order.stop is not None:
            await self._follow(written, order, reached)
            stored = await self.checkpoints.write(caller)
            said = self.checkpoints.opened(stored.jws)
            await self._go_on(written, order, reached, {line.strand: line.entries for line in said.strands})
        if order.style == "jsonl":
            self._end(written, stored, said)
        return written.entries

    def _begin(self, written: Written, order: Order, stored: Stored) -> None:
        if order.style == "csv":
            written.put(csv_head())
        elif order.style == "jsonl":
            header = Header(KIND, 1, stored.at, order.is_sealed, order.wanted.filters, stored.jws)
            written.put(msgspec.json.encode(header) + b"\n")

    def _end(self, written: Written, stored: Stored, said: Statement) -> None:
        signature = self.checkpoints.sign_export({
            "at": self.database.clock.now(), "entries": written.entries, "checkpoint": digest_of(stored.jws),
            "sha256": encode_base64url(written.digest.digest()),
        })  # fmt: skip
        footer = Footer(END, written.entries, said.register, said.strands, stored.jws, signature)
        written.put(msgspec.json.encode(footer) + b"\n")

    async def _go_on(self, written: Written, order: Order, reached: dict[int, int], ends: dict[int, int]) -> None:
        """Write each strand from where it was left up to its end."""
        for strand, end in sorted(ends.items()):
            position = reached.get(strand, 0)
            while position < end:
                part = await self.database.all(
                    queries.PART_SHOWN, strand=strand, start=position, end=end, most=BATCH
                )  # fmt: skip
                if not part or part[0].position != position:
                    await self._refuse_if_overrun(strand, position)
                if not part:
                    break  # gone, and not by the house: the checkpoint at the end tells
                await self._put(written, order, [entry for entry in part if order.wanted.matches(entry)])
                position = part[-1].position + 1
            reached[strand] = max(position, end)

    async def _refuse_if_overrun(self, strand: int, position: int) -> None:
        base = await self.database.find(queries.FIND_BASE, strand=strand)
        if base is not None and base.position > position:
            raise ExportOverrun

    async def _through_time(self, written: Written, order: Order, reached: dict[int, int], said: Statement) -> None:
        """Write what is wanted in the order of time, up to the ends that the checkpoint names."""
        ends = {line.strand: line.entries for line in said.strands}
        began = {line.strand: line.base for line in said.strands}
        async for page in self._forth(order.wanted, began):
            await self._put(written, order, [entry for entry in page if entry.position < ends.get(entry.strand, 0)])
        reached.update(ends)

    async def _forth(self, wanted: Wanted, began: dict[int, int]) -> AsyncIterator[list[Shown]]:
        told = wanted.parameters() | {"after_at": -1, "after_strand": -1, "after_position": -1, "most": BATCH}
        while True:
            if wanted.account_id is None:
                page = await self.database.all(queries.EVERYTHING_FORTH, **told)
            else:
                page = await self.database.all(queries.OF_ACCOUNT_FORTH, account_id=wanted.account_id, **told)
            await self._refuse_if_pruned(began, told["since"])
            if not page:
                return
            yield page
            last = page[-1]
            told |= {"after_at": last.at, "after_strand": last.strand, "after_position": last.position}
            told["since"] = last.at  # the index knows times, not places

    async def _refuse_if_pruned(self, began: dict[int, int], since: Millis) -> None:
        """Refuse to go on if entries went that were not read yet: those from a moment on.

        What goes of a strand is older than what stays, so the first that stays tells (but for what a clock that was set
        back has put out of order). Asked after the reading: a gap in a page is seen with that page.
        """
        for base in await self.database.all(queries.BASES):
            if base.position <= began.get(base.strand, 0):
                continue
            kept = await self.database.all(
                queries.PART, strand=base.strand, start=base.position, end=base.position + 1, most=1
            )
            if not kept or kept[0].at > since:
                raise ExportOverrun

    async def _follow(self, written: Written, order: Order, reached: dict[int, int]) -> None:
        """Go on as entries come; by strand, for there nothing comes late that was not there before."""
        assert order.stop is not None
        while not order.stop.is_set():
            heads = await self.database.all(queries.HEADS)
            await self._go_on(written, order, reached, {h.strand: h.entries for h in heads if h.strand != REGISTER})
            try:
                await asyncio.wait_for(order.stop.wait(), LOOK_AGAIN_SECONDS)
            except TimeoutError:
                continue

    async def _put(self, written: Written, order: Order, entries: list[Shown]) -> None:
        for entry, private in await self._opened(order, entries):
            if order.wanted.matches_private(private if isinstance(private, dict) else None):
                shown = msgspec.UNSET if order.is_sealed else private
                written.put(_line(order.style, entry, shown))
                written.entries += 1
        written.told()
        await asyncio.sleep(0)  # let others have the loop

    async def _opened(self, order: Order, entries: list[Shown]) -> list[tuple[Shown, Private | msgspec.UnsetType]]:
        """Return the entries, with what is personal if that is shown or asked for."""
        if order.is_sealed and order.wanted.network is None:
            return [(entry, msgspec.UNSET) for entry in entries]
        async with self.database.unit() as unit:
            return [(entry, await self.audit.private_of(unit, entry)) for entry in entries]


def _line(style: Style, entry: Entry, private: Private | msgspec.UnsetType) -> bytes:
    if style == "csv":
        return csv_line(entry, private)
    return cef_line(entry, private) if style == "cef" else json_line(entry, private)
