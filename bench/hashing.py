"""T1, T2, T4, T8 (peak), T10: signing in, alone and in a flood, over what the hash itself allows."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.services.ports import free_port

from bench import people, processes, raw_hash
from bench.load import Load, Wrk
from bench.plan import Plan
from bench.processes import API, PAGE, Process
from bench.report import Figure, Row, Show
from bench.requests import over

PEOPLE = 1000
CORES = len(processes.all_cores())
CLIENTS = 4 * CORES  # keeps every hash thread busy, and none waits long
FLOODERS = 200
OFFERED = 10  # times the capacity
PROBES = 4
PAUSE = 8  # milliseconds of think time of each probe, on average
QUIET = 0.9  # share of the cores that hashing alone has to get
CALM_SECONDS = 2  # a flood begins before the probes and ends after them

RELAXED = "all clients have one address, so its limits are lifted by the environment (protection settings)"
UNPINNED = "no core is set aside: hash threads, loop and wrk share them all"


@dataclass(frozen=True, slots=True)
class Files:
    """What the wrk scripts read: names of people, and cookies of some of them."""

    names: Path
    cookies: Path


def measure(folder: Path, plan: Plan, show: Show) -> None:
    """Measure everything that hashes, on one server."""
    port = free_port()
    files = asyncio.run(_prepare(folder, port))
    with processes.house(folder / "data", port) as house:
        house.ready(PAGE)
        capacity = _alone(house, files, plan, show)
        _flood(house, files, plan, show)
        _calm(house, files, plan, capacity, show)


async def _prepare(folder: Path, port: int) -> Files:
    async with people.settled(folder / "data", port, PEOPLE) as town:
        cookies = [people.cookie_header(town, grant) for grant in await people.sign_in(town, 64)]
        return Files(people.written(folder, "names", town.names), people.written(folder, "cookies", cookies))


def _alone(house: Process, files: Files, plan: Plan, show: Show) -> float:
    """Measure T1 and T2; return sign-ins in a second."""
    raws: list[raw_hash.Raw] = []
    logins: list[Load] = []
    registers: list[Load] = []
    cpu: list[float] = []
    _login(house, files, 1)  # the first ones import what they need
    _register(house, 1)
    for _ in range(plan.hashing_rounds):
        house.rest()
        raws.append(raw_hash.measure(plan.hashing))
        before = house.cpu()
        logins.append(_login(house, files, plan.hashing))
        cpu.append((house.cpu() - before) / logins[-1].requests)
        registers.append(_register(house, plan.hashing))
    raw_rates, login_rates = [raw.rate for raw in raws], [load.rate_of(200) for load in logins]
    register_rates = [load.rate_of(201) for load in registers]
    is_sure = _was_quiet(raws)
    figures = (
        Figure("logins/s over raw", median(over(login_rates, raw_rates)), 0.95, 1.6, more=True, is_sure=is_sure),
        Figure("CPU of a login over CPU of a raw hash", median(over(cpu, [raw.cpu for raw in raws]))),
        Figure("logins/s", median(login_rates), shown="{:.1f}"),
    )
    got = f"raw: {median(raw_rates):.1f}/s, with {median(raw.cores for raw in raws):.2f} of {CORES} cores"
    notes = (f"{got}; medians of {plan.hashing_rounds} rounds of {plan.hashing} s", RELAXED, UNPINNED)
    show(Row("T1", "login over the raw Argon2id limit", figures, sum(load.errors for load in logins), notes))
    opened = (
        Figure(
            "registrations/s over raw", median(over(register_rates, raw_rates)), 0.90, 0.95, more=True, is_sure=is_sure
        ),
        Figure("registrations/s", median(register_rates), shown="{:.1f}"),
    )
    note = "weighing the password and laying the letter into the mail folder are in it"
    show(Row("T2", "register over the same", opened, sum(load.errors for load in registers), [note]))
    return median(login_rates)


def _flood(house: Process, files: Files, plan: Plan, show: Show) -> None:
    """Measure T10, and T8's peak on the way."""
    raws: list[raw_hash.Raw] = []
    loads: list[Load] = []
    for _ in range(plan.floods):
        house.rest()
        raws.append(raw_hash.measure(plan.hashing))
        load = Wrk().run(
            f"{house.url}{API}/login", "login", files.names, people.PASSWORD, "timed", seconds=plan.flood,
            connections=FLOODERS, threads=FLOODERS,
        )  # fmt: skip
        loads.append(load)
    requests = sum(load.requests for load in loads)
    refused = sum(load.statuses.get(503, 0) for load in loads)
    ratio, is_sure = median(over([load.rate_of(200) for load in loads], [raw.rate for raw in raws])), _was_quiet(raws)
    figures = (
        Figure("accepted logins/s over raw", ratio, 0.85, 0.95, more=True, is_sure=is_sure),
        Figure("p99 of the accepted, s", median(load.accepted_p99 for load in loads) / 1e3, 2.0, is_sure=is_sure),
    )
    note = f"{refused / requests:.0%} were told to come back later (503 with Retry-After): no error; they did at once"
    show(Row("T10", f"{FLOODERS} clients logging in without pause", figures, _wrong(loads), [note]))
    peak = Figure("MB resident at most", house.memory().peak, 150, 120, shown="{:.0f}")
    note = "this process has registered people before: password estimator and letters are in memory, too"
    show(Row("T8", "memory of one worker: peak under the login flood", (peak,), notes=[note]))


def _calm(house: Process, files: Files, plan: Plan, capacity: float, show: Show) -> None:
    """Measure T4: who-am-I while sign-ins flood in."""
    alone: list[Load] = []
    flooded: list[Load] = []
    floods: list[Load] = []
    raws: list[raw_hash.Raw] = []
    clients = int(2 * OFFERED * capacity)  # a refusal takes a second, the pause another one
    for _ in range(plan.floods):
        house.rest()
        raws.append(raw_hash.measure(1))  # only to know whether the machine is quiet
        alone.append(_probe(house, files, plan.flood))
        running = Wrk().begin(
            f"{house.url}{API}/login", "login", files.names, people.PASSWORD, "untimed", "1000",
            seconds=plan.flood + CALM_SECONDS, connections=clients, threads=2,
        )  # fmt: skip
        flooded.append(_probe(house, files, plan.flood))
        floods.append(running.result())
    before, during = median(load.p99 for load in alone), median(load.p99 for load in flooded)
    is_sure = _was_quiet(raws)
    figures = (
        Figure("p99 in the flood over p99 alone", during / before, 4, 2, is_sure=is_sure),
        Figure("p99 ms in the flood", during, 15, is_sure=is_sure),
        Figure("p99 ms alone", before),
    )
    offered = median(load.rate for load in floods) / capacity
    notes = (
        f"{clients} clients asked {offered:.1f} times as often as sign-ins are possible, with pauses of 1 s on average",
        f"{PROBES} connections ask who-am-I, each with a pause of {PAUSE} ms on average",
    )
    errors = sum(load.errors for load in (*alone, *flooded)) + _wrong(floods)
    show(Row("T4", "who-am-I while logins flood", figures, errors, notes))


def _was_quiet(raws: list[raw_hash.Raw]) -> bool:
    """Return whether hashing alone got the cores; if others are at work, times on the wall mean nothing."""
    return median(raw.cores for raw in raws) >= QUIET * CORES


def _wrong(loads: list[Load]) -> int:
    """Count what is neither a sign-in nor an orderly refusal for now."""
    answers = sum(number for load in loads for status, number in load.statuses.items() if status not in (200, 503))
    return answers + sum(load.failed for load in loads)


def _probe(house: Process, files: Files, seconds: int) -> Load:
    return Wrk().run(f"{house.url}{API}/me", "get", files.cookies, str(PAUSE), seconds=seconds, connections=PROBES)


def _login(house: Process, files: Files, seconds: int) -> Load:
    url = f"{house.url}{API}/login"
    return Wrk().run(url, "login", files.names, people.PASSWORD, seconds=seconds, connections=CLIENTS)


def _register(house: Process, seconds: int) -> Load:
    run, url = secrets.token_hex(3), f"{house.url}{API}/register"
    return Wrk().run(url, "register", run, people.PASSWORD, seconds=seconds, connections=CLIENTS)
