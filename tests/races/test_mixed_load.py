"""Hazard: everything at once, on two processes that share one database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.races.load import Town, assert_delivered, assert_kept
from tests.races.peers import Peers
from tests.races.wire import Switchboard

SECONDS = 6.0
MOST_WINDOWS = 4
LINES_EACH = 6


async def test_a_busy_town_meets_no_fault_and_both_processes_get_on(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    town = Town(peers, name)
    town.wake(await switchboard.lines(peers.ports, LINES_EACH))
    ledger = town.ledger
    for _ in range(MOST_WINDOWS):  # a busy machine lets one of them wait for seconds; one that starves never gets on
        await asyncio.sleep(SECONDS)
        slow, quick = sorted(ledger.lives[port] for port in peers.ports)
        if slow > quick / 3:
            break
    await town.rest()

    assert ledger.odd == []
    assert ledger.refusals == {}
    assert ledger.unanswered == 0
    assert set(ledger.answers) == {200, 201, 401}  # 401: who-am-I after signing out
    assert slow > quick / 3, f"one process starves: {ledger.lives}"
    assert ledger.proven
    await assert_kept(peers, ledger)
    await assert_delivered(peers, ledger)
