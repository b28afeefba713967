"""A process of its own that writes to the same file: `python -m tests.core.db.neighbour URL NAME UNITS`.

At its end it says when it went in, and when it stood at the door: by the steady clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import sys
import time

from tests.core.db.shelf import ADD, opened

from ostiary.core.db import turnstile
from ostiary.core.db.sqlite import SqliteDriver


class Watched:
    """The kernel's locks as the turnstile takes them, and when.

    Attributes:
        entered: When it asked for the room and got it.
        waited: From when until when it held the door and waited for the room.
    """

    LOCK_EX, LOCK_NB, LOCK_UN = fcntl.LOCK_EX, fcntl.LOCK_NB, fcntl.LOCK_UN

    def __init__(self) -> None:
        self.room = -1
        self.entered: list[int] = []
        self.waited: list[tuple[int, int]] = []

    def flock(self, lock: int, how: int) -> None:
        asked = time.monotonic_ns()
        fcntl.flock(lock, how)
        if lock == self.room and how != fcntl.LOCK_UN:
            self.entered.append(asked)
            if how == fcntl.LOCK_EX:
                self.waited.append((asked, time.monotonic_ns()))


async def main(url: str, name: str, units: int) -> None:
    watched = Watched()
    turnstile.fcntl = watched  # type: ignore[assignment, attr-defined]
    database = await opened(url)
    assert isinstance(database.driver, SqliteDriver)
    assert database.driver._writer is not None
    watched.room = database.driver._writer._turnstile._room
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()  # all begin together
    for number in range(units):
        async with database.unit() as unit:
            await unit.run(ADD, name=f"{name}-{number}", spent=1)
    await database.driver.close()
    sys.stdout.write(json.dumps({"entered": watched.entered, "waited": watched.waited}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
