"""Everything that is stored about one person, as one JSON document, written a page at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ostiary.core.clock import iso, iso_or_none

if TYPE_CHECKING:
    from ostiary.audit import Audit, Line, Place
    from ostiary.core.db import Database, Unit
    from ostiary.core.jobs import Outbox, Queued
    from ostiary.places import Places
    from ostiary.sessions import Session, Sessions

FORMAT = "ostiary.personal/1"
PAGE = 200
"""Journal entries in memory at a time."""

Records = AsyncIterator[dict[str, Any]]


class Source(Protocol):
    """A part of the house that keeps a little about each person, and says what."""

    def personal(self, unit: Unit, account_id: str) -> Awaitable[dict[str, Any]]:
        """Return sections of an export by name."""
        ...


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Gathers what each part of the house says about a person.

    Each reads its own tables alone. What is bounded by its nature comes from
    the sources in one unit; sessions, queued letters and the journal are
    streamed. `privacy.inventory` says of every column where it is found here.
    """

    database: Database
    sources: Sequence[Source]
    sessions: Sessions
    outbox: Outbox
    audit: Audit
    places: Places

    async def written(self, account_id: str) -> AsyncIterator[bytes]:
        """Yield the document in parts; cut off anywhere, it is no JSON.

        Raises:
            NoSuchAccount: It is not there; raised before the first part.
        """
        document: dict[str, Any] = {"format": FORMAT, "exported_at": iso(self.database.clock.now())}
        async with self.database.unit() as unit:
            for source in self.sources:
                document |= await source.personal(unit, account_id)
        yield msgspec.json.encode(document)[:-1]
        for name, records in (
            ("sessions", self._sessions(account_id)),
            ("letters", self._letters(account_id)),
            ("journal", self._journal(account_id)),
        ):
            yield f',\n"{name}":['.encode()
            before = b"\n"
            async for record in records:
                yield before + msgspec.json.encode(record)
                before = b",\n"
            yield b"]"
        yield b"}\n"

    async def _sessions(self, account_id: str) -> Records:
        async for session in self.sessions.of_account(account_id):
            yield _session(session) | {"place": self.places.describe(session.address)}

    async def _letters(self, account_id: str) -> Records:
        async for job, payload in self.outbox.naming(account_id):
            yield _letter(job, payload)

    async def _journal(self, account_id: str) -> Records:
        after: Place | None = None
        while lines := await self.audit.listed(account_id, after=after, most=PAGE):
            for line in lines:
                yield _entry(line)
            after = lines[-1].place


def _session(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "started_at": iso(session.started_at),
        "authenticated_at": iso(session.authenticated_at),
        "methods": session.methods.split(),
        "seen_at": iso(session.seen_at),
        "refreshed_at": iso(session.refreshed_at),
        "refreshes": session.generation,
        "refreshed_by": session.refreshed_by,
        "idle_ends_at": iso(session.idle_ends_at),
        "ends_at": iso(session.ends_at),
        "ended_at": iso_or_none(session.ended_at),
        "end_reason": session.end_reason,
        "epoch": session.account_epoch,
        "browser": session.device_id,
        "device": session.device,
        "agent": session.agent,
        "address": session.address,
        "bound_at": iso_or_none(session.bound_at),
        "proven_at": iso_or_none(session.proven_at),
    }


def _letter(job: Queued, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": job.id,
        "job": job.job,
        "payload": payload,
        "run_at": iso(job.run_at),
        "attempts": job.attempts,
        "failed_at": iso_or_none(job.failed_at),
        "last_error": job.last_error,
    }


def _entry(line: Line) -> dict[str, Any]:
    return {
        "strand": line.strand,
        "position": line.position,
        "at": iso(line.at),
        "action": line.action,
        "session_id": line.session_id,
        "request_id": line.request_id,
        "details": line.details,
        "private": line.private,
    }
