"""`python -m bench`: measure this server against its own limits and print the ratios of its targets."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench import breaches, growth, hashing, postgresql, report, requests, revocation, sockets, starting, tokens
from bench.plan import FULL, QUICK, Plan

RECORDED = Path(__file__).parent / "recorded.json"
GUARDED = ("bearer", "cookie", "refresh", "jwks")

Measure = Callable[[Path, Plan, report.Show], None]

PARTS: dict[str, Measure] = {
    "requests": requests.measure,
    "starting": starting.measure,
    "tokens": tokens.measure,
    "hashing": hashing.measure,
    "revocation": revocation.measure,
    "sockets": sockets.measure,
    "postgresql": postgresql.measure,
    "growth": growth.measure,
    "breaches": breaches.measure,
}


def run(plan: Plan, parts: list[str]) -> list[report.Row]:
    """Run parts of the suite one after the other, and print each row as it is found."""
    rows: list[report.Row] = []

    def show(row: report.Row) -> None:
        rows.append(row)
        report.show(row)

    for part in parts:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="ostiary-bench-") as folder:
            PARTS[part](Path(folder), plan, show)
        load = os.getloadavg()[0]
        print(f"     ({part}: {time.perf_counter() - begun:.0f} s, load average {load:.1f})", flush=True)
    return rows


def record(rounds: int) -> dict[str, dict[str, float]]:
    """Measure the CPU ratios that the guard compares with, and write them down."""
    with tempfile.TemporaryDirectory(prefix="ostiary-bench-") as folder:
        found = requests.take_turns(Path(folder), rounds, FULL.window)
    recorded = {
        "cpu_over_floor": {kind: round(median(found.cpu_ratios(kind)), 2) for kind in GUARDED},
        "yardsticks_beyond_floor": {kind: round(median(found.yardsticks(kind)), 2) for kind in GUARDED},
    }
    RECORDED.write_text(json.dumps(recorded, indent=1) + "\n")
    return recorded


def main() -> int:
    """Read the words of the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than 90 seconds; the numbers shake more")
    parser.add_argument("--record", action="store_true", help="write the CPU ratios that the tests guard")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"some of: {', '.join(PARTS)}")
    given = parser.parse_args()
    if not sys.platform.startswith("linux"):
        parser.error("CPU and memory are read from /proc: the benchmarks run on Linux only")
    if given.record:
        print(record(FULL.rounds + 2))
        return 0
    before = report.facts()
    mode = "quick" if given.quick else "full"
    print(f"{mode} run on", ", ".join(f"{name} {value}" for name, value in before.items()))
    print(f"\n     {'':52} {'measured':>12} {'target':>12} {'stretch':>12}")
    begun = time.perf_counter()
    rows = run(QUICK if given.quick else FULL, given.only or list(PARTS))
    path = report.save(rows, before, mode=mode)
    verdicts = [figure.verdict for row in rows for figure in row.figures]
    missed, unsure, errors = verdicts.count("MISSED"), verdicts.count("unsure"), sum(row.errors for row in rows)
    if unsure:
        print(
            f"\nThe machine was busy: {unsure} figures of time on the wall mean nothing. Measure again when it rests."
        )
    took = time.perf_counter() - begun
    print(f"\n{missed} missed, {unsure} unsure, {errors} errors, {took:.0f} s; written to bench/results/{path.name}")
    return 0 if errors == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
