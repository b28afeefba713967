"""Names made up by the thousand neither fill the tables nor push out a lock (D5); by the million: `names.py`."""

from __future__ import annotations

from typing import Any

from tests.house import OpenHouse, client_of
from tests.protection.attempts import WRONG, statuses
from tests.protection.names import make_up, rows, rows_of_each

from ostiary.core.clock import ManualClock
from ostiary.core.limits import DatabaseLimiter, MemoryLimiter

MANY = {"stuffing_names": 10**6, "login_failures_per_minute": 10**6, "login_failures_per_hour": 10**6}
CAP = 1_000


async def test_the_table_of_counters_has_a_cap_that_spares_locks(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(work=False, protection=MANY)
    house.protection._limiter._largest = CAP
    async with client_of(house) as client:
        assert (await statuses(client, "mira", *[WRONG] * 7))[-1] == 423

        most, left = await make_up(house, clock, 1_500)

        assert most > CAP >= left
        assert await statuses(client, "mira", WRONG) == [423]


async def test_counters_go_when_their_window_is_over(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(work=False, protection=MANY)
    await make_up(house, clock, 300)
    assert await rows(house) > 300

    clock.advance(hours=2)
    await house.protection.prune()

    assert await rows(house) == 0


async def test_an_hour_later_a_made_up_name_has_left_an_entry_in_the_journal_and_nothing_else(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    house = await open_house(work=False, protection=MANY)
    before = await rows_of_each(house)
    await make_up(house, clock, 300, whole=True)
    async with client_of(house) as client:
        assert await statuses(client, "nobody", *[WRONG] * 10) == [401] * 5 + [429] + [423] * 4
    assert await rows(house) > 7 * 300

    clock.advance(hours=2)
    await house.outbox.drain()
    await house.protection.prune()

    after = await rows_of_each(house)
    assert after.pop("journal") == before.pop("journal") + 310
    del after["journal_strands"], before["journal_strands"]  # one for each place where the chain is written: a few
    assert after == before


async def test_in_memory_there_is_a_cap_as_well(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(work=False, protection=MANY | {"counters": "memory"})
    memory: Any = house.limiter
    assert isinstance(memory, MemoryLimiter)
    memory._largest = CAP

    await make_up(house, clock, 3_000)

    assert len(memory) <= CAP
    assert isinstance(house.protection._durable, DatabaseLimiter)
