"""The journal is written with its cause, without waiting for others, and says nothing personal in the clear."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select
from tests.core.db.raw import raw
from tests.house import PASSWORD, OpenHouse, journalled, lived

from ostiary.audit import Audit
from ostiary.core.caller import Caller
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.core.journal import BREAK, REGISTER, Entry, Head, JournalBlocked
from ostiary.core.tables import journal, journal_strands
from ostiary.passwords import WrongPassword
from ostiary.registration import Application
from ostiary.wiring import Ostiary

CALLER = Caller(request_id="r-1", address="203.0.113.7", agent="Mozilla/5.0 (secret agent)")
ALL = Query(select(journal).order_by(journal.c.strand, journal.c.position), Entry)
HEADS = Query(select(journal_strands).order_by(journal_strands.c.strand), Head)


async def sign_up(house: Ostiary, name: str = "mira") -> str:
    grant = await house.registration.register(CALLER, Application(name, f"{name}@example.org", PASSWORD))
    return grant.account.id


async def is_whole(house: Ostiary) -> bool:
    return (await Audit(house.database, house.journal).verify()).ok


async def test_a_refusal_leaves_an_entry(house: Ostiary) -> None:
    await sign_up(house)
    with pytest.raises(WrongPassword):
        await house.login.with_password(CALLER, "mira", "not the password")
    with pytest.raises(WrongPassword):
        await house.login.with_password(CALLER, "nobody", "not the password")

    assert (await journalled(house)).count("login.failed") == 2
    assert await is_whole(house)


async def test_what_cannot_be_journalled_does_not_happen(house: Ostiary) -> None:
    """D14: the journal fails closed."""
    before = len(await house.accounts.listed())
    await raw(
        house.database_url,
        "INSERT INTO journal SELECT strand, (SELECT entries FROM journal_strands WHERE strand = 0), at, action,"
        " account_id, session_id, request_id, details, sealed, chain FROM journal WHERE position = 0 AND strand = 0",
    )
    with pytest.raises(JournalBlocked):
        await sign_up(house)
    assert len(await house.accounts.listed()) == before


async def test_nothing_personal_stands_in_the_row(house: Ostiary) -> None:
    account_id = await sign_up(house)
    async with house.database.unit(CALLER) as unit:
        unit.note("test.done", account_id, private={"email": "mira@example.org"})
        unit.note("test.done", None, private={"email": "mira@example.org"})

    for entry in await house.database.all(ALL):
        row = repr(entry).encode() + (entry.sealed or b"")
        for word in (b"203.0.113.7", b"secret agent", b"mira", b"example"):
            assert word not in row


async def test_what_is_personal_opens_with_the_accounts_key_alone(house: Ostiary) -> None:
    mira, nils = await sign_up(house), await sign_up(house, "nils")
    entries = [entry for entry in await house.database.all(ALL) if entry.account_id == mira and entry.sealed]
    async with house.database.unit() as unit:
        wrapper = await house.account_keys.find(unit, nils)
        assert wrapper is not None
        for entry in entries:
            opened = await house.journal.unsealed(unit, entry)
            assert opened is not None
            assert opened["address"] == "203.0.113.7"
            with pytest.raises(Exception, match="journal"):
                wrapper.open(entry.sealed or b"", f"journal {entry.request_id} {entry.action}")


async def test_an_erased_accounts_entries_stay_in_the_chain_and_lose_what_is_personal(house: Ostiary) -> None:
    account_id = await sign_up(house)
    count = len(await house.database.all(ALL))
    async with house.database.unit(CALLER) as unit:
        await house.accounts.delete(unit, account_id)

    entries = [entry for entry in await house.database.all(ALL) if entry.account_id == account_id]
    async with house.database.unit() as unit:
        assert [await house.journal.unsealed(unit, entry) for entry in entries if entry.sealed] == [None] * len(entries)
    assert len(await house.database.all(ALL)) == count + 1
    assert await is_whole(house)


async def test_an_entry_after_the_erasure_holds_nothing_personal(house: Ostiary) -> None:
    account_id = await sign_up(house)
    async with house.database.unit(CALLER) as unit:
        await house.accounts.delete(unit, account_id)
    async with house.database.unit(CALLER) as unit:
        unit.note("test.done", account_id, private={"email": "mira@example.org"})
    assert [entry.sealed for entry in await house.database.all(ALL) if entry.action == "test.done"] == [None]


async def test_entries_of_one_unit_stand_together(house: Ostiary, clock: ManualClock) -> None:
    async def write(number: int) -> None:
        async with house.database.unit(Caller(request_id=f"r-{number}")) as unit:
            for part in range(3):
                unit.note("test.done", number=number, part=part)

    await asyncio.gather(*[write(number) for number in range(20)])

    entries = [entry for entry in await house.database.all(ALL) if entry.action == "test.done"]
    assert len(entries) == 60
    for start in range(0, 60, 3):
        group = entries[start : start + 3]
        assert len({(entry.strand, entry.request_id) for entry in group}) == 1
        assert [entry.position - group[0].position for entry in group] == [0, 1, 2]
    assert {entry.at for entry in entries} == {clock.now()}
    assert await is_whole(house)


@pytest.mark.parametrize("storage", ["postgresql"])
async def test_two_writers_do_not_wait_for_each_other(house: Ostiary) -> None:
    """The second commits while the first still holds its transaction, and its strand, open."""
    async with asyncio.timeout(20), house.database.unit() as first:
        first.note("test.first")
        for flush in house.database.flushes:
            await flush(first)  # written, chained, not committed
        first.notes.clear()
        with lived() as seconds:
            for _ in range(5):
                async with house.database.unit() as second:
                    second.note("test.second")
            assert seconds() < 2
        assert (await journalled(house)).count("test.second") == 5
        assert "test.first" not in await journalled(house)

    assert "test.first" in await journalled(house)
    assert [head.strand for head in await house.database.all(HEADS)] == [REGISTER, 0, 1]
    assert await is_whole(house)


@pytest.mark.parametrize("storage", ["postgresql"])
async def test_a_strand_whose_first_unit_never_commits_is_not_missed(open_house: OpenHouse) -> None:
    """Strands are claimed lowest first; a lower one may fail after a higher one has committed."""
    house, other = await open_house(work=False), await open_house(work=False)
    with pytest.raises(ZeroDivisionError):
        await _claim_and_fail(house, other)

    assert [head.strand for head in await other.database.all(HEADS)] == [REGISTER, 0, 1, 2]
    assert await is_whole(other)
    await asyncio.gather(*[_write_slowly(house) for _ in range(4)])
    assert await is_whole(other)
    assert BREAK not in await journalled(other)


async def _claim_and_fail(house: Ostiary, other: Ostiary) -> None:
    async with house.database.unit() as zero, house.database.unit() as one:
        assert await zero.transaction.strand() == 0
        assert await one.transaction.strand() == 1
        async with other.database.unit() as two:
            two.note("test.done")
        raise ZeroDivisionError


async def _write_slowly(house: Ostiary) -> None:
    async with house.database.unit() as unit:
        unit.note("test.done")
        await unit.transaction.strand()
        await asyncio.sleep(0.05)


async def test_a_forged_end_is_written_down_once(house: Ostiary) -> None:
    await raw(house.database_url, "UPDATE journal_strands SET entries = 2 WHERE strand = 0")
    for _ in range(3):
        async with house.database.unit() as unit:
            unit.note("test.done")
    actions = await journalled(house)
    assert actions.count(BREAK) == 1
    assert actions.count("test.done") == 3
