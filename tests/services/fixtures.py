"""Fixtures that bring the real services; `tests/conftest.py` takes them all in."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from tests.services.chromium import ARGUMENTS, PATIENCE_MILLISECONDS, find_headless_chromium
from tests.services.event_loops import lend_the_loop, take_the_loop_back
from tests.services.parts import CHROMIUM, POSTGRESQL, VALKEY, do_without
from tests.services.postgres import Postgres, find_postgres
from tests.services.server_process import ServerProcess
from tests.services.valkey import Valkey, find_valkey

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Playwright

__all__ = [
    "StartOstiary",
    "base_url",
    "browser_context_args",
    "browser_type_launch_args",
    "fresh_postgres_url",
    "playwright",
    "postgres",
    "pytest_fixture_post_finalizer",
    "pytest_fixture_setup",
    "pytest_pyfunc_call",
    "start_ostiary",
    "valkey",
    "valkey_url",
]


class StartOstiary(Protocol):
    """Starts a server process, waits until it is ready, and ends it with the test."""

    def __call__(
        self,
        *arguments: str,
        command: str = "serve",
        data: Path | None = None,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> ServerProcess: ...


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running cluster of this worker's own; tests that stop it must start it again."""
    programs = find_postgres()
    if programs is None:
        do_without(POSTGRESQL)
    cluster = Postgres(programs)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def fresh_postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database that lives as long as the test."""
    url = postgres.fresh_database()
    yield url
    postgres.drop_soon(url)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """A running server of this worker's own; tests that stop it must start it again."""
    program = find_valkey()
    if program is None:
        do_without(VALKEY)
    server = Valkey(program)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def valkey_url(valkey: Valkey) -> str:
    """The URL of a server that remembers nothing."""
    valkey.flush()
    return valkey.url


@pytest.fixture
def start_ostiary(tmp_path: Path) -> Iterator[StartOstiary]:
    """Start as many servers as a test needs; those given no `data` share one directory."""
    with ExitStack() as stack:

        def start(
            *arguments: str,
            command: str = "serve",
            data: Path | None = None,
            port: int | None = None,
            environment: Mapping[str, str] | None = None,
        ) -> ServerProcess:
            server = ServerProcess(
                data or tmp_path / "data", *arguments, command=command, port=port, environment=environment
            )
            stack.callback(server.close)
            server.wait_until_ready()
            return server

        yield start


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The installed Chromium; its sandbox needs rights that a container seldom gives."""
    program = find_headless_chromium()
    if program is None:
        do_without(CHROMIUM)
    return {
        **browser_type_launch_args,
        "executable_path": str(program),
        "chromium_sandbox": False,
        "args": [*browser_type_launch_args.get("args", ()), *ARGUMENTS],
    }


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """One language and no animations, so that a page looks the same on every machine."""
    return {**browser_context_args, "locale": "en-US", "reduced_motion": "reduce"}


@pytest.fixture(scope="session")
def base_url() -> None:
    """No address: each test's server has a port of its own (and the plugin's own fixture warns of its form)."""


@pytest.fixture(scope="session")
def playwright(playwright: Playwright) -> Playwright:
    """Playwright, patient, and so that asynchronous tests may follow in the same process."""
    from playwright.sync_api import expect  # noqa: PLC0415  most processes need no browser

    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    lend_the_loop(playwright)
    take_the_loop_back()
    return playwright


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup() -> Generator[None, object, object]:
    take_the_loop_back()
    try:
        return (yield)
    finally:
        take_the_loop_back()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    take_the_loop_back()
    try:
        return (yield)
    finally:
        take_the_loop_back()


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_post_finalizer() -> None:
    take_the_loop_back()
