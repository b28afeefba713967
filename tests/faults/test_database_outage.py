"""Fault: PostgreSQL goes away, or falls silent, while requests flow: refused, never guessed (D14)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import pytest
from tests.faults.cable import Cable
from tests.races.fixtures import NewPeers
from tests.races.load import Town, assert_delivered, assert_kept
from tests.races.peers import SignedIn, application, refresh, register
from tests.races.wire import Line, Reply, Switchboard, at_once, becomes, statuses
from tests.services.postgres import Postgres

from ostiary.core.db.postgres import ACQUIRE_SECONDS, COMMAND_SECONDS

BOUND = 2.0
"""Seconds for which a view that was proven fresh may be relied on (docs/explanation/consistency.md)."""
SLACK = 0.5
SILENT_REFUSAL = ACQUIRE_SECONDS + COMMAND_SECONDS + 2
"""Within which a request is refused where the database keeps its connections and says nothing."""


@pytest.mark.parametrize("end", ["stop", "kill9"])
async def test_without_postgresql_requests_are_refused_and_the_same_processes_serve_again_once_it_is_back(
    new_postgres_peers: NewPeers, postgres: Postgres, switchboard: Switchboard, name: Callable[[], str], end: str
) -> None:
    peers = new_postgres_peers()
    peers.start(2)
    here, there = await switchboard.lines(peers.ports)
    mira = await register(here, name())
    town = Town(peers, name)
    town.wake(await switchboard.lines(peers.ports, 3))
    await asyncio.sleep(0.7)

    await asyncio.to_thread(getattr(postgres, end))
    try:
        await _is_refused(here, there, mira, name)
    finally:
        await asyncio.to_thread(postgres.start)
    for line in (here, there):
        await becomes(200, partial(line.get, "/me", bearer=mira.access), within=10)
    before = town.ledger.lives.copy()
    await asyncio.sleep(1.5)
    await town.gets_on(peers.ports, before)
    await town.rest()

    ledger = town.ledger
    assert ledger.odd == []  # 503 in the form of a problem, and nothing else
    assert set(ledger.refusals) == {503}
    assert ledger.unanswered == 0
    assert all(ledger.lives[port] > before[port] for port in peers.ports)
    await assert_kept(peers, ledger)
    await assert_delivered(peers, ledger)
    await _hears_of_the_other_again(here, there, name)
    assert all(server.is_running for server in peers.servers)
    assert [line for line in peers.alarms() if "change feed" not in line] == []


async def _is_refused(here: Line, there: Line, mira: SignedIn, name: Callable[[], str]) -> None:
    down = time.monotonic()
    writes = await at_once(
        [
            here.post("/register", application(name())),
            there.post("/refresh", {"refresh_token": mira.refresh}),
            here.post("/login", {"login": mira.name, "password": "correct horse battery"}),
        ]
    )
    assert statuses(writes) == {503: 3}
    asked: list[tuple[float, Reply]] = []
    moment = 0.0
    # However slow the machine is: some are asked once no view is fresh any more.
    while time.monotonic() - down < BOUND + 1.5 or moment <= BOUND + SLACK:
        moment = time.monotonic() - down
        asked += [
            (moment, reply) for reply in await at_once(line.get("/me", bearer=mira.access) for line in (here, there))
        ]
        await asyncio.sleep(0.02)
    assert set(statuses(reply for _, reply in asked)) <= {200, 503}
    assert statuses(reply for moment, reply in asked if moment > BOUND + SLACK).keys() == {503}
    assert (await here.ask("GET", "/healthz")).status == 200  # it lives
    assert (await here.ask("GET", "/readyz")).status == 503  # but is not ready


async def _hears_of_the_other_again(here: Line, there: Line, name: Callable[[], str]) -> None:
    noor = await register(here, name())
    assert (await there.get("/me", bearer=noor.access)).status == 200
    assert (await here.post("/logout", bearer=noor.access)).status == 200
    await becomes(401, lambda: there.get("/me", bearer=noor.access), within=1)


async def test_a_database_that_falls_silent_leaves_nobody_waiting_for_long(
    new_postgres_peers: NewPeers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    peers = new_postgres_peers()
    with Cable(peers) as cable:
        peers.start(1)
        lines = await switchboard.lines(peers.ports, 16)  # more than there are connections to the database
        people = await at_once(register(line, name()) for line in lines)

        cable.cut()  # while the view is fresh: what is under way has statements to wait for
        assert await _refused_within(SILENT_REFUSAL, lines, people, name)
        await asyncio.sleep(BOUND)
        assert await _refused_within(SILENT_REFUSAL, lines, people, name)  # and with a view that is not

        cable.mend()
        await becomes(200, lambda: lines[0].get("/me", bearer=people[0].access), within=15)
        assert await at_once(register(line, name()) for line in lines)
    assert [line for line in peers.alarms() if "change feed" not in line] == []


async def _refused_within(
    seconds: float, lines: list[Line], people: list[SignedIn], name: Callable[[], str]
) -> list[Reply]:
    started = time.monotonic()
    refused = await at_once(
        [
            *(line.post("/register", application(name())) for line in lines[:8]),
            *(refresh(line, person.refresh) for line, person in zip(lines[8:], people[8:], strict=True)),
        ]
    )
    assert statuses(refused) == {503: len(lines)}
    assert time.monotonic() - started < seconds
    return refused
