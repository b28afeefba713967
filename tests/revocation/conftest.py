"""Two servers on one database, and a secret that opens their feed."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest
from tests.races.fixtures import _running, name, storage, switchboard
from tests.races.peers import Peers

__all__ = ["SECRET", "name", "pair", "peers", "storage", "switchboard"]

SECRET = "ostiary-reader-" + "s" * 43


@pytest.fixture(scope="session")
def pair(storage: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    """Two server processes that let one reader hear."""
    data = tmp_path_factory.mktemp("heard") / "data"
    readers = f'["{sha256(SECRET.encode()).hexdigest()}"]'
    yield from _running(storage, request, lambda url: Peers(data, url, {"OSTIARY_REVOCATION__READERS": readers}))


@pytest.fixture
def peers(pair: Peers) -> Iterator[Peers]:
    """The pair; afterwards both must still run and must have logged no fault."""
    for server in pair.servers:
        server.wait_until_ready()
    before = pair.logged()
    yield pair
    assert all(server.is_running for server in pair.servers)
    assert pair.alarms(before) == []
