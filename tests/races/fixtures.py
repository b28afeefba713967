"""Fixtures for races and faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest
from tests.races.peers import Peers
from tests.races.wire import Switchboard
from tests.services.postgres import Postgres

__all__ = ["name", "new_peers", "new_postgres_peers", "new_sqlite_peers", "pair", "peers", "storage", "switchboard"]

NewPeers = Callable[..., Peers]
_numbers = count(1)
STORAGES = [
    # One process of the run takes all races of a database, so that its pair of servers starts once.
    pytest.param(kind, marks=pytest.mark.xdist_group(f"races-{kind}"))
    for kind in ("sqlite", "postgresql")
]


@pytest.fixture(scope="session", params=STORAGES)
def storage(request: pytest.FixtureRequest) -> str:
    """Each race runs on both databases."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def pair(storage: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    """Two server processes on one database, started at the same moment on an empty one."""
    data = tmp_path_factory.mktemp("pair") / "data"
    environment = {
        "OSTIARY_SESSIONS__REFRESH_GRACE": "PT4S",
        "OSTIARY_KEYS__PUBLISH_AHEAD": "PT1S",
        "OSTIARY_KEYS__JWKS_MAX_AGE": "PT0.5S",
    }
    yield from _running(storage, request, lambda url: Peers(data, url, environment))


@pytest.fixture
def peers(pair: Peers) -> Iterator[Peers]:
    """The pair; afterwards both must still run and must have logged no fault."""
    for server in pair.servers:
        server.wait_until_ready()
    before = pair.logged()
    yield pair
    assert all(server.is_running for server in pair.servers)
    assert pair.alarms(before) == []


@pytest.fixture
def new_peers(
    storage: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NewPeers]:
    """Make peers of a test's own, on a database of their own; the test starts and ends their processes."""
    yield from _makes_peers(storage, request, tmp_path_factory)


@pytest.fixture
def new_sqlite_peers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewPeers]:
    """As `new_peers`, for what has nothing to do with the database."""
    yield from _makes_peers("sqlite", request, tmp_path_factory)


@pytest.fixture
def new_postgres_peers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewPeers]:
    """As `new_peers`, for what only PostgreSQL can do to us."""
    yield from _makes_peers("postgresql", request, tmp_path_factory)


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    """Opens connections that end with the test."""
    board = Switchboard()
    yield board
    await board.close()


@pytest.fixture
def name() -> Callable[[], str]:
    """Usernames that nobody has on a database that tests share."""
    return lambda: f"person{next(_numbers):05}"


def _makes_peers(
    storage: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NewPeers]:
    made: list[Iterator[Peers]] = []

    def make(environment: Mapping[str, str] | None = None, *, data: Path | None = None) -> Peers:
        folder = data or tmp_path_factory.mktemp("peers") / "data"
        running = _running(storage, request, lambda url: Peers(folder, url, environment), start=0)
        made.append(running)
        return next(running)

    yield make
    for running in made:
        next(running, None)


def _running(
    storage: str, request: pytest.FixtureRequest, make: Callable[[str | None], Peers], start: int = 2
) -> Iterator[Peers]:
    cluster: Postgres | None = request.getfixturevalue("postgres") if storage == "postgresql" else None
    url = cluster.fresh_database() if cluster else None
    peers = make(url)
    try:
        peers.start(start)
        yield peers
    finally:
        peers.close()
        if cluster and url:
            cluster.drop_database(url)
