"""Garbage is searched by the clock, and not among a flood (decision 18)."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from ostiary.cli.serve import _tidy_when_calm
from ostiary.core.hashing import Hasher, HashingSettings

ROOM_FOR_ONE = HashingSettings(
    memory_kib=8, passes=1, threads=1, longest_wait=timedelta(microseconds=1), hold=timedelta(seconds=30)
)


@asynccontextmanager
async def with_somebody_held(hasher: Hasher) -> AsyncIterator[None]:
    """Let one caller wait for room while the block runs."""

    async def wait() -> None:
        async with hasher.admitted():
            pass

    async with hasher.admitted():
        waiting = [asyncio.create_task(wait()) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert hasher.held
        yield
    await asyncio.gather(*waiting)


async def searches(hasher: Hasher, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return which generations are searched in three seconds; they pass at once, however slow the machine is."""
    begun: list[int] = []
    naps: list[float] = []
    over = asyncio.Event()

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) > 3:
            over.set()
            await asyncio.Event().wait()

    def note(phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            begun.append(about["generation"])

    gc.disable()  # whatever begins now was asked for
    gc.callbacks.append(note)
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", nap)
        tidying = asyncio.create_task(_tidy_when_calm(hasher))
        try:
            async with asyncio.timeout(20):
                await over.wait()
        finally:
            tidying.cancel()
            gc.callbacks.remove(note)
            gc.enable()
    assert naps == [1] * 4
    return begun


@pytest.mark.parametrize("is_flood", [False, True], ids=["calm", "flood"])
async def test_what_is_new_is_searched_each_second_unless_callers_are_held(
    is_flood: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher = Hasher(ROOM_FOR_ONE)
    if is_flood:
        async with with_somebody_held(hasher):
            assert await searches(hasher, monkeypatch) == []
    else:
        assert await searches(hasher, monkeypatch) == [1] * 3
    await hasher.close()
