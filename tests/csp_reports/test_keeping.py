"""How reports are kept: few rows, few writes, and none of them in anybody's way."""

from __future__ import annotations

import asyncio

import pytest
from tests.csp_reports.samples import LEGACY, legacy
from tests.house import ORIGIN, OpenHouse

from ostiary.core.caller import KEEPER, Caller
from ostiary.core.clock import ManualClock
from ostiary.core.db import DatabaseUnavailable, Unit
from ostiary.csp_reports import Report, read
from ostiary.csp_reports import service as keeping
from ostiary.wiring import Ostiary

ROOMY = {"csp_reports_per_minute": 100_000, "csp_reports_per_minute_in_all": 100_000}
SOMEBODY = Caller(address="203.0.113.7")


def of_kind(number: int) -> Report:
    (report,) = read(LEGACY, legacy(blocked_uri=f"https://e{number}.example"), frozenset({ORIGIN}))
    return report


async def test_the_least_recently_seen_makes_room(open_house: OpenHouse, clock: ManualClock) -> None:
    house: Ostiary = await open_house(work=False, protection=ROOMY, csp_reports={"most_groups": 10})
    for number in (*range(10), 0, 10, 11):
        await house.csp_reports.take(SOMEBODY, [of_kind(number)])
        await house.csp_reports.write()
        clock.advance(seconds=1)

    kept = [
        int(group.blocked.removeprefix("https://e").partition(".")[0]) for group in await house.csp_reports.listed()
    ]
    assert kept == [11, 10, 0, 9, 8, 7, 6, 5, 4, 3]


async def test_no_more_waits_in_memory_than_may_be_kept(open_house: OpenHouse) -> None:
    house: Ostiary = await open_house(work=False, protection=ROOMY, csp_reports={"most_groups": 10})

    assert await house.csp_reports.take(SOMEBODY, [of_kind(number) for number in range(30)]) == 10
    assert await house.csp_reports.write() == 10


async def test_a_flood_is_written_once_a_second_however_many_come(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house: Ostiary = await open_house(work=False, protection=ROOMY)
    commits = 0
    commit = Unit.__aexit__

    async def counted(unit: Unit, *failure: object) -> None:
        nonlocal commits
        commits += 1
        await commit(unit, *failure)  # type: ignore[arg-type]

    monkeypatch.setattr(Unit, "__aexit__", counted)
    monkeypatch.setattr(keeping, "WRITE_EVERY_SECONDS", 0.1)
    loop = asyncio.get_running_loop()
    started, sent = loop.time(), 0
    async with asyncio.timeout(20):
        # The flood goes on until it was written twice: a process that is suspended sends its six hundred before that.
        while sent < 600 or loop.time() - started < 0.35 or commits < 2:
            await house.csp_reports.take(SOMEBODY, [of_kind(sent % 7)])
            sent += 1
            await asyncio.sleep(0)
    lasted = loop.time() - started
    await house.csp_reports.close()

    assert 2 <= commits <= lasted / 0.1 + 2
    assert sum(group.count for group in await house.csp_reports.listed()) == sent


async def seen(house: Ostiary, count: int) -> None:
    """Wait until so many reports are kept, by the house's own writing."""
    async with asyncio.timeout(20):
        while sum(group.count for group in await house.csp_reports.listed()) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_it_is_written_by_itself_again_and_again_and_a_database_that_is_away_ends_nothing(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeping, "WRITE_EVERY_SECONDS", 0.05)
    house: Ostiary = await open_house(work=False)
    await house.csp_reports.take(SOMEBODY, [of_kind(1)])
    await seen(house, 1)

    async def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(Unit, "run", away)
        await house.csp_reports.take(SOMEBODY, [of_kind(2)])
        async with asyncio.timeout(20):
            while "were dropped (DatabaseUnavailable)" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    await house.csp_reports.take(SOMEBODY, [of_kind(3)])
    await seen(house, 2)


async def test_more_groups_than_one_statement_takes_are_all_written(open_house: OpenHouse) -> None:
    house: Ostiary = await open_house(work=False, protection=ROOMY)
    await house.csp_reports.take(SOMEBODY, [of_kind(number) for number in range(2 * keeping.BATCH + 1)])
    await house.csp_reports.write()

    assert len(await house.csp_reports.listed(most=500)) == 2 * keeping.BATCH + 1


async def test_processes_that_make_room_do_not_wait_for_each_other(open_house: OpenHouse, clock: ManualClock) -> None:
    """One would delete what the other has just counted, and wait for it with a row in hand that the other waits for."""
    settings = {"protection": ROOMY, "csp_reports": {"most_groups": 10}}
    one, other = await open_house(work=False, **settings), await open_house(work=False, **settings)
    kinds = sorted(map(of_kind, range(60)), key=lambda report: report.group)
    for oldest, newest in zip(kinds[:25], kinds[-25:], strict=True):
        await one.csp_reports.clear(KEEPER)
        await one.csp_reports.take(SOMEBODY, [oldest])
        clock.advance(seconds=1)
        await one.csp_reports.take(SOMEBODY, kinds[25:34])
        await one.csp_reports.write()
        clock.advance(seconds=1)
        await one.csp_reports.take(SOMEBODY, [newest])
        await other.csp_reports.take(SOMEBODY, [oldest, newest])
        await asyncio.gather(one.csp_reports.write(), other.csp_reports.write())

        assert {group.id for group in await one.csp_reports.listed()} > {newest.group}


async def test_what_waits_is_written_when_the_house_closes(open_house: OpenHouse) -> None:
    first: Ostiary = await open_house(work=False)
    await first.csp_reports.take(SOMEBODY, [of_kind(1)])
    await first.close()

    second: Ostiary = await open_house(work=False)
    assert [group.count for group in await second.csp_reports.listed()] == [1]


async def test_two_processes_count_in_one_row(open_house: OpenHouse) -> None:
    here, there = await open_house(work=False), await open_house(work=False)
    for house in (here, there):
        await house.csp_reports.take(SOMEBODY, [of_kind(number) for number in range(10)])
    await asyncio.gather(here.csp_reports.write(), there.csp_reports.write())

    assert [group.count for group in await here.csp_reports.listed()] == [2] * 10
