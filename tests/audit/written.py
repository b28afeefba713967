"""What the tests of the journal share: entries, exports, and a few short words for them."""

from __future__ import annotations

import io

from sqlalchemy import select
from tests.core.db.raw import raw

from ostiary.audit import Order, Verdict, verify_export
from ostiary.core.caller import KEEPER, Caller
from ostiary.core.db import Query
from ostiary.core.journal import Entry
from ostiary.core.tables import journal
from ostiary.wiring import Ostiary

ALL = Query(select(journal).order_by(journal.c.strand, journal.c.position), Entry)
CALLER = Caller(request_id="r-1", address="203.0.113.7", agent="Mozilla/5.0", session_id="s-1")


async def write(house: Ostiary, count: int, first: int = 0, caller: Caller = CALLER) -> None:
    """Write entries, each in a unit of its own."""
    for number in range(first, first + count):
        async with house.database.unit(caller) as unit:
            unit.note("test.written", None, number=number)


async def entries(house: Ostiary) -> list[Entry]:
    return await house.database.all(ALL)


async def exported(house: Ostiary, order: Order | None = None) -> bytes:
    sink = io.BytesIO()
    await house.export.write(KEEPER, sink, order or Order())
    return sink.getvalue()


def verified(house: Ostiary, export: bytes, *anchored: str) -> Verdict:
    """Verify an export with the public keys alone."""
    return verify_export(io.BytesIO(export), house.keys.checkpoint_keys(), anchored)


def found(verdict: Verdict) -> set[tuple[str, int]]:
    return {(finding.kind, finding.position) for finding in verdict.findings}


def kinds(verdict: Verdict) -> set[str]:
    return {finding.kind for finding in verdict.findings}


TABLES = ("journal", "journal_strands", "journal_checkpoints", "journal_bases")


async def saved(url: str) -> None:
    """Keep a copy of all that the journal is, beside it."""
    for table in TABLES:
        await raw(url, f"DROP TABLE IF EXISTS kept_{table}", f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")


async def put_back(url: str, *tables: str) -> None:
    """Put the copy back, as somebody does who may write the database but knows no key."""
    for table in tables or TABLES:
        await raw(url, f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM kept_{table}")
