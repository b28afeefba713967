"""Named statements that read the journal; nothing here writes."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Integer, bindparam, delete, func, insert, select, tuple_

from ostiary.audit.models import journal_bases, journal_checkpoints
from ostiary.core.clock import Millis
from ostiary.core.db import Insert, Query
from ostiary.core.journal import REGISTER, Base, Entry, Head
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


class Number(msgspec.Struct, frozen=True):
    """A position, or None where there is none."""

    number: int | None


class Chain(msgspec.Struct, frozen=True):
    """The chain value of one entry."""

    chain: bytes


class Stored(msgspec.Struct, frozen=True):
    """A checkpoint as stored."""

    sequence: int
    at: Millis
    jws: str


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

_WITH_KEY = select(*journal.columns, account_keys.c.account_id.label("key_of")).select_from(
    journal.outerjoin(account_keys, account_keys.c.account_id == journal.c.account_id)
)
# One comparison for all three: a whole name is longer than `letters`, a prefix is as long, and nothing is none.
_WANTED = _WITH_KEY.where(
    func.substr(journal.c.action, 1, bindparam("letters", type_=Integer)) == bindparam("action"),
    journal.c.at >= bindparam("since"),
    journal.c.at < bindparam("until"),
)
_PLACE = tuple_(journal.c.at, journal.c.strand, journal.c.position)
_AFTER = tuple_(bindparam("after_at"), bindparam("after_strand"), bindparam("after_position"))

_SHOWN = (
    _WANTED.where(_PLACE < _AFTER)
    .order_by(journal.c.at.desc(), journal.c.strand.desc(), journal.c.position.desc())
    .limit(bindparam("most"))
)
EVERYTHING = Query(_SHOWN, Shown)
OF_ACCOUNT = Query(_SHOWN.where(journal.c.account_id == bindparam("account_id")), Shown)

_FORTH = (
    _WANTED.where(_PLACE > _AFTER).order_by(journal.c.at, journal.c.strand, journal.c.position).limit(bindparam("most"))
)
EVERYTHING_FORTH = Query(_FORTH, Shown)
OF_ACCOUNT_FORTH = Query(_FORTH.where(journal.c.account_id == bindparam("account_id")), Shown)

PART_SHOWN = Query(
    _WITH_KEY.where(
        journal.c.strand == bindparam("strand"),
        journal.c.position >= bindparam("start"),
        journal.c.position < bindparam("end"),
    )
    .order_by(journal.c.position)
    .limit(bindparam("most")),
    Shown,
)


# Where strands begin, and what was deleted before.

BASES = Query(select(journal_bases).order_by(journal_bases.c.strand), Base)
FIND_BASE = Query(select(journal_bases).where(journal_bases.c.strand == bindparam("strand")), Base)


def _put_base(insert_: Insert) -> Any:  # noqa: ANN401 - a Core statement
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in journal_bases.columns}
    statement = insert_(journal_bases).values(values)
    changed = {name: statement.excluded[name] for name in ("position", "chain", "key_id", "mac")}
    return statement.on_conflict_do_update(index_elements=["strand"], set_=changed)


PUT_BASE = Query(_put_base)

FIRST_KEPT = Query(
    select(func.min(journal.c.position).label("number")).where(
        journal.c.strand == bindparam("strand"),
        journal.c.position >= bindparam("start"),
        journal.c.position < bindparam("end"),
        journal.c.at >= bindparam("before"),
    ),
    Number,
)

DELETE_PART = Query(
    delete(journal).where(
        journal.c.strand == bindparam("strand"),
        journal.c.position >= bindparam("start"),
        journal.c.position < bindparam("end"),
    )
)


# Checkpoints.

NEWEST_CHECKPOINTS = Query(
    select(journal_checkpoints).order_by(journal_checkpoints.c.sequence.desc()).limit(bindparam("most")), Stored
)
FIND_CHECKPOINT = Query(
    select(journal_checkpoints).where(journal_checkpoints.c.sequence == bindparam("sequence")), Stored
)
ADD_CHECKPOINT = Query(
    insert(journal_checkpoints).values({column.name: bindparam(column.name) for column in journal_checkpoints.columns})
)
CHAIN_AT = Query(
    select(journal.c.chain).where(journal.c.strand == bindparam("strand"), journal.c.position == bindparam("position")),
    Chain,
)
