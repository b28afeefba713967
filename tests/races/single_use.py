"""Single-use things, each used a thousand times at once: `python -m tests.races.single_use --help`.

On one and on two server processes, on SQLite and on PostgreSQL; `test_single_use.py` does the same with fewer.
"""

# ruff: noqa: T201 - a command for a terminal

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import bindparam, func, select
from tests.races.peers import Peers
from tests.races.things import THINGS, Scene, Thing, scene_of
from tests.races.wire import Reply, Switchboard, at_once, heard
from tests.services.parts import POSTGRESQL
from tests.services.postgres import Postgres, find_postgres

from ostiary.core.db import Query
from ostiary.core.tables import journal
from ostiary.passkeys.queries import Number

COLUMNS = ("thing", "database", "processes", "winners", "losers", "other answers", "put off", "seconds")
LIMITED = "limit-reached"
ENTRIES = Query(
    select(func.count().label("number")).where(
        journal.c.action == bindparam("action"), journal.c.account_id == bindparam("account_id")
    ),
    Number,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of many uses of one thing.

    Attributes:
        effects: How often the journal says that it was used.
        lost: Refusals as whoever was late hears them.
        other: All other answers.
        put_off: How often a busy server said to come back later, which uses nothing up; whoever heard it came back.
        seconds: From the first request to the last answer.
    """

    winners: int
    effects: int
    lost: Counter[str]
    other: Counter[str]
    put_off: int
    seconds: float

    def is_single(self, thing: Thing) -> bool:
        """Return whether exactly one use counted, and every other was refused as it should be."""
        expected = {LIMITED} if thing.limited else set()
        return (self.winners, self.effects) == (1, 1) and set(self.other) <= expected

    def __str__(self) -> str:
        others = ", ".join(f"{number} {answer}" for answer, number in sorted(self.other.items()))
        return f"{self.winners} | {sum(self.lost.values())} | {others or '0'} | {self.put_off} | {self.seconds:.1f}"


async def pressed(thing: Thing, peers: Peers, board: Switchboard, processes: int, number: int) -> Outcome:
    """Use a thing many times at the same moment."""
    async with scene_of(peers, board.line(peers.ports[0])) as scene:
        uses = await thing.prepared(scene, number)
        lines = await board.lines(peers.ports[:processes], number // processes)
        before, begun = await entries(scene, thing.effect), time.monotonic()
        turns: Counter[str] = Counter()
        replies = await at_once(
            heard(partial(counted, turns, partial(use.send, line))) for use, line in zip(uses, lines, strict=True)
        )
        seconds = time.monotonic() - begun
        effects = await entries(scene, thing.effect) - before
    await board.close()
    said = Counter(answer_in(reply) for reply in replies)
    winners = said.pop("", 0)
    lost = Counter({answer: its for answer, its in said.items() if answer in thing.lost})
    return Outcome(winners, effects, lost, said - lost, turns["asked"] - number, seconds)


async def counted(turns: Counter[str], ask: Callable[[], Awaitable[Reply]]) -> Reply:
    """Ask, and count that."""
    turns["asked"] += 1
    return await ask()


async def entries(scene: Scene, action: str) -> int:
    """Return how many entries of a kind the journal has about whose thing it is."""
    async with scene.house.database.unit() as unit:
        return (await unit.get(ENTRIES, action=action, account_id=scene.account_id)).number


def answer_in(reply: Reply) -> str:
    """Return how a use was answered: empty if it counted, else the problem, or a page's status."""
    if reply.status in (200, 201):
        return ""
    if reply.headers.get("content-type", "").startswith("text/html"):
        return f"page {reply.status}"
    return str(reply.json()["type"]).rpartition("/")[2]


async def table(peers: Peers, storage: str, number: int) -> bool:
    """Print a line for each thing and number of processes; return whether each is single."""
    is_well, board = True, Switchboard()
    await at_once(board.line(port).get("/csrf") for port in peers.ports)  # what is loaded at the first request, is
    await board.close()
    for thing in THINGS:
        for processes in (1, 2):
            outcome = await pressed(thing, peers, Switchboard(), processes, number)
            verdict = "" if outcome.is_single(thing) else f" NOT SINGLE: {outcome}"
            print(f"| {thing.name} | {storage} | {processes} | {outcome} |{verdict}", flush=True)
            is_well = is_well and not verdict
    return is_well


@contextmanager
def running(storage: str) -> Iterator[Peers]:
    """Two server processes on an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="ostiary-single-use-"))
    cluster: Postgres | None = None
    if storage == "PostgreSQL":
        programs = find_postgres()
        if programs is None:
            sys.exit(f"{POSTGRESQL} is missing: `python3 tasks.py test` brings it")
        cluster = Postgres(programs)
        cluster.start()
    peers = Peers(folder / "data", cluster.fresh_database() if cluster else None)
    try:
        peers.start(2)
        yield peers
    finally:
        peers.close()
        if cluster:
            cluster.remove()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Use each thing many times at once, and say whether each was used once."""
    parser = argparse.ArgumentParser(prog="python -m tests.races.single_use", description=__doc__)
    parser.add_argument("--number", type=int, default=1000, help="uses of each thing at once; even")
    number = parser.parse_args().number
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    is_well = True
    for storage in ("SQLite", "PostgreSQL"):
        with running(storage) as peers:
            is_well = asyncio.run(table(peers, storage, number)) and is_well
            for words, times in Counter(alarm.partition(" ERROR ")[2] or alarm for alarm in peers.alarms()).items():
                print(f"logged {times} times: {words[:200]}")
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
