"""What becomes of open sockets when nobody can say whether their sessions stand (D14)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from tests.faults.cable import Cable
from tests.integrations.sockets.peers import TRY_LATER, SocketPeers, code_of, opened, socket_to
from tests.races.fixtures import _running
from tests.races.peers import register
from tests.races.wire import Switchboard


@pytest.fixture(scope="session")
def storage() -> str:
    """PostgreSQL: what lies in a file of this machine cannot be cut off."""
    return "postgresql"


@pytest.fixture
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SocketPeers]:
    """Peers of this test's own, not yet started."""
    made: list[SocketPeers] = []

    def make(url: str | None) -> SocketPeers:
        made.append(SocketPeers(tmp_path_factory.mktemp("cut") / "data", url))
        return made[-1]

    running = _running("postgresql", request, make, start=0)
    next(running)
    yield made[-1]
    next(running, None)


async def test_they_are_closed_and_may_come_back(alone: SocketPeers, switchboard: Switchboard) -> None:
    with Cable(alone) as cable:
        alone.start(1)
        (line,) = await switchboard.lines(alone.ports)
        mira = await register(line, "mira")
        async with socket_to(alone.ports[0], bearer=mira.access) as socket:
            await socket.recv()
            cable.cut()
            begun = time.monotonic()
            assert await code_of(socket, 15.0) == TRY_LATER
            assert time.monotonic() - begun < 8  # the bound of the view, and a reading that is given up
        assert await opened(alone.ports[0], bearer=mira.access) == TRY_LATER
        cable.mend()
        for _ in range(100):
            if await opened(alone.ports[0], bearer=mira.access) == "mira":
                return
            await asyncio.sleep(0.1)
        pytest.fail("nobody is let in again")
