"""Short turns on the processor: asked for by whoever serves, and by nobody else."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from ostiary.cli import turns

NEEDED = (6, 12)


def turn() -> int:
    """Return how long a turn of this thread is, as the kernel says."""
    told = ctypes.create_string_buffer(48)
    number = {"x86_64": 315, "aarch64": 275}[platform.machine()]
    assert ctypes.CDLL(None).syscall(number, 0, told, 48, 0) == 0
    return int(struct.unpack("IIQiIQQQ", told.raw)[5])


def asked() -> tuple[bool, int, int, int]:
    """Ask in this thread; return whether it was granted, its turn, that of a thread it starts, and its niceness."""
    os.setpriority(os.PRIO_PROCESS, 0, 3)
    granted, started = turns.ask_for_short_turns(), []
    child = Thread(target=lambda: started.append(turn()))
    child.start()
    child.join()
    return granted, turn(), started[0], os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.skipif(
    sys.platform != "linux" or tuple(map(int, platform.release().split(".")[:2])) < NEEDED,
    reason="only Linux 6.12 and newer has turns that a thread can ask for",
)
def test_a_thread_and_those_that_it_starts_get_short_turns_and_no_other_priority() -> None:
    before = turn()
    with ThreadPoolExecutor(1) as pool:
        granted, own, inherited, niceness = pool.submit(asked).result()
    assert granted
    assert (own, inherited) == (turns.NANOSECONDS, turns.NANOSECONDS)
    assert niceness == 3
    assert turn() == before, "whoever did not ask keeps the usual ones"


def test_where_nobody_grants_them_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    assert not turns.ask_for_short_turns()
