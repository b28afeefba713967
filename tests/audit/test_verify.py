"""Whoever edits, deletes, moves, adds or cuts off an entry is found out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import select
from tests.core.db.raw import blob, raw
from tests.house import OpenHouse

from ostiary.audit import Audit, Verdict
from ostiary.audit.service import BATCH
from ostiary.core.db import Query
from ostiary.core.journal import Entry, link
from ostiary.core.tables import journal
from ostiary.wiring import Ostiary

ENTRIES = 12
ALL = Query(select(journal).order_by(journal.c.strand, journal.c.position), Entry)


async def write(house: Ostiary, count: int, first: int = 0) -> None:
    """Write entries, each in a unit of its own."""
    for number in range(first, first + count):
        async with house.database.unit() as unit:
            unit.note("test.written", f"account-{number % 3}", session_id=f"session-{number}", number=number)


async def cut_to_size(house: Ostiary) -> str:
    """Make the journal hold exactly so many entries that a test can count on them; return the database."""
    there = len(await house.database.all(ALL))
    await write(house, ENTRIES - there)
    assert [entry.position for entry in await house.database.all(ALL)] == list(range(ENTRIES))
    return house.database_url


async def verify(house: Ostiary) -> Verdict:
    return await Audit(house.database, house.journal).verify()


def found(verdict: Verdict) -> set[tuple[str, int]]:
    return {(finding.kind, finding.position) for finding in verdict.findings}


async def test_an_untouched_journal_verifies(house: Ostiary) -> None:
    await cut_to_size(house)
    verdict = await verify(house)
    assert verdict.ok, verdict.findings
    assert verdict.entries == ENTRIES
    assert verdict.strands == 1


EDITS = {
    "at": "at = at - 1",
    "action": "action = 'login.succeeded'",
    "account_id": "account_id = 'somebody-else'",
    "account_id to nobody": "account_id = NULL",
    "session_id": "session_id = 'another'",
    "request_id": "request_id = 'another'",
    "details": "details = '{\"number\":7}'",
    "sealed": "sealed = chain",
    "chain": "chain = sealed_or_not",
}


@pytest.mark.parametrize("column", EDITS)
async def test_an_edited_column_is_found(house: Ostiary, column: str) -> None:
    url = await cut_to_size(house)
    change = EDITS[column].replace("sealed_or_not", blob(url, bytes(32)))
    await raw(url, f"UPDATE journal SET {change} WHERE position = 7")

    verdict = await verify(house)

    assert ("edited", 7) in found(verdict)
    assert found(verdict) <= {("edited", 7), ("edited", 8)}  # an edited chain value spoils the next entry's, too
    assert "entry 7 of strand 0" in verdict.findings[0].words


def copied(strand: str, position: str, which: str) -> str:
    """Return the statement that copies entries to another place."""
    rest = "at, action, account_id, session_id, request_id, details, sealed, chain"
    return f"INSERT INTO journal SELECT {strand}, {position}, {rest} FROM journal WHERE {which}"


SET_BACK = (
    "UPDATE journal_strands SET entries = 8, head = (SELECT chain FROM journal WHERE position = 7) WHERE strand = 0"
)

TAMPERINGS: dict[str, tuple[list[str], set[tuple[str, int]]]] = {
    "the first entry deleted": (["DELETE FROM journal WHERE position = 0"], {("missing", 0)}),
    "an entry in the middle deleted": (["DELETE FROM journal WHERE position = 5"], {("missing", 5)}),
    "some in the middle deleted": (["DELETE FROM journal WHERE position BETWEEN 5 AND 7"], {("missing", 5)}),
    "the last entry deleted": (["DELETE FROM journal WHERE position = 11"], {("truncated", 11)}),
    "the tail cut off": (["DELETE FROM journal WHERE position >= 8"], {("truncated", 8)}),
    "every entry deleted": (["DELETE FROM journal"], {("truncated", 0)}),
    "two entries swapped": (
        [
            "UPDATE journal SET position = 1000 WHERE position = 5",
            "UPDATE journal SET position = 5 WHERE position = 6",
            "UPDATE journal SET position = 6 WHERE position = 1000",
        ],
        {("edited", 5), ("edited", 6), ("edited", 7)},
    ),
    "an entry moved to another strand": (
        ["UPDATE journal SET strand = 9 WHERE position = 5"],
        {("missing", 5), ("extra", 0)},
    ),
    "an entry moved behind the end": (
        ["UPDATE journal SET position = 1000 WHERE position = 5"],
        {("missing", 5), ("extra", 12)},
    ),
    "the tail cut off and the end set back": (
        [
            "DELETE FROM journal WHERE position >= 8",
            SET_BACK,
        ],
        {("head-forged", 8)},
    ),
    "the end set back alone": (
        ["UPDATE journal_strands SET entries = 11 WHERE strand = 0"],
        {("head-forged", 11), ("extra", 11)},
    ),
    "the end under an unknown key": (
        ["UPDATE journal_strands SET key_id = 'mine' WHERE strand = 0"],
        {("head-forged", 12)},
    ),
    "an entry written behind the end": (
        [copied("strand", "12", "position = 11")],
        {("extra", 12)},
    ),
    "an entry written before the first": (
        [copied("strand", "-1", "position = 11")],
        {("extra", -1)},
    ),
    "a whole strand deleted": (
        ["DELETE FROM journal WHERE strand = 0", "DELETE FROM journal_strands WHERE strand = 0"],
        {("strand-missing", 0)},
    ),
    "the end of a strand deleted": (["DELETE FROM journal_strands WHERE strand = 0"], {("strand-missing", 0)}),
    "the register deleted": (["DELETE FROM journal_strands WHERE strand = -1"], {("register-forged", 0)}),
    "the register edited": (
        ["UPDATE journal_strands SET entries = 0 WHERE strand = -1"],
        {("register-forged", 0)},
    ),
    "everything deleted": (["DELETE FROM journal", "DELETE FROM journal_strands"], {("register-forged", 0)}),
    "a strand's entries copied": (
        [copied("7", "position", "strand = 0")],
        {("extra", 0)},
    ),
    "a strand copied with its end": (
        [
            copied("7", "position", "strand = 0"),
            "INSERT INTO journal_strands SELECT 7, entries, head, key_id, mac FROM journal_strands WHERE strand = 0",
        ],
        {("extra", 0), ("head-forged", 12), *(("edited", position) for position in range(12))},
    ),
}


@pytest.mark.parametrize("deed", TAMPERINGS)
async def test_tampering_is_found_and_named(house: Ostiary, deed: str) -> None:
    url = await cut_to_size(house)
    statements, expected = TAMPERINGS[deed]
    await raw(url, *statements)

    verdict = await verify(house)

    assert not verdict.ok
    assert found(verdict) == expected
    assert all(finding.words for finding in verdict.findings)


async def forge(house: Ostiary, change: Callable[[Entry], Entry], *, with_end: bool) -> None:
    """Edit entry 6 and link all that follow anew, as somebody does who has read the code but holds no key."""
    from msgspec.structs import replace  # noqa: PLC0415

    entries = await house.database.all(ALL)
    entries[6] = change(entries[6])
    for position in range(6, ENTRIES):
        entry = entries[position]
        entries[position] = replace(entry, chain=link(entries[position - 1].chain, entry))
        await raw(
            house.database_url,
            f"UPDATE journal SET action = '{entry.action}',"
            f" chain = {blob(house.database_url, entries[position].chain)} WHERE position = {position}",
        )
    if with_end:
        head = blob(house.database_url, entries[-1].chain)
        await raw(house.database_url, f"UPDATE journal_strands SET head = {head} WHERE strand = 0")


@pytest.mark.parametrize(("with_end", "expected"), [(False, ("edited", 11)), (True, ("head-forged", 12))])
async def test_a_chain_linked_anew_does_not_meet_its_end(
    house: Ostiary, with_end: bool, expected: tuple[str, int]
) -> None:
    from msgspec.structs import replace  # noqa: PLC0415

    await cut_to_size(house)
    await forge(house, lambda entry: replace(entry, action="test.forged"), with_end=with_end)

    assert found(await verify(house)) == {expected}


GOING_ON: dict[str, tuple[list[str], str]] = {
    deed: (TAMPERINGS[deed][0], kind)
    for deed, kind in {
        "the tail cut off": "missing",
        "the tail cut off and the end set back": "head-forged",
        "the end set back alone": "head-forged",
        "the end under an unknown key": "head-forged",
        "a whole strand deleted": "strand-missing",
        "the end of a strand deleted": "strand-missing",
    }.items()
}


@pytest.mark.parametrize("deed", GOING_ON)
async def test_tampering_is_not_made_good_by_the_next_entry(house: Ostiary, deed: str) -> None:
    """The house vouches for the end of a strand with each entry; it must not vouch for what somebody put there."""
    url = await cut_to_size(house)
    statements, kind = GOING_ON[deed]
    await raw(url, *statements)

    await write(house, 3, first=100)

    verdict = await verify(house)
    assert kind in {finding.kind for finding in verdict.findings}, verdict.findings
    assert verdict.entries >= 3


@pytest.mark.parametrize("storage", ["postgresql"])  # on SQLite no further strand begins: the register stays gone
async def test_a_deleted_register_is_remembered_when_the_next_strand_begins(open_house: OpenHouse) -> None:
    house = await open_house(work=False)
    url = await cut_to_size(house)
    await raw(url, "DELETE FROM journal_strands WHERE strand = -1")
    async with house.database.unit() as holds_a_connection:
        holds_a_connection.note("test.first")
        await holds_a_connection.transaction.strand()
        await write(house, 1)

    assert "register-forged" in {finding.kind for finding in (await verify(house)).findings}


async def test_writers_may_go_on_while_the_journal_is_verified(open_house: OpenHouse) -> None:
    first, second = await open_house(work=False), await open_house(work=False)
    going = True

    async def keep_writing(house: Ostiary) -> int:
        count = 0
        while going:
            await asyncio.gather(*[write(house, 1, first=count) for _ in range(4)])
            count += 4
        return count

    writers = [asyncio.create_task(keep_writing(house)) for house in (first, second)]
    seen: list[int] = []
    async with asyncio.timeout(60):
        while len(seen) < 8 or seen[-1] == seen[0]:  # until they have written beside it, however slow the disk is
            verdict = await verify(first)
            assert verdict.ok, verdict.findings
            seen.append(verdict.entries)
            await asyncio.sleep(0.02)
    going = False
    counts = await asyncio.gather(*writers)

    verdict = await verify(second)
    assert verdict.ok, verdict.findings
    assert seen[-1] > seen[0]
    assert verdict.entries >= sum(counts)


async def test_a_long_journal_is_read_in_parts(house: Ostiary) -> None:
    for _ in range(3):
        async with house.database.unit() as unit:
            for number in range(BATCH):
                unit.note("test.written", number=number)
    steps: list[int] = []

    verdict = await Audit(house.database, house.journal).verify(steps.append)

    assert verdict.ok
    assert verdict.entries == steps[-1] >= 3 * BATCH
    assert all(later - earlier <= BATCH for earlier, later in zip([0, *steps], steps, strict=False))


async def test_findings_have_an_end(house: Ostiary) -> None:
    for _ in range(2):
        async with house.database.unit() as unit:
            for number in range(600):
                unit.note("test.written", number=number)
    await raw(house.database_url, "UPDATE journal SET action = 'x'")

    verdict = await verify(house)

    assert len(verdict.findings) == 1000


ODD = {
    "between two entries": (
        copied("strand", "5.5", "position = 5"),
        "extra",
    ),
    "text as position": (
        copied("strand", "'last'", "position = 5"),
        "extra",
    ),
    "text as strand": (copied("'x'", "0", "position = 5"), "extra"),
    "text as chain": ("UPDATE journal SET chain = 'text' WHERE position = 5", "edited"),
    "text as the sealed part": ("UPDATE journal SET sealed = 'text' WHERE position = 5", "edited"),
    "text as MAC": ("UPDATE journal_strands SET mac = 'text' WHERE strand = 0", "head-forged"),
    "text as number of entries": ("UPDATE journal_strands SET entries = 'many' WHERE strand = 0", "head-forged"),
    "text as the register's MAC": ("UPDATE journal_strands SET mac = 'text' WHERE strand = -1", "register-forged"),
}


@pytest.mark.parametrize("storage", ["sqlite"])  # PostgreSQL's columns take no other kinds
@pytest.mark.parametrize("oddity", ODD)
async def test_a_value_of_a_kind_that_no_house_writes_is_found(house: Ostiary, oddity: str) -> None:
    url = await cut_to_size(house)
    statement, kind = ODD[oddity]
    await raw(url, statement)
    findings = (await verify(house)).findings
    assert kind in {finding.kind for finding in findings}
    assert all(type(number) is int for finding in findings for number in (finding.strand, finding.position))


async def test_a_journal_outlives_the_rotation_of_its_key(open_house: OpenHouse) -> None:
    """Another process may have rotated the key a moment ago: that is no forgery."""
    from ostiary.core.caller import KEEPER  # noqa: PLC0415

    first = await open_house(work=False, keys={"publish_ahead": 0, "jwks_max_age": 0})
    second = await open_house(work=False, keys={"publish_ahead": 0, "jwks_max_age": 0})
    await write(first, 3)
    await first.keys.rotate(KEEPER, ("journal",))
    await write(first, 3)

    assert (await verify(second)).ok
    await write(second, 3)
    await write(first, 3)
    verdict = await verify(first)
    assert verdict.ok, verdict.findings
