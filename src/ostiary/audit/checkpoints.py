"""Checkpoints: signed statements of how far every strand has come, stored, and brought to anchors."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ostiary.audit import queries
from ostiary.audit.anchors import AnchorFailed, shown
from ostiary.audit.queries import Stored
from ostiary.audit.statement import (
    EXPORT_TYP,
    End,
    Expectations,
    Statement,
    StatementRefused,
    digest_of,
    end,
    opened,
    signed,
)
from ostiary.client.jws import sign
from ostiary.core.clock import millis
from ostiary.core.journal import GENESIS, REGISTER, JournalBroken
from ostiary.core.outbound import OutboundFailed, OutboundRefused

if TYPE_CHECKING:
    from ostiary.audit.anchors import Anchors
    from ostiary.audit.settings import JournalSettings
    from ostiary.audit.verdict import Findings
    from ostiary.client import KeySource, SigningKey
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.core.jobs import Outbox, Queued
    from ostiary.core.journal import Base, Journal

log = logging.getLogger(__name__)

JOB = "journal.anchor"
LOCK = "journal checkpoint"
NEVER_REACHED = 1 << 62
"""A number of a checkpoint with no room for its successors; at one in a minute, this house is far from it."""

COMPARED = 1000
"""So many stored checkpoints, the newest, a verification compares with: six weeks of hours."""


class CheckpointKeys(Protocol):
    """Who holds the keys of checkpoints."""

    def checkpoint_signer(self) -> SigningKey:
        """Return the key that signs now."""
        ...

    def checkpoint_keys(self) -> KeySource:
        """Return the keys that verify, those of long ago included."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Writes checkpoints and reads them back.

    Args:
        database: Where they are stored, and the journal that they speak of.
        journal: Knows whose ends and beginnings of strands are genuine.
        keys: Sign and verify.
        anchors: Bring each one out of the house.
        settings: How often, and to which anchors.
    """

    database: Database
    journal: Journal
    keys: CheckpointKeys
    anchors: Anchors
    settings: JournalSettings

    def serve(self, outbox: Outbox) -> None:
        """Do the jobs that bring checkpoints to anchors."""
        outbox.on(JOB, self.bring)

    async def write(self, caller: Caller) -> Stored:
        """Sign and store a checkpoint; return the newest if nothing was written since.

        Only what the house vouches for is signed. Where that is not what the
        last checkpoint saw, the journal itself says so from now on.

        Raises:
            JournalBroken: An end or a beginning of a strand is not this house's own, or the newest checkpoint has
                a number that it never gave.
        """
        async with self.database.unit(caller) as unit:
            await unit.lock(LOCK)
            last = await unit.find(queries.NEWEST_CHECKPOINTS, most=1)
            if last is not None and last.sequence >= NEVER_REACHED:
                raise JournalBroken(f"Somebody stored a checkpoint {last.sequence}: `ostiary journal verify`.")
            strands = await self._strands(unit)
            known = None if last is None else self._read(last)
            if last is not None:
                if known is not None and known.strands == strands:
                    return last
                if known is None or not await self._goes_on(unit, known, strands):
                    unit.note("journal.break_found", what="checkpoint")
                    await self._alarm(unit)
            statement = Statement(
                0 if last is None else last.sequence + 1, unit.now, "" if last is None else digest_of(last.jws),
                len(strands), strands,
            )  # fmt: skip
            made = Stored(statement.sequence, unit.now, signed(statement, self.keys.checkpoint_signer()))
            await unit.run(queries.ADD_CHECKPOINT, sequence=made.sequence, at=made.at, jws=made.jws)
            for anchor in self.settings.anchors:
                unit.later(JOB, anchor=anchor, sequence=made.sequence)
        return made

    async def tend(self, caller: Caller) -> None:
        """Write a checkpoint if it is time for one; safe in every process at once.

        One of a time to come, by a clock that was wrong or by somebody who
        writes the database, keeps no later one from being written.
        """
        last = await self.newest()
        now, every = self.database.clock.now(), millis(self.settings.checkpoint_every)
        if last is None or type(last.at) is not int or not last.at <= now < last.at + every:
            try:
                await self.write(caller)
            except JournalBroken:
                await self.alarm(caller)
                raise

    async def alarm(self, caller: Caller) -> None:
        """Tell the keepers that the schedule found the journal not to be this house's own; nobody else would."""
        async with self.database.unit(caller) as unit:
            await self._alarm(unit)

    async def newest(self) -> Stored | None:
        """Return the newest stored checkpoint."""
        return await self.database.find(queries.NEWEST_CHECKPOINTS, most=1)

    async def bring(self, payload: Mapping[str, Any]) -> None:
        """Bring one checkpoint to one anchor, unless the settings name that no more."""
        stored = await self.database.find(queries.FIND_CHECKPOINT, sequence=payload["sequence"])
        if stored is None or payload["anchor"] not in self.settings.anchors:
            return
        try:
            await self.anchors.deliver(payload["anchor"], stored.jws, stored.at)
        except (AnchorFailed, OSError, OutboundRefused, OutboundFailed) as failure:
            # The outbox tells of a job, and not of which anchor.
            where, why = (
                shown(payload["anchor"]),
                failure if isinstance(failure, AnchorFailed) else type(failure).__name__,
            )
            log.warning("checkpoint %d did not reach the anchor %s (%s)", stored.sequence, where, why)
            raise

    async def owed(self, outbox: Outbox) -> tuple[Stored | None, dict[str, Queued]]:
        """Return the newest checkpoint, and by anchor the job that has not brought it there: waiting, or given up."""
        newest = await self.newest()
        jobs = {
            payload["anchor"]: job
            async for job, payload in outbox.queued(JOB)
            if newest is not None and payload["sequence"] == newest.sequence
        }
        return newest, jobs

    def sign_export(self, claims: dict[str, object]) -> str:
        """Return the house's word for an export as a compact JWS."""
        return sign(claims, self.keys.checkpoint_signer(), EXPORT_TYP)

    def opened(self, jws: str) -> Statement:
        """Return what a checkpoint of this house says.

        Raises:
            StatementRefused: It is none.
        """
        return opened(jws, self.keys.checkpoint_keys())

    async def expect(self, findings: Findings, expectations: Expectations) -> None:
        """Let a verification expect what the newest stored checkpoints say; find gaps and forgeries among them."""
        later: Stored | None = None
        later_says: Statement | None = None
        for stored in await self.database.all(queries.NEWEST_CHECKPOINTS, most=COMPARED):
            if later is not None and stored.sequence != later.sequence - 1:
                words = f"checkpoints between {stored.sequence} and {later.sequence} are gone"
                findings.add(REGISTER, stored.sequence, "checkpoint-missing", words)
            elif later_says is not None and later_says.previous != digest_of(stored.jws):
                words = f"checkpoint {stored.sequence} is not the one that its successor followed"
                findings.add(REGISTER, stored.sequence, "checkpoint-forged", words)
            later, later_says = stored, self._read(stored)
            if later_says is None:
                words = f"checkpoint {stored.sequence} was not signed by this house"
                findings.add(REGISTER, stored.sequence, "checkpoint-forged", words)
            else:
                expectations.add(later_says)

    async def _alarm(self, unit: Unit) -> None:
        if self.journal.on_break is not None:
            await self.journal.on_break(unit, ["checkpoint"])

    def _read(self, stored: Stored) -> Statement | None:
        with contextlib.suppress(StatementRefused, TypeError):  # the latter: SQLite takes bytes for text
            statement = self.opened(stored.jws)
            if (statement.sequence, statement.at) == (stored.sequence, stored.at):
                return statement
        return None

    async def _strands(self, unit: Unit) -> tuple[End, ...]:
        """Return the state of every strand; what nobody vouches for is never signed."""
        heads = {head.strand: head for head in await unit.all(queries.HEADS)}
        bases: dict[int, Base] = {base.strand: base for base in await unit.all(queries.BASES)}
        register = heads.pop(REGISTER, None)
        if register is None or register.head != GENESIS or not await self.journal.is_genuine(register):
            raise JournalBroken("The register of strands is not this house's own: `ostiary journal verify`.")
        if sorted(heads) != list(range(register.entries)) or not bases.keys() <= heads.keys():
            raise JournalBroken("The strands are not those of the register: `ostiary journal verify`.")
        found = []
        for number, head in sorted(heads.items()):
            base = bases.get(number)
            if not await self.journal.is_genuine(head) or (
                base is not None and not await self.journal.is_genuine_base(base)
            ):
                raise JournalBroken(f"Strand {number} is not this house's own: `ostiary journal verify`.")
            begins = (0, GENESIS) if base is None else (base.position, base.chain)
            found.append(end(number, head.entries, head.head, *begins))
        return tuple(found)

    async def _goes_on(self, unit: Unit, known: Statement, strands: tuple[End, ...]) -> bool:
        """Return whether the journal still holds the last entry that the last checkpoint saw of each strand."""
        if known.register > len(strands):
            return False
        for before, now in zip(known.strands, strands, strict=False):
            if now.entries < before.entries or now.base < before.base:
                return False
            last = before.entries - 1
            if last < 0 or last < now.base - 1 or (now.entries, now.head) == (before.entries, before.head):
                continue
            if last == now.base - 1:
                there: bytes | None = now.base_chain
            else:
                found = await unit.find(queries.CHAIN_AT, strand=now.strand, position=last)
                there = found.chain if found else None
            if there != before.head_chain:
                return False
        return True
