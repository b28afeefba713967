"""Hazard: one refresh token in many hands at the same moment (D2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.races.peers import Peers, SignedIn, claims_in, refresh, register
from tests.races.wire import Line, Reply, Switchboard, at_once, becomes, statuses

RACERS = 100
GRACE_SECONDS = 4.0  # of the pair
HEARD_SECONDS = 0.2  # until another process has heard of an ending (T13)


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_hundred_tabs_get_one_successor_and_a_late_replay_ends_the_session(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str], processes: int
) -> None:
    lines = await switchboard.lines(peers.ports[:processes], RACERS // processes)
    mira = await register(lines[0], name())

    answers = await at_once(refresh(line, mira.refresh) for line in lines)

    assert statuses(answers) == {200: RACERS}
    heirs = [SignedIn.of(answer) for answer in answers]
    assert len({heir.refresh for heir in heirs}) == 1
    assert heirs[0].refresh != mira.refresh
    assert {heir.session_id for heir in heirs} == {mira.session_id}
    seen = await at_once(line.get("/me", bearer=heir.access) for line, heir in zip(lines, heirs, strict=True))
    assert statuses(seen) == {200: RACERS}  # nobody is signed out
    await _a_late_replay_ends_it(lines, mira, heirs[0])


async def _a_late_replay_ends_it(lines: list[Line], first: SignedIn, heir: SignedIn) -> None:
    await asyncio.sleep(GRACE_SECONDS + 0.1)
    assert (await refresh(lines[0], first.refresh)).status == 401
    refused = await at_once(refresh(line, heir.refresh) for line in lines[:2])
    await asyncio.sleep(HEARD_SECONDS)
    seen = await at_once(line.get("/me", bearer=heir.access) for line in lines[:2])
    assert statuses([*refused, *seen]) == {401: 4}


async def test_a_chain_of_refreshes_that_alternates_between_processes_never_breaks(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports)
    first = await register(lines[0], name())

    held = first
    for step in range(40):
        held = SignedIn.of(await refresh(lines[step % 2], held.refresh))

    assert held.session_id == first.session_id
    assert (await lines[0].get("/me", bearer=held.access)).status == 200


async def test_no_refresh_that_starts_after_an_acknowledged_logout_succeeds(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports, 8)
    for _ in range(10):
        mira = await register(lines[0], name())
        is_over = asyncio.Event()
        trying = [asyncio.create_task(_refresh_until(line, mira, is_over)) for line in lines[1:]]
        await asyncio.sleep(0.02)

        assert (await lines[0].post("/logout", bearer=mira.access)).status == 200
        is_over.set()

        tried = await at_once(trying)
        late = [reply for _, after in tried for reply in after]
        assert statuses(late) == {401: len(late)}
        assert len(late) >= len(trying)  # each tried at least once more, on either process
        # What was handed out while the logout was under way hangs on a session that is over.
        held = [SignedIn.of(reply) for before, _ in tried for reply in before if reply.status == 200]
        await asyncio.sleep(HEARD_SECONDS)
        seen = await at_once(lines[i % 2].get("/me", bearer=heir.access) for i, heir in enumerate(held))
        assert statuses(seen) == {401: len(held)}


async def _refresh_until(line: Line, held: SignedIn, is_over: asyncio.Event) -> tuple[list[Reply], list[Reply]]:
    before: list[Reply] = []
    while not is_over.is_set():
        before.append(await refresh(line, held.refresh))
    after = [await refresh(line, held.refresh)]
    if before and before[-1].status == 200:
        after.append(await refresh(line, SignedIn.of(before[-1]).refresh))
    return before, after


async def test_an_access_token_of_a_session_that_ended_on_one_process_is_refused_on_the_other(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    here, there = await switchboard.lines(peers.ports)
    for _ in range(20):
        mira = await register(here, name())
        assert (await there.get("/me", bearer=mira.access)).status == 200
        assert claims_in(mira.access)["sid"] == mira.session_id

        assert (await here.post("/logout", bearer=mira.access)).status == 200

        await becomes(401, lambda: there.get("/me", bearer=mira.access), within=1)  # noqa: B023 - awaited here
