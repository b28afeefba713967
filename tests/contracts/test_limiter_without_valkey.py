"""Valkey gone, full or silent: counting goes on in the process, and goes back by itself (D14)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from datetime import timedelta

import pytest
from tests.services.valkey import Valkey

from ostiary.core import valkey as valkey_module
from ostiary.core.clock import ManualClock
from ostiary.core.errors import Misconfigured
from ostiary.core.limits import Limit, MemoryLimiter, Spend
from ostiary.core.valkey import ValkeyLimiter

LOCK = Limit("test.lock", 3, timedelta(hours=1), timedelta(minutes=30))
SPEND = Spend(LOCK, b"somebody")
LOGGER = "ostiary.core.valkey"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once, so that tests need not wait; and take no machine that stands still for an outage."""
    monkeypatch.setattr(valkey_module, "RETRY_SECONDS", 0.0)
    for name in ("TIMEOUT_SECONDS", "PATIENCE_SECONDS"):
        monkeypatch.setattr(valkey_module, name, 60.0)


@pytest.fixture
async def limiter(valkey_url: str, clock: ManualClock) -> AsyncIterator[ValkeyLimiter]:
    limiter = ValkeyLimiter(valkey_url, clock)
    yield limiter
    await limiter.close()


@pytest.fixture
def gone(valkey: Valkey, valkey_url: str) -> Iterator[Valkey]:
    """A server that the test stops; it runs again afterwards."""
    yield valkey
    try:
        valkey.command("PING")
    except OSError:
        valkey.start()


async def count(limiter: ValkeyLimiter, times: int = 1) -> int:
    for _ in range(times):
        (found,) = await limiter.spend(SPEND)
    return found.spent


async def test_an_outage_gives_nobody_a_new_budget(limiter: ValkeyLimiter, gone: Valkey) -> None:
    await count(limiter, 2)
    gone.kill9()

    assert [await count(limiter) for _ in range(3)] == [3, 4, 5]


async def test_what_was_counted_meanwhile_counts_when_valkey_is_back(
    limiter: ValkeyLimiter, gone: Valkey, valkey_url: str, clock: ManualClock
) -> None:
    await count(limiter, 2)
    gone.kill9()
    await count(limiter, 2)
    shut = (await limiter.spend(SPEND))[0]
    gone.start()  # without its keys

    assert (await limiter.spend(SPEND))[0].spent == 6
    other = ValkeyLimiter(valkey_url, clock)
    (seen,) = await other.spend(SPEND)
    await other.close()
    assert (seen.spent, seen.closes_at) == (7, shut.closes_at)


async def test_a_success_meanwhile_is_a_success_when_valkey_is_back(
    valkey: Valkey, valkey_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_module, "TIMEOUT_SECONDS", 0.1)
    limiter = ValkeyLimiter(valkey_url, clock)
    await count(limiter, 2)
    valkey.command("CLIENT", "PAUSE", "500", "ALL")  # silent, and keeps what it has

    await limiter.forget(SPEND)
    assert await count(limiter) == 1
    await asyncio.to_thread(valkey.command, "PING")  # until it speaks again

    assert await count(limiter) == 2
    await limiter.close()


async def test_a_success_meanwhile_is_one_for_other_processes_too(
    limiter: ValkeyLimiter, valkey: Valkey, valkey_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_module, "TIMEOUT_SECONDS", 0.1)
    own = ValkeyLimiter(valkey_url, clock)
    await count(own, 2)
    valkey.command("CLIENT", "PAUSE", "500", "ALL")
    await own.forget(SPEND)
    await asyncio.to_thread(valkey.command, "PING")  # until it speaks again

    async with asyncio.timeout(20):
        while own._apart:  # so short a patience may be too short once more
            await own.spend(Spend(LOCK, b"another"))  # it counts again
            await own.prune()

    assert await count(limiter) == 1
    await own.close()


async def test_names_made_up_while_it_is_gone_stay_bounded_and_spare_a_lock(
    gone: Valkey, valkey_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_module, "LARGEST_MIRROR", 100)
    monkeypatch.setattr(valkey_module, "RETRY_SECONDS", 60.0)
    limiter = ValkeyLimiter(valkey_url, clock)
    gone.kill9()
    await count(limiter, 5)

    for number in range(2_000):
        await limiter.spend(Spend(LOCK, number.to_bytes(4)))
        await limiter.forget(Spend(LOCK, b"signed in %d" % number))

    assert len(limiter._apart) <= 300
    monkeypatch.setattr(valkey_module, "RETRY_SECONDS", 0.0)
    limiter._ask_again_at = 0.0
    gone.start()
    assert await count(limiter) == 6
    await limiter.close()


async def test_a_full_server_that_refuses_to_count_is_as_good_as_gone(limiter: ValkeyLimiter, valkey: Valkey) -> None:
    await count(limiter, 2)
    valkey.command("CONFIG", "SET", "maxmemory", "1")
    try:
        assert await count(limiter, 2) == 4
    finally:
        valkey.command("CONFIG", "SET", "maxmemory", "0")

    assert await count(limiter) == 5


async def test_an_outage_is_logged_once_and_so_is_its_end(
    limiter: ValkeyLimiter, gone: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, LOGGER)
    gone.kill9()
    await count(limiter, 5)
    await limiter.give_back(SPEND)
    await limiter.forget(SPEND)
    gone.start()
    await count(limiter, 5)

    said = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert said == ["Valkey does not count (ConnectionError): each process counts for itself", "Valkey counts again"]


async def test_a_restarted_server_is_used_at_once(limiter: ValkeyLimiter, gone: Valkey, clock: ManualClock) -> None:
    await count(limiter)
    gone.kill9()
    gone.start()

    await count(limiter)

    assert gone.command("EXISTS", f"ostiary:counter:test.lock:{b'somebody'.hex()}") == ":1"


def at_once(asked: Coroutine[object, None, int]) -> int:
    """Return what a coroutine returns that waits for nothing: no clock is needed to tell."""
    try:
        asked.send(None)
    except StopIteration as answered:
        found: int = answered.value
        return found
    asked.close()
    raise AssertionError("it waits")


async def test_a_silent_server_holds_up_one_request_and_not_the_crowd(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_module, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(valkey_module, "RETRY_SECONDS", 60.0)

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    limiter = ValkeyLimiter(f"valkey://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", clock)
    try:
        assert await count(limiter) == 1
        began = time.thread_time()
        assert [at_once(count(limiter)) for _ in range(100)] == list(range(2, 102))
        assert time.thread_time() - began < 0.1
    finally:
        await limiter.close()
        server.close()


async def test_keys_expire_by_themselves_some_time_after_their_window(limiter: ValkeyLimiter, valkey: Valkey) -> None:
    await count(limiter, 3)  # the penalty: 30 minutes

    left = int(valkey.command("PTTL", f"ostiary:counter:test.lock:{b'somebody'.hex()}")[1:])

    assert 30 * 60_000 < left <= 31 * 60_000


@pytest.mark.parametrize("url", [None, "", "http://127.0.0.1", "127.0.0.1:6379"])
def test_a_house_without_a_proper_address_of_valkey_does_not_start(url: str | None, clock: ManualClock) -> None:
    with pytest.raises(Misconfigured, match=r"storage\.valkey"):
        ValkeyLimiter(url, clock)


async def test_made_up_names_do_not_push_a_locked_one_out_of_memory(clock: ManualClock) -> None:
    limiter = MemoryLimiter(clock, largest=100)
    for _ in range(4):
        await limiter.spend(SPEND)

    for number in range(10_000):
        await limiter.spend(Spend(LOCK, number.to_bytes(4)))

    assert len(limiter) == 100
    assert (await limiter.spend(SPEND))[0].spent == 5


async def test_where_memory_is_full_what_is_over_goes_first(clock: ManualClock) -> None:
    limiter = MemoryLimiter(clock, largest=10)
    for _ in range(9):
        await limiter.spend(Spend(Limit("test.short", 3, timedelta(minutes=1)), b"over"))
    clock.advance(minutes=2)
    for number in range(10):
        await limiter.spend(Spend(LOCK, bytes([number])))

    counts = [(await limiter.spend(Spend(LOCK, bytes([number]))))[0].spent for number in range(10)]

    assert counts == [2] * 10
