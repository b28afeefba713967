"""Hazard: what a third process takes back while two others answer requests (D3, D8)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.races.peers import Peers, SignedIn, key_of, login, refresh, register
from tests.races.wire import Line, Reply, Switchboard, at_once, becomes, statuses

WITHIN = 1.0
"""Seconds from a command's return until both processes must refuse."""


PAUSE = 0.01
"""Between two requests of a flow: room for the command to start on a small machine."""


@dataclass(slots=True)
class Flow:
    """Requests of one person that go on and on, and what each answered, with the time at which it was asked."""

    answers: list[tuple[float, Reply]] = field(default_factory=list)

    def since(self, moment: float) -> list[Reply]:
        """Return the answers to what was asked after a moment."""
        return [reply for asked, reply in self.answers if asked > moment]

    async def goes_on(self, moment: float) -> None:
        """Wait until something that was asked after a moment is answered: a slow machine takes its time."""
        async with asyncio.timeout(20):
            while not self.since(moment):  # noqa: ASYNC110 - the tasks of the flow fill it
                await asyncio.sleep(PAUSE)


@asynccontextmanager
async def flowing(lines: list[Line], token: str) -> AsyncIterator[Flow]:
    """Ask who-am-I on every line, again and again, while the block runs."""
    flow = Flow()

    async def go_on(line: Line) -> None:
        while True:
            asked = time.monotonic()
            flow.answers.append((asked, await line.get("/me", bearer=token)))
            await asyncio.sleep(PAUSE)

    tasks = [asyncio.create_task(go_on(line)) for line in lines]
    try:
        yield flow
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def refused(line: Line, person: SignedIn) -> None:
    """Wait until a process refuses a person's access token."""
    await becomes(401, lambda: line.get("/me", bearer=person.access), within=WITHIN)


COMMANDS: dict[str, Callable[[SignedIn], tuple[str, ...]]] = {
    "deactivated": lambda person: ("user", "deactivate", person.name),
    "revoked": lambda person: ("session", "revoke", person.session_id),
    "revoked by name": lambda person: ("session", "revoke", "--account", person.name),
    "to be erased": lambda person: ("user", "erase", "--yes", person.name),
    "erased": lambda person: ("user", "erase", "--yes", "--now", person.name),
    "deleted": lambda person: ("user", "delete", "--yes", person.name),
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_what_a_command_ends_is_refused_by_both_processes_within_a_second(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str], command: str
) -> None:
    lines = await switchboard.lines(peers.ports, 2)
    mira = await register(lines[0], name())

    async with flowing(lines, mira.access) as flow:
        await becomes(200, lambda: lines[1].get("/me", bearer=mira.access), within=WITHIN)
        await peers.command(*COMMANDS[command](mira))
        done = time.monotonic()
        await at_once(refused(line, mira) for line in lines)
        settled = time.monotonic()
        await asyncio.sleep(0.3)
        await flow.goes_on(settled)

    assert settled - done < WITHIN
    assert set(statuses(reply for _, reply in flow.answers)) == {200, 401}
    assert set(statuses(flow.since(settled))) == {401}  # refused is refused, on every line
    assert (await refresh(lines[1], mira.refresh)).status == 401


async def test_a_deactivated_account_lets_nobody_in_who_was_just_signing_in(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports, 3)
    mira = await register(lines[0], name())
    let_in: list[SignedIn] = []
    begun = asyncio.Event()

    async def sign_in_again_and_again(line: Line) -> None:
        while (
            reply := await line.post("/login", {"login": mira.name, "password": "correct horse battery"})
        ).status == 200:
            let_in.append(SignedIn.of(reply))
            begun.set()
            await asyncio.sleep(PAUSE)

    trying = [asyncio.create_task(sign_in_again_and_again(line)) for line in lines]
    async with asyncio.timeout(20):  # the first time, a process has much to load
        await begun.wait()
    await peers.command("user", "deactivate", mira.name)
    done = time.monotonic()
    await at_once(trying)

    assert let_in
    await asyncio.sleep(max(0.0, done + WITHIN - time.monotonic()))
    for held in let_in[-20:]:
        seen = await at_once(line.get("/me", bearer=held.access) for line in lines[:2])
        assert statuses([*seen, await refresh(lines[0], held.refresh)]) == {401: 3}


async def test_keys_that_rotate_under_load_sign_nobody_out(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports, 2)
    mira, noor = await register(lines[0], name()), await register(lines[1], name())
    refreshed: list[Reply] = []

    def used() -> set[str]:
        return {key_of(reply.json()["access_token"]) for reply in refreshed if reply.status == 200}

    async def becomes_used(keys: int) -> None:
        async with asyncio.timeout(20):
            while len(used()) < keys and not chain.done():  # noqa: ASYNC110 - as above
                await asyncio.sleep(PAUSE)

    async def refresh_again_and_again() -> None:
        held = noor
        while True:
            refreshed.append(await refresh(lines[len(refreshed) % len(lines)], held.refresh))
            held = SignedIn.of(refreshed[-1])
            await asyncio.sleep(PAUSE)

    async with flowing(lines, mira.access) as flow:
        chain = asyncio.create_task(refresh_again_and_again())
        await becomes_used(1)
        await peers.command("key", "rotate")
        await asyncio.sleep(1.5)  # past the moment at which the new keys take over
        await becomes_used(2)
        chain.cancel()
        await asyncio.gather(chain, return_exceptions=True)

    assert set(statuses(reply for _, reply in flow.answers)) == {200}
    assert set(statuses(refreshed)) == {200}
    assert len(used()) == 2  # the old key, then the new one


async def test_a_killed_key_proves_nothing_within_a_second_and_refreshing_goes_on(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports, 2)
    mira = await register(lines[0], name())

    async with flowing(lines, mira.access) as flow:
        await becomes(200, lambda: lines[1].get("/me", bearer=mira.access), within=WITHIN)
        await peers.command("key", "kill", "--yes", key_of(mira.access))
        done = time.monotonic()
        await at_once(refused(line, mira) for line in lines)
        settled = time.monotonic()
        await asyncio.sleep(0.3)
        await flow.goes_on(settled)

    assert settled - done < WITHIN
    assert set(statuses(reply for _, reply in flow.answers)) == {200, 401}
    assert set(statuses(flow.since(settled))) == {401}
    heir = SignedIn.of(await refresh(lines[1], mira.refresh))
    assert key_of(heir.access) != key_of(mira.access)
    seen = await at_once(line.get("/me", bearer=heir.access) for line in lines)
    assert statuses(seen) == {200: len(lines)}


async def test_whoever_signs_in_right_after_a_kill_gets_a_token_that_works(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    here, there = await switchboard.lines(peers.ports)
    mira = await register(here, name())

    await peers.command("key", "kill", "--yes", key_of(mira.access))
    back = await login(there, mira.name)  # the first that this process is asked since the kill

    assert key_of(back.access) != key_of(mira.access)
    assert (await there.get("/me", bearer=back.access)).status == 200
    assert (await here.get("/me", bearer=back.access)).status == 200
