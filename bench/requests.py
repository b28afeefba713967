"""T3, T5, T7: what a request costs over an empty handler on the same server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.services.ports import free_port

from bench import people, processes
from bench.load import Load, Wrk
from bench.plan import Plan
from bench.processes import API, PAGE, Process
from bench.report import Figure, Row, Show

CONNECTIONS = 32
REFRESHERS = 32
SESSIONS_A_WINDOW = 8 * REFRESHERS
KINDS = ("floor", "yardstick", "bearer", "cookie", "apikey", "refresh", "jwks", "forward")
AT_THE_FLOOR = ("floor", "yardstick")
PATHS = {
    "floor": "/", "yardstick": "/yardstick", "jwks": "/.well-known/jwks.json", "bearer": f"{API}/me",
    "cookie": f"{API}/me", "apikey": f"{API}/me", "forward": "/auth/forward",
}  # fmt: skip


@dataclass(slots=True)
class Turns:
    """What each turn of one kind of request showed; CPU in seconds of one request."""

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """The turns of every kind, in the order in which they were taken."""

    turns: Mapping[str, Turns]

    def cpu_ratios(self, kind: str) -> list[float]:
        """Return for each round the CPU of such a request over that of the floor."""
        return over(self.turns[kind].cpu, self.turns["floor"].cpu)

    def yardsticks(self, kind: str) -> list[float]:
        """Return for each round what such a request costs beyond the floor, in yardsticks."""
        mine = over_floor(self.turns[kind].cpu, self.turns["floor"].cpu)
        return over(mine, over_floor(self.turns["yardstick"].cpu, self.turns["floor"].cpu))

    def rate_ratios(self, kind: str) -> list[float]:
        """Return for each round such requests in a second over those of the floor."""
        return over(self.turns[kind].rates, self.turns["floor"].rates)


def over(mine: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratios of what was measured in the same round."""
    return [one / other for one, other in zip(mine, others, strict=True)]


def over_floor(mine: Sequence[float], floor: Sequence[float]) -> list[float]:
    """Return what was measured in each round beyond the floor, and never less than nothing."""
    return [max(one - other, 1e-7) for one, other in zip(mine, floor, strict=True)]


def measure(folder: Path, plan: Plan, show: Show) -> None:
    """Measure T3, T5 and what T7 asks, of the JWK Set."""
    found = take_turns(folder, plan.rounds, plan.window)
    turns = found.turns
    floor_us, floor_rate = 1e6 * median(turns["floor"].cpu), median(turns["floor"].rates)
    notes = (
        f"floor: {floor_rate:,.0f}/s, {floor_us:.1f} us CPU; medians of {plan.rounds} rounds of {plan.window} s",
        "server on one core, wrk on the others",
    )
    shown = {"bearer": "bearer token", "cookie": "cookie (all five that a browser sends)", "apikey": "API key"}
    for kind, name in shown.items():
        figures = (
            Figure("requests/s over floor", median(found.rate_ratios(kind)), 0.60, 0.75, more=True),
            Figure("CPU over floor", median(found.cpu_ratios(kind)), 1.8),
            Figure("requests/s (wall)", median(turns[kind].rates), shown="{:,.0f}"),
            Figure("CPU us", 1e6 * median(turns[kind].cpu), shown="{:.1f}"),
        )
        show(Row("T3", f"who-am-I by {name}", figures, turns[kind].errors + turns["floor"].errors, notes))
    _show_others(found, show)


def _show_others(found: Found, show: Show) -> None:
    refresh, jwks = found.turns["refresh"], found.turns["jwks"]
    rotation = (
        Figure("CPU over floor", median(found.cpu_ratios("refresh")), 14, 8, shown="{:.1f}"),
        Figure("refreshes/s (wall)", median(refresh.rates), 2500, more=True, shown="{:,.0f}"),
        Figure("CPU us", 1e6 * median(refresh.cpu), shown="{:.0f}"),
    )
    note = f"{REFRESHERS} clients; each chains the tokens of {SESSIONS_A_WINDOW // REFRESHERS} sessions"
    show(Row("T5", "refresh: rotation, theft detection, durable commit", rotation, refresh.errors, [note]))
    key_set = (
        Figure("CPU over floor", median(found.cpu_ratios("jwks")), 4, 2.5),
        Figure("requests/s (wall)", median(jwks.rates), 9000, more=True, shown="{:,.0f}"),
    )
    note = "stands in for introspection, which is not built yet; nor is T6"
    show(Row("T7", "JWK Set", key_set, jwks.errors, [note]))
    forward = found.turns["forward"]
    asked = (
        Figure("CPU over floor", median(found.cpu_ratios("forward")), 4, 2.5),
        Figure("requests/s (wall)", median(forward.rates), 9000, more=True, shown="{:,.0f}"),
        Figure("CPU us", 1e6 * median(forward.cpu), shown="{:.1f}"),
    )
    note = "as a proxy asks it, by the cookies of a browser; without the proxy"
    show(Row("T7", "forward authentication", asked, forward.errors, [note]))


def take_turns(folder: Path, rounds: int, window: int) -> Found:
    """Load floor and house in turn, so many rounds, each kind for so many seconds."""
    port = free_port()
    files = asyncio.run(_prepare(folder, port, rounds))
    mine, others = processes.split_cores()
    found = {kind: Turns() for kind in KINDS}
    with processes.house(folder / "data", port, cores=mine) as house, processes.floor(cores=mine) as floor:
        house.ready(PAGE)  # what loads beside the first requests is loaded
        floor.ready()
        for number in range(rounds + 1):
            for kind in KINDS:
                server = floor if kind in AT_THE_FLOOR else house
                file = files[f"refresh{number}" if kind == "refresh" else kind]
                load, cpu = _turn(Wrk(others), server, kind, file, window if number else 1)
                found[kind].errors += load.errors
                if number:  # the first round only warms up
                    found[kind].rates.append(load.rate)
                    found[kind].cpu.append(cpu)
    return Found(found)


async def _prepare(folder: Path, port: int, rounds: int) -> dict[str, Path]:
    async with people.settled(folder / "data", port, 64) as town:
        grants = await people.sign_in(town, 64)
        lines = {
            "floor": [],
            "jwks": [],
            "yardstick": [people.cookie_header(town, grant) for grant in grants],
            "bearer": [people.bearer_header(grant) for grant in grants],
            "cookie": [people.cookie_header(town, grant) for grant in grants],
            "apikey": [people.key_header(text) for text in await people.keys(town, 64)],
            "forward": [people.cookie_header(town, grant) for grant in grants],
        }
        for number in range(rounds + 1):  # each window has sessions of its own: a token counts once
            lines[f"refresh{number}"] = [grant.refresh_token for grant in await people.sign_in(town, SESSIONS_A_WINDOW)]
    return {name: people.written(folder, name, found) for name, found in lines.items()}


def _turn(wrk: Wrk, server: Process, kind: str, file: Path, seconds: int) -> tuple[Load, float]:
    before = server.cpu()
    if kind == "refresh":
        load = refresh(wrk, server, file, seconds)
    else:
        load = wrk.run(server.url + PATHS[kind], "get", file, seconds=seconds, connections=CONNECTIONS)
    return load, (server.cpu() - before) / load.requests


def refresh(wrk: Wrk, server: Process, file: Path, seconds: int) -> Load:
    """Let as many clients as connections refresh the sessions of a file, each in a chain."""
    return wrk.run(
        f"{server.url}{API}/refresh", "refresh", file, str(REFRESHERS), seconds=seconds, connections=REFRESHERS,
        threads=REFRESHERS,
    )  # fmt: skip
