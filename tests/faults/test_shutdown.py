"""Fault: the init system ends a process that is at work (R52)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.races.fixtures import NewPeers
from tests.races.peers import SignedIn, application, register
from tests.races.wire import Line, Reply, Switchboard, Unanswered, at_once, statuses

COSTLY = {"OSTIARY_HASHING__MEMORY_KIB": "65536", "OSTIARY_HASHING__PASSES": "4"}
"""So that a good part of a second lies between a request and its answer."""
LONGEST_END = 10.0


async def test_requests_under_way_are_answered_and_the_process_ends_in_good_order(
    new_sqlite_peers: NewPeers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    peers = new_sqlite_peers(COSTLY)
    peers.start(1)
    lines = await switchboard.lines(peers.ports, 4)
    await lines[0].get("/csrf")  # everything is loaded
    names = [name() for _ in lines]

    asked = [
        asyncio.create_task(line.post("/register", application(wanted)))
        for line, wanted in zip(lines, names, strict=True)
    ]
    await asyncio.sleep(0.1)
    assert not all(answer.done() for answer in asked)
    started = time.monotonic()
    code = await asyncio.to_thread(peers.servers[0].terminate, LONGEST_END)

    assert code == 0
    assert time.monotonic() - started < LONGEST_END
    assert statuses(await at_once(asked)) == {201: len(asked)}
    assert peers.alarms() == []


async def test_a_process_that_ends_under_load_breaks_no_promise_and_its_neighbour_goes_on(
    new_peers: NewPeers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    peers = new_peers()
    peers.start(2)
    leaving, staying = await switchboard.lines(peers.ports)
    answers: dict[Line, list[Reply]] = {line: [] for line in (*(await switchboard.lines(peers.ports, 3)),)}
    promised: list[SignedIn] = []
    unanswered: list[str] = []

    async def register_again_and_again(line: Line) -> None:
        while True:
            try:
                answers[line].append(await line.post("/register", application(name())))
            except Unanswered:
                unanswered.append(str(line.port))
                return
            promised.append(SignedIn.of(answers[line][-1]))

    def heard() -> int:
        return sum(len(replies) for line, replies in answers.items() if line.port == staying.port)

    working = [asyncio.create_task(register_again_and_again(line)) for line in answers]
    await asyncio.sleep(1)
    async with asyncio.timeout(60):
        while not all(answers.values()):  # noqa: ASYNC110 - a slow machine answers nobody within a second
            await asyncio.sleep(0.02)
    code = await asyncio.to_thread(peers.servers[0].terminate, LONGEST_END)
    before = heard()
    await asyncio.sleep(0.5)
    async with asyncio.timeout(60):
        while heard() == before:  # noqa: ASYNC110 - the neighbour goes on
            await asyncio.sleep(0.02)
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)

    assert code == 0
    assert set(statuses(reply for replies in answers.values() for reply in replies)) == {201}
    assert set(unanswered) <= {str(leaving.port)}
    assert await register(staying, name())
    async with peers.house() as house:
        kept = [await house.sessions.find(person.session_id) for person in promised]
    assert all(session is not None and session.ended_at is None for session in kept)
    assert peers.alarms() == []


HALF_A_REQUEST = {
    "no byte": b"",
    "half a head": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\n",
    "half a body": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
}
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_whoever_never_finishes_asking_holds_nobody_up(new_sqlite_peers: NewPeers) -> None:
    peers = new_sqlite_peers()
    peers.start(1)
    writers = []
    for words in HALF_A_REQUEST.values():
        reader, writer = await asyncio.open_connection("127.0.0.1", peers.ports[0])
        writer.write(words)
        writers.append(writer)
    assert await asyncio.wait_for(reader.readexactly(len(GO_ON)), 20) == GO_ON  # the application asks for the body
    writer.write(b"{")
    await asyncio.sleep(0.2)

    started = time.monotonic()
    code = await asyncio.to_thread(peers.servers[0].terminate, 30.0)

    assert code == 0
    assert time.monotonic() - started < LONGEST_END
    assert peers.alarms() == []
    said = await asyncio.wait_for(reader.read(), 20)  # of the last one, which is known to be under way
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 1\r\n" in said
    assert b"/problems/unavailable" in said
    for writer in writers:
        writer.close()
