"""T13: what an open WebSocket costs, and how soon all of them are closed when their sessions end elsewhere."""

from __future__ import annotations

import asyncio
import base64
import http.client
import secrets
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.services.ports import LOOPBACK, free_port

from bench import people, processes
from bench.plan import Plan
from bench.postgresql import cluster_for
from bench.processes import API, Process
from bench.report import Figure, Row, Show

CHAT = Path(__file__).parent.parent / "tests" / "integrations" / "sockets" / "chat.py"
PATIENCE = 30.0
DIALLING = 50
"""Connections that are dialled at the same moment: fewer than the server's backlog."""


def measure(folder: Path, plan: Plan, show: Show) -> None:
    """Measure an application on granian and on uvicorn, on SQLite, and on PostgreSQL where there is one."""
    for server in ("granian", "uvicorn"):
        _on(folder / server, None, f"{server}, SQLite", server, plan, show)
    with cluster_for("T13") as cluster:
        if cluster is not None:
            _on(folder / "postgresql", cluster.fresh_database(), "granian, PostgreSQL", "granian", plan, show)


def _on(folder: Path, database: str | None, kind: str, server: str, plan: Plan, show: Show) -> None:
    folder.mkdir()
    ports = free_port(), free_port()
    tokens = asyncio.run(_prepare(folder, ports[0], plan.sockets + 1, database))
    environment = processes.RELAXED | {
        "OSTIARY_WEB__PUBLIC_URL": f"http://localhost:{ports[0]}", "OSTIARY_SESSIONS__SOCKETS_PER_ACCOUNT": "1000000",
    }  # fmt: skip
    if database is not None:
        environment["OSTIARY_STORAGE__DATABASE"] = database
    with ExitStack() as stack:
        ending, holding = (stack.enter_context(_chat(folder / "data", port, server, environment)) for port in ports)
        ending.ready()
        holding.ready()
        asyncio.run(_warm(holding, tokens[0]))
        kilobytes, lags, commit = asyncio.run(_take(holding, ending, tokens[:-1], bearer=tokens[-1]))
    figures = (
        Figure("kB each", kilobytes, shown="{:.1f}"),
        Figure("last closed ms", 1e3 * max(lags, default=PATIENCE), 100, 50, shown="{:.0f}"),
        Figure("median ms", 1e3 * sorted(lags)[len(lags) // 2] if lags else PATIENCE, shown="{:.0f}"),
    )
    notes = (
        f"{len(tokens) - 1} sockets of as many sessions in one process; another process ends all of them in one unit",
        f"counted from the answer to that, which took {commit:.2f} s; frames are read by Python, which counts too",
    )
    missed = len(tokens) - 1 - len(lags)
    show(Row("T13", f"{plan.sockets} WebSockets: memory, and closing all, {kind}", figures, missed, notes))


def _chat(data: Path, port: int, server: str, environment: dict[str, str]) -> Process:
    return Process(
        sys.executable, str(CHAT), "--data", str(data), "--port", str(port), "--server", server, port=port,
        environment=environment,
    )  # fmt: skip


async def _prepare(folder: Path, port: int, count: int, database: str | None) -> list[str]:
    async with people.settled(folder / "data", port, 1, database) as town:
        return [grant.access.token for grant in await people.sign_in(town, count)]


async def _warm(holding: Process, token: str) -> None:
    """Open one and hang up: what loads with the first is loaded."""
    _, writer = await _open(holding.port, token)
    writer.transport.abort()


async def _take(
    holding: Process, ending: Process, tokens: list[str], *, bearer: str
) -> tuple[float, list[float], float]:
    """Open a socket for each token, end all sessions but one, and return memory each, lags, and the seconds of that."""
    before = holding.memory().now
    lines: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    for begin in range(0, len(tokens), DIALLING):
        lines += await asyncio.gather(*(_open(holding.port, token) for token in tokens[begin : begin + DIALLING]))
    await asyncio.sleep(0.5)
    each = 1024 * (holding.memory().now - before) / len(tokens)
    waiting = [asyncio.create_task(_closed_at(reader)) for reader, _ in lines]
    await asyncio.sleep(0)
    begun = time.perf_counter()
    answered = await asyncio.to_thread(_end_others, ending.port, bearer)
    _, late = await asyncio.wait(waiting, timeout=PATIENCE)
    for task in late:
        task.cancel()
    for _, writer in lines:
        writer.transport.abort()
    moments = [task.result() for task in waiting if task not in late]
    return each, [max(0.0, moment - answered) for moment in moments if moment is not None], answered - begun


def _end_others(port: int, bearer: str) -> float:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
    connection.request("POST", f"{API}/sessions/revoke-others", headers={"Authorization": f"Bearer {bearer}"})
    answer = connection.getresponse()
    answered = time.perf_counter()
    assert answer.status == 200, answer.read()
    answer.read()
    connection.close()
    return answered


async def _open(port: int, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=4096)
    lines = (
        "GET /echo HTTP/1.1", f"Host: localhost:{port}", "Upgrade: websocket", "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}", "Sec-WebSocket-Version: 13",
        f"Authorization: Bearer {token}",
    )  # fmt: skip
    writer.write("\r\n".join((*lines, "", "")).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head, head
    kind, length = await reader.readexactly(2)
    first = await reader.readexactly(length)
    assert kind == 0x81, first  # a text: it was let in
    return reader, writer


async def _closed_at(reader: asyncio.StreamReader) -> float | None:
    """Return when a close frame of code 4001 came; None for any other end."""
    head = await reader.read(4)
    moment = time.perf_counter()
    return moment if head[:1] == b"\x88" and head[2:4] == (4001).to_bytes(2, "big") else None
