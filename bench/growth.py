"""T14: do who-am-I and refresh cost more where there are very many sessions?"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median

from tests.services.ports import free_port

from bench import people, processes
from bench.load import Wrk
from bench.plan import Plan
from bench.processes import API, PAGE, Process
from bench.report import Figure, Row, Show
from bench.requests import CONNECTIONS, over, refresh

SMALL = 10_000
PEOPLE = 1000
A_WINDOW = 1200
KINDS = {"me": "who-am-I", "refresh": "refresh"}


def measure(folder: Path, plan: Plan, show: Show) -> None:
    """Load a small and a large house in turn."""
    ports = {SMALL: free_port(), plan.sessions: free_port()}
    begun = time.perf_counter()
    for size, port in ports.items():
        (folder / str(size)).mkdir()
        asyncio.run(_prepare(folder / str(size), port, size, plan.rounds))
    filled = time.perf_counter() - begun
    mine, _ = processes.split_cores()
    cpu: dict[tuple[str, int], list[float]] = {(kind, size): [] for kind in KINDS for size in ports}
    errors = 0
    with (
        processes.house(folder / str(SMALL) / "data", ports[SMALL], cores=mine) as small,
        processes.house(folder / str(plan.sessions) / "data", ports[plan.sessions], cores=mine) as large,
    ):
        small.ready(PAGE)
        large.ready(PAGE)
        for number in range(plan.rounds + 1):
            for kind in KINDS:
                for house, size in ((small, SMALL), (large, plan.sessions)):
                    found, wrong = _turn(house, folder / str(size), kind, number, plan.window)
                    errors += wrong
                    if number:  # the first round warms up
                        cpu[kind, size].append(found)
    figures = tuple(
        Figure(f"{name}: CPU over CPU", median(over(cpu[kind, plan.sessions], cpu[kind, SMALL])), 1.2, 1.05)
        for kind, name in KINDS.items()
    )
    notes = (
        f"rows inserted by bulk SQL in {filled:.0f} s; sessions picked at random over the whole table",
        "the target speaks of 10,000,000 sessions, which would take too long to fill in here",
    )
    show(Row("T14", f"growth: {plan.sessions:,} sessions over {SMALL:,}", figures, errors, notes))


async def _prepare(place: Path, port: int, size: int, rounds: int) -> None:
    async with people.settled(place / "data", port, PEOPLE) as town:
        ids = await people.crowd(town, place / "data" / "ostiary.db", size)
        ids = people.sample(ids, A_WINDOW * (rounds + 1))
        people.written(place, "bearer", await people.access_headers(town, ids[:2000]))
        for number in range(rounds + 1):
            tokens = people.refresh_tokens(town, ids[number * A_WINDOW : (number + 1) * A_WINDOW])
            people.written(place, f"refresh{number}", tokens)


def _turn(house: Process, place: Path, kind: str, number: int, seconds: int) -> tuple[float, int]:
    """Return seconds of CPU for a request, and errors."""
    wrk, before = Wrk(processes.split_cores()[1]), house.cpu()
    if kind == "refresh":
        load = refresh(wrk, house, place / f"refresh{number}", seconds)
    else:
        load = wrk.run(f"{house.url}{API}/me", "get", place / "bearer", seconds=seconds, connections=CONNECTIONS)
    return (house.cpu() - before) / load.requests, load.errors
