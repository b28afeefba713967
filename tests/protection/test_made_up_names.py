"""Names made up by the thousand neither fill the tables nor push out a lock (D5); by the million: `names.py`."""

from __future__ import annotations

from typing import Any

from tests.house import OpenHouse, client_of
from tests.protection.attempts import WRONG, statuses
from tests.protection.names import make_up, rows

from ostiary.core.clock import ManualClock
from ostiary.core.limits import DatabaseLimiter, MemoryLimiter

MANY = {"login_failures_per_minute": 10**6, "login_failures_per_hour": 10**6}
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


async def test_in_memory_there_is_a_cap_as_well(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(work=False, protection=MANY | {"counters": "memory"})
    memory: Any = house.limiter
    assert isinstance(memory, MemoryLimiter)
    memory._largest = CAP

    await make_up(house, clock, 3_000)

    assert len(memory) <= CAP
    assert isinstance(house.protection._durable, DatabaseLimiter)
