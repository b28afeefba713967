"""Old entries go, and what remains is still proved; what somebody else deletes is still found."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.audit.written import entries, exported, found, kinds, put_back, saved, verified, write
from tests.core.db.raw import blob, raw
from tests.house import OpenHouse, journalled

from ostiary.audit import Wanted, retention
from ostiary.core.caller import HOUSE, KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.journal import JournalBroken
from ostiary.wiring import Ostiary


async def old_and_new(house: Ostiary, clock: ManualClock) -> int:
    """Write old entries, then new ones; return the moment between them."""
    await write(house, 6)
    clock.advance(days=10)
    between = clock.now()
    await write(house, 4, first=100)
    return between


async def test_what_is_old_goes_and_what_remains_is_proved(house: Ostiary, clock: ManualClock) -> None:
    between = await old_and_new(house, clock)
    before = len(await entries(house))

    gone = await house.retention.prune(KEEPER, between)

    there = await entries(house)
    assert gone >= 6
    assert len(there) == before - gone + 1  # and the one that says so
    assert min(entry.at for entry in there if entry.action == "test.written") >= between
    assert (await journalled(house))[-1] == "journal.pruned"
    assert len((await house.audit.search(Wanted(action="test.*"))).lines) == 4
    verdict = await house.audit.verify()
    assert verdict.ok, verdict.findings
    offline = verified(house, await exported(house))
    assert offline.ok, offline.findings
    statement = house.checkpoints.opened((await house.checkpoints.newest()).jws)  # type: ignore[union-attr]
    assert sum(end.base for end in statement.strands) == gone


async def test_the_journal_goes_on_and_is_pruned_again(house: Ostiary, clock: ManualClock) -> None:
    for _ in range(3):
        await house.retention.prune(KEEPER, await old_and_new(house, clock))
        verdict = await house.audit.verify()
        assert verdict.ok, verdict.findings
    assert (await journalled(house)).count("journal.pruned") >= 1
    assert verified(house, await exported(house)).ok


async def test_a_plan_deletes_nothing(house: Ostiary, clock: ManualClock) -> None:
    between = await old_and_new(house, clock)
    before = await entries(house)
    cuts = await house.retention.plan(KEEPER, between)
    assert await entries(house) == before
    assert await house.retention.prune(KEEPER, between) == sum(cut.entries for cut in cuts)


async def test_the_last_entry_of_a_strand_stays(house: Ostiary, clock: ManualClock) -> None:
    await write(house, 3)
    clock.advance(days=1)
    await house.retention.prune(KEEPER, clock.now())
    assert (await house.audit.verify()).ok
    await write(house, 3)
    assert (await house.audit.verify()).ok


async def test_the_schedule_prunes_what_the_setting_says_and_nothing_by_default(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    forgetful = await open_house(work=False, journal={"keep": timedelta(days=5)})
    eternal = await open_house(work=False)
    await old_and_new(eternal, clock)
    before = len(await entries(eternal))
    await eternal.retention.tend(HOUSE)
    assert len(await entries(eternal)) == before
    await forgetful.retention.tend(HOUSE)
    assert len(await entries(eternal)) < before
    assert (await eternal.audit.verify()).ok


async def test_pruning_at_once_deletes_once(open_house: OpenHouse, clock: ManualClock) -> None:
    houses = [await open_house(work=False), await open_house(work=False)]
    between = await old_and_new(houses[0], clock)
    before = len(await entries(houses[0]))
    gone = sum(await asyncio.gather(*[house.retention.prune(KEEPER, between) for house in houses * 2]))
    told = (await journalled(houses[0])).count("journal.pruned")
    assert len(await entries(houses[0])) == before - gone + told
    verdict = await houses[1].audit.verify()
    assert verdict.ok, verdict.findings


async def test_writers_and_verifiers_go_on_meanwhile(
    open_house: OpenHouse, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    house = await open_house(work=False)
    await write(house, 60)
    clock.advance(days=10)

    async def keep_verifying() -> None:
        for _ in range(5):
            verdict = await house.audit.verify()
            assert verdict.ok, verdict.findings
            await asyncio.sleep(0)

    gone, *_ = await asyncio.gather(
        house.retention.prune(KEEPER, clock.now()), write(house, 20), write(house, 20), keep_verifying()
    )
    assert gone >= 60
    assert (await house.audit.verify()).ok


async def test_what_was_tampered_with_is_evidence_and_stays(house: Ostiary, clock: ManualClock) -> None:
    between = await old_and_new(house, clock)
    where = "position = 3 AND strand = 0"
    await raw(house.database_url, f"UPDATE journal SET details = '{{}}' WHERE {where}")
    before = await entries(house)
    with pytest.raises(JournalBroken):
        await house.retention.prune(KEEPER, between)
    assert [entry.position for entry in await entries(house)] == [entry.position for entry in before]
    assert "journal.pruned" not in await journalled(house)


async def test_a_break_that_was_noted_goes_when_its_time_comes_and_no_sooner(
    house: Ostiary, clock: ManualClock
) -> None:
    """Else whoever sets an end back once would have what is personal kept for ever."""
    await write(house, 3)
    await raw(house.database_url, "UPDATE journal_strands SET entries = entries - 1 WHERE strand = 0")
    await write(house, 3)
    assert "journal.break_found" in await journalled(house)
    clock.advance(days=10)
    (noted,) = [entry for entry in await entries(house) if entry.action == "journal.break_found"]

    await house.retention.prune(KEEPER, noted.at)
    assert "journal.break_found" in await journalled(house)
    await house.retention.prune(KEEPER, clock.now())
    assert "journal.break_found" not in await journalled(house)
    # What was told to the keepers does not hang on the entry.
    assert [alert.kind for alert in await house.alerts.listed()] == ["journal_broken"]


BY_HAND = {
    "entries before the base deleted without one": (["DELETE FROM journal WHERE position < 3"], {("missing", 0)}),
    "a base without a MAC": (
        [
            "DELETE FROM journal WHERE position < 3",
            "INSERT INTO journal_bases SELECT 0, 3, CHAIN_2, 'mine', CHAIN_2 FROM journal_strands WHERE strand = 0",
        ],
        {("base-forged", 0)},
    ),
    "the end of a strand taken for its base": (
        [
            "DELETE FROM journal WHERE position < 3",
            "INSERT INTO journal_bases SELECT 0, entries, head, key_id, mac FROM journal_strands WHERE strand = 0",
        ],
        {("base-forged", 0)},
    ),
}


@pytest.mark.parametrize("deed", BY_HAND)
async def test_deleting_by_hand_is_found(house: Ostiary, deed: str) -> None:
    await write(house, 4)
    statements, expected = BY_HAND[deed]
    chain = blob(house.database_url, (await entries(house))[2].chain)
    await raw(house.database_url, *[statement.replace("CHAIN_2", chain) for statement in statements])
    assert expected <= found(await house.audit.verify())


async def test_a_base_that_is_moved_deleted_or_put_back_is_found(house: Ostiary, clock: ManualClock) -> None:
    url = house.database_url
    between = await old_and_new(house, clock)
    await house.checkpoints.write(KEEPER)
    await saved(url)
    await house.retention.prune(KEEPER, between)
    base = (await entries(house))[0].position
    assert (await house.audit.verify()).ok

    await raw(url, "CREATE TABLE later_bases AS SELECT * FROM journal_bases")
    await raw(url, "UPDATE journal_bases SET position = position + 1", f"DELETE FROM journal WHERE position = {base}")
    assert "base-forged" in kinds(await house.audit.verify())
    await raw(url, "DELETE FROM journal_bases")
    assert ("missing", 0) in found(await house.audit.verify())
    await put_back(url, "journal_bases")
    assert not (await house.audit.verify()).ok


async def test_entries_put_back_before_the_base_are_found(house: Ostiary, clock: ManualClock) -> None:
    url = house.database_url
    between = await old_and_new(house, clock)
    await saved(url)
    await house.retention.prune(KEEPER, between)
    await raw(url, "INSERT INTO journal SELECT * FROM kept_journal WHERE position = 0 AND strand = 0")
    assert ("extra", 0) in found(await house.audit.verify())


async def test_an_old_anchored_checkpoint_still_counts_after_pruning(house: Ostiary, clock: ManualClock) -> None:
    await write(house, 3)
    ancient = (await house.checkpoints.write(KEEPER)).jws
    between = await old_and_new(house, clock)
    recent = (await house.checkpoints.write(KEEPER)).jws
    await house.retention.prune(KEEPER, between)
    assert (await house.audit.verify(anchored=[ancient, recent])).ok
    assert verified(house, await exported(house), ancient, recent).ok
