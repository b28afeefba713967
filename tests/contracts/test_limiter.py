"""Every limiter counts alike: in memory, in either database, in Valkey."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from ostiary.core import valkey as valkey_module
from ostiary.core.clock import ManualClock
from ostiary.core.db import Database, driver_for
from ostiary.core.limits import Count, DatabaseLimiter, Limit, Limiter, MemoryLimiter, Spend, seconds_until
from ostiary.core.valkey import ValkeyLimiter

MINUTE = 60_000
PLAIN = Limit("test.plain", 5, timedelta(minutes=1))
HARSH = Limit("test.harsh", 3, timedelta(hours=1), timedelta(minutes=30))
FIRST_IS_LAST = Limit("test.first", 1, timedelta(minutes=1), timedelta(minutes=30))


@pytest.fixture(params=["memory", "sqlite", "postgresql", "valkey"])
def place(request: pytest.FixtureRequest) -> str:
    """Each test runs on every implementation."""
    kind: str = request.param
    return kind


@pytest.fixture
def storage(place: str) -> str:
    """The database of `database_url`, where one counts."""
    return place


@pytest.fixture
def url(place: str, request: pytest.FixtureRequest) -> str:
    """Where the counters are."""
    if place == "memory":
        return ""
    found: str = request.getfixturevalue("valkey_url" if place == "valkey" else "database_url")
    return found


@pytest.fixture
async def two(
    place: str, url: str, clock: ManualClock, patience: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Limiter, Limiter]]:
    """The limiters of two processes with the same counters; in memory there is only one process."""
    for name in ("TIMEOUT_SECONDS", "PATIENCE_SECONDS"):  # a machine that stands still is no outage of Valkey
        monkeypatch.setattr(valkey_module, name, 60.0)
    async with AsyncExitStack() as stack:
        if place == "memory":
            only = MemoryLimiter(clock)
            yield only, only
            return
        found: list[Limiter] = []
        for _ in range(2):
            if place == "valkey":
                valkey = ValkeyLimiter(url, clock)
                stack.push_async_callback(valkey.close)
                found.append(valkey)
                continue
            driver = driver_for(url)
            await driver.open()
            stack.push_async_callback(driver.close)
            found.append(DatabaseLimiter(Database(driver, clock)))
        yield found[0], found[1]


@pytest.fixture
def limiter(two: tuple[Limiter, Limiter]) -> Limiter:
    """One of them."""
    return two[0]


def plain(who: bytes = b"somebody") -> Spend:
    return Spend(PLAIN, who)


def harsh(who: bytes = b"somebody") -> Spend:
    return Spend(HARSH, who)


async def spent(limiter: Limiter, spend: Spend, times: int) -> Count:
    for _ in range(times):
        (count,) = await limiter.spend(spend)
    return count


async def test_200_spends_at_once_are_each_counted_once(two: tuple[Limiter, Limiter]) -> None:
    found = await asyncio.gather(*(two[number % 2].spend(plain()) for number in range(200)))

    assert sorted(count.spent for (count,) in found) == list(range(1, 201))


async def test_of_many_at_once_exactly_the_limit_are_allowed_on_each_counter(two: tuple[Limiter, Limiter]) -> None:
    whom = [b"one", b"two", b"three", b"four"]
    asked = [(whom[number % 4], two[number // 4 % 2]) for number in range(120)]

    found = await asyncio.gather(*(limiter.spend(plain(who)) for who, limiter in asked))

    allowed = Counter(who for (who, _), (count,) in zip(asked, found, strict=True) if count.spent <= PLAIN.number)
    assert allowed == dict.fromkeys(whom, PLAIN.number)


async def test_spends_in_opposite_orders_do_not_lock_each_other_out(two: tuple[Limiter, Limiter]) -> None:
    there = [plain(b"a"), plain(b"b"), harsh(b"a"), harsh(b"b")]
    back = there[::-1]
    for _ in range(20):
        await two[0].spend(*there)

    async with asyncio.timeout(30):
        await asyncio.gather(
            *(two[number % 2].spend(*(there if number // 2 % 2 else back)) for number in range(100)),
            *(two[number % 2].give_back(*(back if number // 2 % 2 else there)) for number in range(20)),
        )

    assert [count.spent for count in await two[0].spend(*there)] == [101] * 4


async def test_counts_come_back_in_the_order_of_the_spends(limiter: Limiter) -> None:
    await spent(limiter, plain(b"z"), 2)
    await spent(limiter, plain(b"a"), 3)

    counts = await limiter.spend(plain(b"z"), harsh(b"m"), plain(b"a"))

    assert [count.spent for count in counts] == [3, 1, 4]


async def test_a_counter_named_twice_counts_twice(limiter: Limiter) -> None:
    assert [count.spent for count in await limiter.spend(plain(), plain())] == [1, 2]


async def test_a_window_is_counted_from_the_first_spend(limiter: Limiter, clock: ManualClock) -> None:
    opened_at = clock.now()
    await limiter.spend(plain())
    clock.advance(seconds=59)

    (late,) = await limiter.spend(plain())

    assert late == Count(2, opened_at + MINUTE)


async def test_a_window_that_is_over_begins_anew(limiter: Limiter, clock: ManualClock) -> None:
    await spent(limiter, plain(), 9)
    clock.advance(minutes=1)

    (count,) = await limiter.spend(plain())

    assert count == Count(1, clock.now() + MINUTE)


async def test_the_last_allowed_one_shuts_the_door_for_the_penalty(limiter: Limiter, clock: ManualClock) -> None:
    before = await spent(limiter, harsh(), 2)
    clock.advance(minutes=50)

    (last,) = await limiter.spend(harsh())

    assert before.closes_at == clock.now() + 10 * MINUTE
    assert last == Count(3, clock.now() + 30 * MINUTE)


async def test_knocking_at_a_shut_door_does_not_keep_it_shut(limiter: Limiter, clock: ManualClock) -> None:
    shut = await spent(limiter, harsh(), 3)
    clock.advance(minutes=29)

    assert await spent(limiter, harsh(), 5) == Count(8, shut.closes_at)
    clock.advance(minutes=1)
    assert (await limiter.spend(harsh()))[0].spent == 1


async def test_a_limit_of_one_is_penalised_at_once_and_again_in_its_next_window(
    limiter: Limiter, clock: ManualClock
) -> None:
    spend = Spend(FIRST_IS_LAST, b"somebody")

    assert (await limiter.spend(spend))[0] == Count(1, clock.now() + 30 * MINUTE)
    clock.advance(minutes=30)
    assert (await limiter.spend(spend))[0] == Count(1, clock.now() + 30 * MINUTE)


async def test_what_is_given_back_can_be_spent_again(limiter: Limiter) -> None:
    await spent(limiter, plain(), 3)

    await limiter.give_back(plain(), harsh())

    assert [count.spent for count in await limiter.spend(plain(), harsh())] == [3, 1]


async def test_no_counter_falls_below_zero(limiter: Limiter) -> None:
    await limiter.give_back(plain())
    await limiter.spend(plain())

    for _ in range(3):
        await limiter.give_back(plain())

    assert (await limiter.spend(plain()))[0].spent == 1


async def test_giving_back_leaves_the_window_where_it_was(limiter: Limiter, clock: ManualClock) -> None:
    before = await spent(limiter, plain(), 2)
    clock.advance(seconds=30)

    await limiter.give_back(plain())

    assert (await limiter.spend(plain()))[0] == before


async def test_forgetting_sets_back_that_counter_and_no_other(two: tuple[Limiter, Limiter], clock: ManualClock) -> None:
    await spent(two[0], harsh(b"one"), 4)
    await spent(two[0], harsh(b"other"), 2)
    await spent(two[0], plain(b"one"), 2)

    await two[1].forget(harsh(b"one"), plain(b"never seen"))

    counts = await two[0].spend(harsh(b"one"), harsh(b"other"), plain(b"one"))
    assert [count.spent for count in counts] == [1, 3, 3]
    assert counts[0].closes_at == clock.now() + 60 * MINUTE


async def test_pruning_drops_what_is_over_and_nothing_else(limiter: Limiter, clock: ManualClock) -> None:
    await spent(limiter, plain(b"over"), 2)
    await spent(limiter, harsh(b"open"), 2)
    clock.advance(minutes=2)

    dropped = await limiter.prune()

    assert dropped == 1
    assert [count.spent for count in await limiter.spend(plain(b"over"), harsh(b"open"))] == [1, 3]


async def test_every_process_sees_the_same_count(two: tuple[Limiter, Limiter]) -> None:
    await spent(two[0], harsh(), 2)

    assert (await two[1].spend(harsh()))[0].spent == 3


def test_a_wait_is_whole_seconds_and_never_none() -> None:
    assert [seconds_until(at, 10_000) for at in (9_000, 10_001, 11_000, 11_001)] == [1, 1, 1, 2]
