"""How reports are kept: few rows, few writes, and none of them in anybody's way."""

from __future__ import annotations

import asyncio

import pytest
from tests.csp_reports.samples import LEGACY, legacy
from tests.house import ORIGIN, OpenHouse

from ostiary.core.caller import Caller
from ostiary.core.clock import ManualClock
from ostiary.core.db import Unit
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
    while sent < 600 or loop.time() - started < 0.35:
        await house.csp_reports.take(SOMEBODY, [of_kind(sent % 7)])
        sent += 1
        await asyncio.sleep(0)
    lasted = loop.time() - started
    await house.csp_reports.close()

    assert 2 <= commits <= lasted / 0.1 + 2
    assert sum(group.count for group in await house.csp_reports.listed()) == sent


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
