"""Named statements that read the journal; nothing here writes."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, func, or_, select, tuple_

from ostiary.core.clock import Millis
from ostiary.core.db import Query
from ostiary.core.journal import REGISTER, Entry, Head
from ostiary.core.tables import account_keys, journal, journal_strands


class Place(NamedTuple):
    """Where an entry stands when the journal is read by time."""

    at: Millis
    strand: int
    position: int


class Line(msgspec.Struct, frozen=True):
    """One line of the journal for a reader; `private` is None where the account's key is gone (D12)."""

    strand: int
    position: int
    at: Millis
    action: str
    account_id: str | None
    session_id: str | None
    request_id: str
    details: dict[str, Any]
    private: dict[str, str] | None

    @property
    def place(self) -> Place:
        """Where to go on reading."""
        return Place(self.at, self.strand, self.position)


class Shown(Entry, frozen=True):
    """An entry, and the account whose data key still exists."""

    key_of: str | None


class Bounds(msgspec.Struct, frozen=True):
    """What the end of a strand says, beside what the table holds."""

    strand: int
    entries: int
    first: int | None
    last: int | None


class Found(msgspec.Struct, frozen=True):
    """A strand that has entries."""

    strand: int | None


HEADS = Query(select(journal_strands).order_by(journal_strands.c.strand), Head)

PART = Query(
    select(journal)
    .where(
        journal.c.strand == bindparam("strand"),
        journal.c.position >= bindparam("start"),
        journal.c.position < bindparam("end"),
    )
    .order_by(journal.c.position)
    .limit(bindparam("most")),
    Entry,
)

_OF_STRAND = journal.c.strand == journal_strands.c.strand

# One statement, so that both sides are of one moment while writers go on.
BOUNDS = Query(
    select(
        journal_strands.c.strand,
        journal_strands.c.entries,
        select(func.min(journal.c.position)).where(_OF_STRAND).scalar_subquery().label("first"),
        select(func.max(journal.c.position)).where(_OF_STRAND).scalar_subquery().label("last"),
    )
    .where(journal_strands.c.strand != REGISTER)
    .order_by(journal_strands.c.strand),
    Bounds,
)

# From strand to strand by the index: a million entries are not looked through.
FIRST_STRAND = Query(select(func.min(journal.c.strand).label("strand")), Found)
NEXT_STRAND = Query(
    select(func.min(journal.c.strand).label("strand")).where(journal.c.strand > bindparam("after")), Found
)

_SHOWN = (
    select(*journal.columns, account_keys.c.account_id.label("key_of"))
    .select_from(journal.outerjoin(account_keys, account_keys.c.account_id == journal.c.account_id))
    .where(
        or_(journal.c.action == bindparam("action"), bindparam("any_action") == 1),
        journal.c.at >= bindparam("since"),
        journal.c.at < bindparam("until"),
        tuple_(journal.c.at, journal.c.strand, journal.c.position)
        < tuple_(bindparam("after_at"), bindparam("after_strand"), bindparam("after_position")),
    )
    .order_by(journal.c.at.desc(), journal.c.strand.desc(), journal.c.position.desc())
    .limit(bindparam("most"))
)
EVERYTHING = Query(_SHOWN, Shown)
OF_ACCOUNT = Query(_SHOWN.where(journal.c.account_id == bindparam("account_id")), Shown)
