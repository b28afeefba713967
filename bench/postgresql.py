"""T11: refreshing on PostgreSQL: our CPU, and the round trips."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from tests.services.ports import LOOPBACK, free_port
from tests.services.postgres import Postgres, find_postgres

from bench import people, processes
from bench.load import Load, Wrk
from bench.plan import Plan
from bench.processes import PAGE
from bench.report import Figure, Row, Show
from bench.requests import REFRESHERS, SESSIONS_A_WINDOW, over, refresh
from ostiary.wiring import Ostiary

COUNTED = 100


@contextmanager
def cluster_for(target: str) -> Iterator[Postgres | None]:
    """Yield a running cluster of our own, or None, and say so, where PostgreSQL is not installed."""
    programs = find_postgres()
    if programs is None:
        print(f"\n{target:4} on PostgreSQL: NOT MEASURED, it is not installed")
        yield None
        return
    cluster = Postgres(programs)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@dataclass(slots=True)
class Wire:
    """Stands between house and database and counts how often the house waits for an answer."""

    target: int
    waits: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on one connection, both ways."""
        there_reader, there_writer = await asyncio.open_connection(LOOPBACK, self.target)
        self.tasks.add(asyncio.create_task(self._questions(reader, there_writer)))
        self.tasks.add(asyncio.create_task(self._answers(there_reader, writer)))

    async def _questions(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            size = int.from_bytes(await reader.readexactly(4))  # the first message has no type
            writer.write(size.to_bytes(4) + await reader.readexactly(size - 4))
            while True:
                kind = await reader.readexactly(1)
                size = int.from_bytes(await reader.readexactly(4))
                # After Sync and after Query the server says that it is ready: each is one round trip.
                self.waits += kind in (b"S", b"Q")
                writer.write(kind + size.to_bytes(4) + await reader.readexactly(size - 4))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
        writer.close()


@asynccontextmanager
async def counted(url: str) -> AsyncIterator[tuple[Wire, str]]:
    """Yield a counter, and the URL that leads through it."""
    parts = urlsplit(url)
    wire = Wire(parts.port or 5432)
    server = await asyncio.start_server(wire.serve, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield (
            wire,
            parts._replace(
                netloc=f"{parts.username}:{parts.password}@{LOOPBACK}:{port}", query="sslmode=disable"
            ).geturl(),
        )
    finally:
        server.close()
        for task in wire.tasks:
            task.cancel()
        await asyncio.gather(*wire.tasks, return_exceptions=True)


def measure(folder: Path, plan: Plan, show: Show) -> None:
    """Measure, if PostgreSQL is installed."""
    with cluster_for("T11") as cluster:
        if cluster is None:
            return
        url = cluster.fresh_database()
        loads, cpu, floor = _take_turns(folder, plan, url)
        trips = asyncio.run(_round_trips(folder, url))
    figures = (
        Figure("our CPU ms", 1e3 * median(cpu), 0.5, 0.35, shown="{:.3f}"),
        Figure("round trips", trips, 1),
        Figure("CPU over floor", median(over(cpu, floor)), shown="{:.1f}"),
        Figure("refreshes/s (wall)", median(load.rate for load in loads), shown="{:,.0f}"),
    )
    notes = ["this cluster does not wait for the disk (fsync off): that helps the rate, not CPU and round trips"]
    show(Row("T11", "refresh on PostgreSQL", figures, sum(load.errors for load in loads), notes))


def _take_turns(folder: Path, plan: Plan, url: str) -> tuple[list[Load], list[float], list[float]]:
    port = free_port()
    files = asyncio.run(_prepare(folder, port, plan.rounds, url))
    mine, others = processes.split_cores()
    wrk, loads = Wrk(others), []
    cpu: list[float] = []
    floors: list[float] = []
    environment = {"OSTIARY_STORAGE__DATABASE": url}
    with (
        processes.house(folder / "data", port, cores=mine, environment=environment) as house,
        processes.floor(cores=mine) as floor,
    ):
        house.ready(PAGE)
        floor.ready()
        for file in files:
            before = floor.cpu()
            empty = wrk.run(f"{floor.url}/", "get", "/dev/null", seconds=plan.window, connections=REFRESHERS)
            floors.append((floor.cpu() - before) / empty.requests)
            before = house.cpu()
            loads.append(refresh(wrk, house, file, plan.window))
            cpu.append((house.cpu() - before) / loads[-1].requests)
    return loads[1:], cpu[1:], floors[1:]  # the first round warmed up


async def _prepare(folder: Path, port: int, rounds: int, url: str) -> list[Path]:
    async with people.settled(folder / "data", port, 64, url) as town:
        return [
            people.written(
                folder, f"refresh{number}",
                [grant.refresh_token for grant in await people.sign_in(town, SESSIONS_A_WINDOW)],
            )
            for number in range(rounds + 1)
        ]  # fmt: skip


async def _round_trips(folder: Path, url: str) -> float:
    """Count them between a house in this process and the database, once statements are prepared."""
    async with counted(url) as (wire, led):
        house = Ostiary.at(folder / "data", storage={"database": led})
        await house.open(work=False)
        try:
            account = (await house.accounts.listed())[0]
            async with house.database.unit(people.CALLER) as unit:
                session = await house.sessions.start(unit, account, methods=("pwd",), device_id=None)
            token = house.sessions.grant(account, session).refresh_token
            for number in range(2 * COUNTED):
                if number == COUNTED:
                    begun = wire.waits
                token = (await house.sessions.refresh(people.CALLER, token)).refresh_token
            return (wire.waits - begun) / COUNTED
        finally:
            await house.close()
