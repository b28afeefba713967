"""Names made up by the million, and what they leave behind: `python -m tests.protection.names --help`."""

# ruff: noqa: T201 - a command for a terminal

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import func, select
from tests.house import CHEAP_HASHING, UNMOVED

from ostiary.core.caller import Caller
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.core.errors import Problem
from ostiary.core.limits import COUNT, HowMany
from ostiary.core.tables import metadata
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary

AT_ONCE = 200
KEPT_ANYWAY = 100
"""Rows of a table that a house has without any visitor, at most."""
PER_MINUTE = 60_000
"""A thousand attempts a second: more than a server of two cores answers."""


async def tried(house: Ostiary, number: int, *, whole: bool) -> None:
    """Attempt to sign in, up to where the password would be looked at, or as far as it goes."""
    address, name = f"{11 + number // 65_536 % 200}.{number // 256 % 256}.{number % 256}.7", f"name-{number}"
    caller = Caller(request_id=name, address=address)
    try:
        if whole:
            await house.login.with_password(caller, name, f"one of a million: {number}")
        else:
            await house.protection.admit_login(caller, name, None, known_device=False)
    except Problem:
        return


async def make_up(house: Ostiary, clock: ManualClock, names: int, *, whole: bool = False) -> tuple[int, int]:
    """Try so many names, each once, as fast as a large attack would; return the most rows, and those in the end."""
    most = 0
    for start in range(0, names, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, names))
        await asyncio.gather(*(tried(house, number, whole=whole) for number in numbers))
        if start // PER_MINUTE != (start + AT_ONCE) // PER_MINUTE:
            most = max(most, await rows(house))
            clock.advance(minutes=1)
            await house.protection.prune()
    most = max(most, await rows(house))
    await house.protection.prune()
    return most, await rows(house)


async def rows(house: Ostiary) -> int:
    """Return how many counters the database keeps."""
    return (await house.database.all(COUNT))[0].number


async def rows_of_each(house: Ostiary) -> dict[str, int]:
    """Return how many rows each table holds."""
    how_many = {
        name: Query(select(func.count().label("number")).select_from(table), HowMany)
        for name, table in metadata.tables.items()
    }
    return {name: (await house.database.all(query))[0].number for name, query in how_many.items()}


def database_files(folder: Path) -> list[Path]:
    """Return the SQLite file and what lies beside it."""
    return list(folder.glob("ostiary.db*"))


async def main() -> None:
    """Make names up, and say what is left of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.protection.names", description=__doc__)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--whole", action="store_true", help="go on past the counters: hash, judge, journal (slower)")
    asked = parser.parse_args()
    names: int = asked.names
    with tempfile.TemporaryDirectory() as folder:
        clock = ManualClock()
        house = Ostiary.at(
            Path(folder), clock=clock, post=Mailbox(), hashing=CHEAP_HASHING,
            protection=UNMOVED | {"login_failures_per_minute": 10**6, "login_failures_per_hour": 10**6},
        )  # fmt: skip
        await house.open(work=False)
        begun = time.monotonic()
        most, left = await make_up(house, clock, names, whole=asked.whole)
        seconds = time.monotonic() - begun
        size = sum(path.stat().st_size for path in database_files(Path(folder))) / 2**20
        tables = {name: number for name, number in (await rows_of_each(house)).items() if number > KEPT_ANYWAY}
        await house.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 2**20)
    print(f"{names} names in {seconds:.0f} s ({names / seconds:.0f}/s): at most {most} counters, {left} in the end")
    print("tables of more than a few rows: " + ", ".join(f"{name} {number}" for name, number in tables.items()))
    print(f"database {size:.0f} MB; largest resident size of the process {peak:.0f} MB")


if __name__ == "__main__":
    asyncio.run(main())
