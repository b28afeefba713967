"""A process of its own that writes to the same file: `python -m tests.core.db.neighbour URL NAME UNITS`."""

from __future__ import annotations

import asyncio
import sys

from tests.core.db.shelf import ADD, opened


async def main(url: str, name: str, units: int) -> None:
    database = await opened(url)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()  # all begin together
    for number in range(units):
        async with database.unit() as unit:
            await unit.run(ADD, name=f"{name}-{number}", spent=1)
    await database.driver.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
