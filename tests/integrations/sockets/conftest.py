"""Fixtures for WebSockets over real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.integrations.sockets.peers import SocketPeers
from tests.races.fixtures import _running, name, storage, switchboard

__all__ = ["name", "pair", "peers", "storage", "switchboard"]


@pytest.fixture(scope="session")
def pair(
    storage: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SocketPeers]:
    """Two processes of the application on one database."""
    data = tmp_path_factory.mktemp("chat") / "data"
    made: list[SocketPeers] = []

    def make(url: str | None) -> SocketPeers:
        made.append(SocketPeers(data, url))
        return made[-1]

    running = _running(storage, request, make)
    next(running)
    yield made[-1]
    next(running, None)


@pytest.fixture
def peers(pair: SocketPeers) -> Iterator[SocketPeers]:
    """The pair; afterwards both must still run and must have logged no fault."""
    before = pair.logged()
    yield pair
    assert all(server.is_running for server in pair.servers)
    assert pair.alarms(before) == []


NewName = Callable[[], str]
