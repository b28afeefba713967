"""T13: how soon a session that ended in one process is refused by another."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.services.ports import LOOPBACK, free_port

from bench import people, processes
from bench.plan import Plan
from bench.postgresql import cluster_for
from bench.processes import API, PAGE
from bench.report import Figure, Row, Show

PATIENCE = 5.0


def measure(folder: Path, plan: Plan, show: Show) -> None:
    """Measure with two processes on SQLite, and on PostgreSQL where there is one."""
    _on(folder / "sqlite", None, "SQLite", plan, show)
    with cluster_for("T13") as cluster:
        if cluster is not None:
            _on(folder / "postgresql", cluster.fresh_database(), "PostgreSQL", plan, show)


def _on(folder: Path, database: str | None, kind: str, plan: Plan, show: Show) -> None:
    folder.mkdir()
    ports = free_port(), free_port()
    tokens = asyncio.run(_prepare(folder, ports[0], plan.revocations, database))
    environment = {"OSTIARY_WEB__PUBLIC_URL": f"http://localhost:{ports[0]}"}
    if database is not None:
        environment["OSTIARY_STORAGE__DATABASE"] = database
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(processes.house(folder / "data", port, environment=environment)) for port in ports
        )
        first.ready(PAGE)
        second.ready(PAGE)
        lags = sorted(_lag(first.port, second.port, token) for token in tokens)
    figures = (
        Figure("p99 ms", 1e3 * lags[int(0.99 * (len(lags) - 1))], 200, 50, shown="{:.1f}"),
        Figure("median ms", 1e3 * lags[len(lags) // 2], shown="{:.1f}"),
    )
    notes = (
        f"{len(lags)} sessions: from the answer to the sign-out until another process refuses, asked without pause",
        "Python asks here, not wrk: the order of requests on two connections is what is measured",
    )
    missed = sum(lag >= PATIENCE for lag in lags)
    show(Row("T13", f"revocation visible on another process, {kind}", figures, missed, notes))


async def _prepare(folder: Path, port: int, count: int, database: str | None) -> list[str]:
    async with people.settled(folder / "data", port, 8, database) as town:
        return [grant.access.token for grant in await people.sign_in(town, count)]


def _lag(ending: int, looking: int, token: str) -> float:
    """Return the seconds from the answer to a sign-out until another process refuses the token."""
    headers = {"Authorization": f"Bearer {token}"}
    refused: list[float] = []
    is_good = threading.Event()

    def look() -> None:
        connection = http.client.HTTPConnection(LOOPBACK, looking, timeout=10)
        until = time.perf_counter() + PATIENCE
        while not refused and time.perf_counter() < until:
            connection.request("GET", f"{API}/me", headers=headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                is_good.set()
            elif answer.status == 401 and is_good.is_set():
                refused.append(time.perf_counter())
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    is_good.wait(PATIENCE)
    connection = http.client.HTTPConnection(LOOPBACK, ending, timeout=10)
    connection.request("POST", f"{API}/logout", headers=headers)
    answer = connection.getresponse()
    answered = time.perf_counter()
    answer.read()
    connection.close()
    thread.join()
    if answer.status != 200 or not refused:
        return PATIENCE
    return max(0.0, refused[0] - answered)
