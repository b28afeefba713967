"""Room is promised before anything is done for a request: a flood is turned away where it costs nothing (D7)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from tests.house import API, register

from ostiary.core import hashing
from ostiary.core.errors import TooBusy
from ostiary.core.hashing import Hasher, HashingSettings
from ostiary.wiring import Ostiary

CHEAP = HashingSettings(memory_kib=8, passes=1, threads=1)
FULL_AT_ONE = HashingSettings(
    memory_kib=8, passes=1, threads=1, longest_wait=timedelta(microseconds=1), hold=timedelta(0), most_held=0
)


async def test_a_promise_is_used_by_the_first_hash_and_leaves_nothing_behind() -> None:
    hasher = Hasher(CHEAP)
    try:
        async with hasher.admitted():
            assert hasher.load == pytest.approx(1, abs=1)
            stored = await hasher.hash("correct horse battery")
            assert (await hasher.verify(stored, "correct horse battery")).matches
        assert hasher.load == 0.0
    finally:
        await hasher.close()


async def test_a_promise_that_is_not_used_goes_back() -> None:
    hasher = Hasher(CHEAP)
    try:
        with pytest.raises(LookupError):
            async with hasher.admitted():
                raise LookupError
        assert hasher.load == 0.0
    finally:
        await hasher.close()


async def test_promises_count_as_much_as_hashes() -> None:
    hasher = Hasher(FULL_AT_ONE)
    try:
        async with hasher.admitted():
            with pytest.raises(TooBusy) as refused:
                async with hasher.admitted():
                    pytest.fail("there was no room")
            assert refused.value.retry_after is not None
            with pytest.raises(TooBusy):
                await asyncio.create_task(_outside(hasher))
        assert hasher.load == 0.0
        await hasher.hash("correct horse battery")
    finally:
        await hasher.close()


async def _outside(hasher: Hasher) -> None:
    """Compute a hash in a task that has a promise of its own: none."""
    hashing._promised.set((None, None))
    await hasher.hash("correct horse battery")


async def test_who_waits_for_room_and_leaves_takes_none_along() -> None:
    settings = FULL_AT_ONE.model_copy(update={"hold": timedelta(seconds=30), "most_held": 10})
    hasher = Hasher(settings)
    try:
        async with hasher.admitted():
            waiting = asyncio.create_task(_enter(hasher))
            await asyncio.sleep(0.05)
            assert hasher.held == 1
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert hasher.held == 0
        assert hasher.load == 0.0
    finally:
        await hasher.close()


async def test_who_waits_is_let_in_when_somebody_leaves() -> None:
    settings = FULL_AT_ONE.model_copy(update={"hold": timedelta(seconds=30), "most_held": 10})
    hasher = Hasher(settings)
    try:
        async with hasher.admitted():
            waiting = asyncio.create_task(_enter(hasher))
            await asyncio.sleep(0.05)
            assert not waiting.done()
        await asyncio.wait_for(waiting, 5)
        assert hasher.load == 0.0
    finally:
        await hasher.close()


async def _enter(hasher: Hasher) -> None:
    async with hasher.admitted():
        pass


async def test_hundreds_at_once_are_accounted_for_to_the_last() -> None:
    hasher = Hasher(CHEAP)

    async def one(number: int) -> str:
        try:
            async with hasher.admitted():
                if number % 3 == 0:
                    return "left"
                await hasher.hash(f"correct horse {number}")
                return "hashed"
        except TooBusy:
            return "refused"

    try:
        outcomes = await asyncio.gather(*(one(number) for number in range(600)))
        assert set(outcomes) <= {"left", "hashed", "refused"}
        assert "hashed" in outcomes
        assert (hasher.load, hasher.held, hasher.waiting, hasher.running) == (0.0, 0, 0, 0)
    finally:
        await hasher.close()


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_full_pool_turns_a_login_away_before_the_database_is_asked(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await register(outside)
    house.hasher._pool.bounds = replace(house.hasher._pool.bounds, threads=1, longest_wait=1e-6, hold=0.0, most_held=0)
    writes = house.database.driver._writer.connection.total_changes  # type: ignore[attr-defined]

    async with house.hasher.admitted():
        refused = await outside.post(f"{API}/login", json={"login": "mira", "password": "wrong horse battery"})

    assert refused.status_code == 503
    assert refused.json()["type"].endswith("/too-busy")
    assert int(refused.headers["retry-after"]) >= 1
    assert house.database.driver._writer.connection.total_changes == writes  # type: ignore[attr-defined]
