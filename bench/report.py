"""What was measured against what is aimed at: rows for the terminal and for the JSON file."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
LIBRARIES = (
    "granian",
    "uvloop",
    "fastapi",
    "pydantic",
    "sqlalchemy",
    "cryptography",
    "argon2-cffi",
    "msgspec",
    "asyncpg",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number beside its aim.

    Attributes:
        target: What it must reach, or None where it only informs.
        stretch: What it would better reach.
        more: Whether more is better.
        shown: How to write it.
        is_sure: Whether the machine was quiet enough for it to mean something.
    """

    name: str
    value: float
    target: float | None = None
    stretch: float | None = None
    more: bool = False
    shown: str = "{:.2f}"
    is_sure: bool = True

    def reaches(self, aim: float) -> bool:
        """Return whether the number is as good as that."""
        return self.value >= aim if self.more else self.value <= aim

    @property
    def verdict(self) -> str:
        """In a word: `stretch`, `met`, `MISSED`, `unsure`, or nothing where there is no aim."""
        if self.target is None:
            return ""
        if not self.is_sure:
            return "unsure"
        if self.stretch is not None and self.reaches(self.stretch):
            return "stretch"
        return "met" if self.reaches(self.target) else "MISSED"

    def aim(self, number: float | None) -> str:
        """Return an aim as it is written in the table."""
        if number is None:
            return ""
        return f"{'>=' if self.more else '<='} {self.shown.format(number)}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `targets.md`: its figures, and how many answers were not as they should be."""

    target: str
    what: str
    figures: Sequence[Figure]
    errors: int = 0
    notes: Sequence[str] = ()


Show = Callable[[Row], None]


def show(row: Row) -> None:
    """Print a row as soon as it is there."""
    head = f"{row.target:4} {row.what}"
    print(f"\n{head}   [errors: {row.errors}{'' if row.errors == 0 else '  <-- MUST BE 0'}]")
    for figure in row.figures:
        measured = figure.shown.format(figure.value)
        aims = f"{figure.aim(figure.target):>12} {figure.aim(figure.stretch):>12}"
        print(f"     {figure.name:52} {measured:>12} {aims}  {figure.verdict}")
    for note in row.notes:
        print(f"     - {note}")


def facts() -> dict[str, object]:
    """Return what the numbers depend on; nothing that names the machine or its owner."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1024**3),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "wrk": _wrk(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        **{name: version(name) for name in LIBRARIES},
    }


def save(rows: Sequence[Row], before: dict[str, object], *, mode: str) -> Path:
    """Write everything to a file of its own in `bench/results/` and return it."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}-{mode}.json"
    found = {
        "mode": mode,
        "machine": before,
        "load_average_after": [round(load, 2) for load in os.getloadavg()],
        "rows": [
            asdict(row) | {"figures": [asdict(figure) | {"verdict": figure.verdict} for figure in row.figures]}
            for row in rows
        ],
    }
    path.write_text(json.dumps(found, indent=1) + "\n")
    return path


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _wrk() -> str:
    program = shutil.which("wrk")
    if program is None:
        return "missing"
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stdout
    return said.partition("[")[0].strip()
