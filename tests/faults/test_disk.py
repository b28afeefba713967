"""Fault: the disk under SQLite takes no more; and a neighbour that stops while it holds the file."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.races.fixtures import NewPeers
from tests.races.load import Town, assert_delivered, assert_kept
from tests.races.peers import Peers, application, register
from tests.races.wire import Line, Switchboard, at_once, becomes, statuses

from ostiary.core.db.sqlite import PATIENCE_SECONDS

BALLAST = "ballast"


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mount a disk of a few megabytes, where that is allowed."""
    place = Path(tempfile.mkdtemp(prefix="ostiary-disk-"))
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    mounted = sys.platform == "linux" and os.geteuid() == 0 and not subprocess.run(words, check=False).returncode
    try:
        if not mounted:
            pytest.skip("a disk that can be filled needs root on Linux")
        yield place
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
        place.rmdir()


async def test_a_full_disk_is_answered_with_503_and_work_goes_on_when_there_is_room(
    new_sqlite_peers: NewPeers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    with small_disk(8) as disk:
        peers = new_sqlite_peers(data=disk / "data")
        peers.start(2)
        try:
            await _survives(peers, switchboard, name, partial(_fill, disk), partial(_empty, disk))
        finally:
            peers.close()


def _fill(disk: Path) -> None:
    with (disk / BALLAST).open("ab", buffering=0) as ballast:
        for size in (65536, 4096, 1):  # up to the last page
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                continue


def _empty(disk: Path) -> None:
    (disk / BALLAST).unlink()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux bounds the files of another process")
async def test_a_file_that_may_not_grow_is_answered_with_503_and_work_goes_on_when_it_may(
    new_sqlite_peers: NewPeers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    peers = new_sqlite_peers()
    peers.start(2)

    def bound(size: int) -> None:
        for server in peers.servers:
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))  # type: ignore[attr-defined, unused-ignore]

    await _survives(peers, switchboard, name, partial(bound, 4096), partial(bound, resource.RLIM_INFINITY))


async def _survives(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str], fail: Callable[[], None], heal: Callable[[], None]
) -> None:
    lines = await switchboard.lines(peers.ports)
    mira = await register(lines[0], name())
    town = Town(peers, name)
    town.wake(await switchboard.lines(peers.ports, 3))
    await asyncio.sleep(0.7)

    await asyncio.to_thread(fail)
    for line in lines:
        await becomes(503, lambda: line.post("/register", application(name())), within=20)  # noqa: B023
    seen = await at_once(line.get("/me", bearer=mira.access) for line in lines)
    assert statuses(seen) == {200: 2}  # who reads is not disturbed
    await asyncio.sleep(0.5)
    async with asyncio.timeout(20):
        while not town.ledger.refusals:  # noqa: ASYNC110 - the town has met it, too
            await asyncio.sleep(0.02)
    await asyncio.to_thread(heal)
    await at_once(_takes_people_again(line, name) for line in lines)
    before = town.ledger.lives.copy()
    await asyncio.sleep(1)
    await town.gets_on(peers.ports, before)
    await town.rest()

    ledger = town.ledger
    assert ledger.odd == []
    assert set(ledger.refusals) == {503}
    assert ledger.unanswered == 0
    assert all(ledger.lives[port] > before[port] for port in peers.ports)
    assert all(server.is_running for server in peers.servers)
    await assert_kept(peers, ledger)
    await assert_delivered(peers, ledger)
    assert peers.alarms() == []


async def _takes_people_again(line: Line, name: Callable[[], str]) -> None:
    await becomes(201, lambda: line.post("/register", application(name())), within=10)


async def test_a_neighbour_that_stops_while_it_writes_holds_nobody_up_for_ever(
    new_sqlite_peers: NewPeers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    peers = new_sqlite_peers()
    peers.start(1)
    lines = await switchboard.lines(peers.ports, 2)
    mira = await register(lines[0], name())

    with (peers.data / "ostiary.db-room").open("r+b") as room:
        fcntl.flock(room, fcntl.LOCK_EX)  # as a process does that was suspended in the middle of a commit
        started = time.monotonic()
        waiting = asyncio.create_task(lines[0].post("/register", application(name())))
        await asyncio.sleep(0.5)
        assert (await lines[1].get("/me", bearer=mira.access)).status == 200  # the loop is not held up
        assert (await waiting).status == 503
        assert time.monotonic() - started < PATIENCE_SECONDS + 5

    await becomes(201, lambda: lines[0].post("/register", application(name())), within=5)
