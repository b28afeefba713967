"""T8 (idle) and T9: what a start costs, with a data folder that exists."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median

from tests.services.ports import free_port

from bench import people, processes
from bench.plan import Plan
from bench.processes import PAGE
from bench.report import Figure, Row, Show

SETTLING_SECONDS = 2.0
WEIGHED = 3  # starts after which memory is looked at


def measure(folder: Path, plan: Plan, show: Show) -> None:
    """Start the server again and again on one folder."""
    port = free_port()
    asyncio.run(_prepare(folder, port))
    ready: list[float] = []
    pages: list[float] = []
    cpu: list[float] = []
    idle: list[float] = []
    for number in range(plan.starts + 1):
        with processes.house(folder / "data", port) as house:
            first, page = house.ready(), house.ready(PAGE)
            if number == 0:
                continue  # writes bytecode, as an installation does
            ready.append(first)
            pages.append(page)
            cpu.append(house.cpu())
            if number <= WEIGHED:
                time.sleep(SETTLING_SECONDS)
                idle.append(house.memory().now)
    figures = (
        Figure("s to the first 200 of /readyz", median(ready), 0.6, 0.3),
        Figure("s to the first page, which lies behind the fast lane", median(pages)),
        Figure("CPU s until then", median(cpu)),
    )
    show(Row("T9", "cold start, from the spawn of the process", figures, notes=(f"median of {plan.starts} starts",)))
    figure = Figure(f"MB resident, {SETTLING_SECONDS:.0f} s after a start", median(idle), 80, 60, shown="{:.0f}")
    show(Row("T8", "memory of one worker: idle", (figure,), notes=("a page was shown: nothing is left to load",)))


async def _prepare(folder: Path, port: int) -> None:
    async with people.settled(folder / "data", port, 10):
        pass
