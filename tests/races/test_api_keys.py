"""Hazard: what a third process takes back from an API key while two others let it in (R42, D3)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.races.peers import Peers
from tests.races.wire import Line, Switchboard, at_once, becomes

from ostiary.apikeys import read

WITHIN = 1.0
"""Seconds from a command's return until both processes must refuse."""

READ = "csp-reports:read"
DOOR = "/api/v1/admin/csp-reports"


@dataclass(frozen=True)
class Machine:
    """A machine with a key that opens a keeper's door."""

    name: str
    text: str

    @property
    def hint(self) -> str:
        """How the keeper names the key."""
        name = read(self.text)
        assert name is not None
        return name.hint


COMMANDS: dict[str, tuple[Callable[[Machine], tuple[str, ...]], int]] = {
    "the key is revoked": (lambda machine: ("apikey", "revoke", machine.hint), 401),
    "its owner is deactivated": (lambda machine: ("user", "deactivate", machine.name), 401),
    "its owner may no more": (lambda machine: ("user", "forbid", machine.name, READ), 403),
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_what_a_command_takes_from_a_key_is_gone_on_both_processes_within_a_second(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str], command: str
) -> None:
    who = name()
    added = await peers.command("machine", "add", who, "--permit", READ, "--network", "127.0.0.1")
    machine = Machine(who, added.split()[-1])
    lines = await switchboard.lines(peers.ports, 2)
    words, status = COMMANDS[command]

    async def asks(line: Line, answer: int, within: float = WITHIN) -> None:
        await becomes(answer, lambda: line.ask("GET", DOOR, bearer=machine.text), within=within)

    await at_once(asks(line, 200, within=20) for line in lines)  # the first time, a process has much to load
    await peers.command(*words(machine))
    done = time.monotonic()
    await at_once(asks(line, status) for line in lines)

    assert time.monotonic() - done < WITHIN
    for line in lines:  # refused is refused, on every line
        assert (await line.ask("GET", DOOR, bearer=machine.text)).status == status
