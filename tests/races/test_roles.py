"""Hazard: what a third process takes from a role while two others let its holder in (R43, D3)."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.races.peers import Peers
from tests.races.test_api_keys import DOOR, READ, WITHIN
from tests.races.wire import Line, Switchboard, at_once, becomes


async def test_what_a_command_takes_from_a_role_is_gone_on_both_processes_within_a_second(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    who = name()
    text = (await peers.command("machine", "add", who, "--scope", READ, "--network", "127.0.0.1")).split()[-1]
    await peers.command("role", "add", "reader", "--permit", READ, "--to", who)
    lines = await switchboard.lines(peers.ports, 2)

    async def asks(line: Line, answer: int, within: float = WITHIN) -> None:
        await becomes(answer, lambda: line.ask("GET", DOOR, bearer=text), within=within)

    await at_once(asks(line, 200, within=20) for line in lines)  # the first time, a process has much to load
    await peers.command("role", "remove", "reader", "--yes")
    done = time.monotonic()
    await at_once(asks(line, 403) for line in lines)

    assert time.monotonic() - done < WITHIN
    for line in lines:  # refused is refused, on every line
        assert (await line.ask("GET", DOOR, bearer=text)).status == 403
