"""Turns on the processor: short for who serves, long for who computes, and unchanged for everybody else."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Thread, get_native_id

import pytest

from ostiary.core import turns
from ostiary.core.hash_formats.pool import HashPool, PoolBounds

NEEDED = (6, 12)


def turn() -> int:
    """Return how long a turn of this thread is, as the kernel says."""
    told = ctypes.create_string_buffer(48)
    number = {"x86_64": 315, "aarch64": 275}[platform.machine()]
    assert ctypes.CDLL(None).syscall(number, 0, told, 48, 0) == 0
    return int(struct.unpack("IIQiIQQQ", told.raw)[5])


def asked(nanoseconds: int) -> tuple[bool, int, int, int]:
    """Ask in this thread; return whether it was granted, its turn, that of a thread it starts, and its niceness."""
    os.setpriority(os.PRIO_PROCESS, 0, 3)
    granted, started = turns.ask_for_turns(nanoseconds), []
    child = Thread(target=lambda: started.append(turn()))
    child.start()
    child.join()
    return granted, turn(), started[0], os.getpriority(os.PRIO_PROCESS, 0)


grants_turns = pytest.mark.skipif(
    sys.platform != "linux" or tuple(map(int, platform.release().split(".")[:2])) < NEEDED,
    reason="only Linux 6.12 and newer has turns that a thread can ask for",
)


@grants_turns
@pytest.mark.parametrize("length", [turns.SHORT, turns.LONG])
def test_a_thread_and_those_that_it_starts_get_their_turns_and_no_other_priority(length: int) -> None:
    before = turn()
    with ThreadPoolExecutor(1) as pool:
        granted, own, inherited, niceness = pool.submit(asked, length).result()
    assert granted
    assert (own, inherited) == (length, length)
    assert niceness == 3
    assert turn() == before, "whoever did not ask keeps the usual ones"


@grants_turns
async def test_a_thread_that_hashes_takes_long_turns_so_that_whoever_wakes_up_goes_first() -> None:
    pool = HashPool(PoolBounds(threads=1, niceness=10, longest_wait=1, hold=0, most_held=0, area_kib=8))
    try:
        assert await pool.run(turn, 1.0) == turns.LONG
        assert await pool.run(lambda: os.getpriority(os.PRIO_PROCESS, get_native_id()), 1.0) == 10
    finally:
        pool.end()
        await pool.left()


def test_where_nobody_grants_them_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    assert not turns.ask_for_turns(turns.SHORT)
