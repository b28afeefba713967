"""Fault: a process is killed while it writes; nothing that it acknowledged may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
from tests.races.fixtures import NewPeers
from tests.races.load import Town, assert_delivered, assert_kept
from tests.races.peers import login, refresh, register
from tests.races.wire import Switchboard

SECONDS = 2.5
LINES_EACH = 4


@pytest.mark.parametrize("processes", [1, 2])
async def test_nothing_acknowledged_is_lost_when_a_process_is_killed_under_load(
    new_peers: NewPeers, switchboard: Switchboard, name: Callable[[], str], processes: int
) -> None:
    peers = new_peers()
    peers.start(processes)
    town = Town(peers, name)
    town.wake(await switchboard.lines(peers.ports, LINES_EACH))
    await asyncio.sleep(SECONDS)

    await asyncio.to_thread(peers.servers[0].kill9)
    before = town.ledger.lives.copy()
    if processes == 2:
        await asyncio.sleep(1)  # the neighbour goes on as if nothing had happened
        await town.gets_on(peers.ports[1:], before)
        assert town.ledger.lives[peers.ports[1]] > before[peers.ports[1]]
    await asyncio.to_thread(peers.replace, 0)
    await asyncio.sleep(1)
    await town.gets_on(peers.ports[:1], before)
    await town.rest()

    ledger = town.ledger
    assert ledger.odd == []
    assert ledger.refusals == {}
    assert ledger.unanswered > 0  # the crash was felt
    assert ledger.lives[peers.ports[0]] > before[peers.ports[0]]  # the process came back to work
    await assert_kept(peers, ledger)
    await _the_house_lives_on(peers.ports, switchboard, name, ledger.registered)
    await assert_delivered(peers, ledger)
    assert peers.alarms() == []


async def _the_house_lives_on(
    ports: list[int], switchboard: Switchboard, name: Callable[[], str], registered: Mapping[str, object]
) -> None:
    for line in await switchboard.lines(ports):
        for known in list(registered)[-3:]:
            person = await login(line, known)
            assert (await refresh(line, person.refresh)).status == 200
        await register(line, name())


async def test_killing_again_and_again_breaks_no_strand_of_the_journal(
    new_peers: NewPeers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    peers = new_peers()
    peers.start(2)
    town = Town(peers, name)
    town.wake(await switchboard.lines(peers.ports, LINES_EACH))
    for round_ in range(4):
        await asyncio.sleep(0.4)
        await asyncio.to_thread(peers.servers[round_ % 2].kill9)
        await asyncio.to_thread(peers.replace, round_ % 2)
    await town.rest()

    assert town.ledger.odd == []
    await assert_kept(peers, town.ledger)
