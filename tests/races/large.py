"""The races at length: `python -m tests.races.large --help`. Not part of the suite; takes as long as it is told to."""

# ruff: noqa: T201 - a command for a terminal

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

from tests.races.load import Ledger, Town, assert_delivered, assert_kept
from tests.races.peers import Peers, SignedIn, refresh, register
from tests.races.wire import Switchboard, at_once, statuses
from tests.services.parts import POSTGRESQL
from tests.services.postgres import Postgres, find_postgres


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.races.large", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--lines", type=int, default=8, help="connections that work on each process at once")
    parser.add_argument("--seconds", type=float, default=60.0, help="of mixed load")
    parser.add_argument("--kill-every", type=float, default=5.0, help="seconds between two kill -9; 0 for none")
    parser.add_argument("--racers", type=int, default=1000, help="that refresh one token at once")
    parser.add_argument("--seed", type=int, default=None, help="which process is killed when; printed, to repeat a run")
    return parser.parse_args()


async def race(peers: Peers, racers: int) -> None:
    """Let many refresh one token and use one confirmation at once."""
    board = Switchboard()
    lines = await board.lines(peers.ports, max(1, racers // len(peers.ports)))
    mira = await register(lines[0], "mira")
    answers = await at_once(refresh(line, mira.refresh) for line in lines)
    heirs = {SignedIn.of(answer).refresh for answer in answers}
    assert len(heirs) == 1, f"{len(heirs)} successors of one token"
    token = await peers.token_for("mira@example.org")
    answers = await at_once(line.post("/email/verify", {"token": token}) for line in lines)
    assert statuses(answers)[200] == 1, statuses(answers)
    await board.close()
    print(f"{len(lines)} refreshes of one token: one successor; {len(lines)} uses of one link: one confirmation")


async def live(peers: Peers, options: argparse.Namespace, chance: random.Random) -> Ledger:
    """Let a town live, and kill processes meanwhile."""
    board, numbers = Switchboard(), count(1)
    town = Town(peers, lambda: f"person{next(numbers):07}")
    town.wake(await board.lines(peers.ports, options.lines))
    end, kills = time.monotonic() + options.seconds, 0
    while (left := end - time.monotonic()) > 0:
        if not options.kill_every or left < options.kill_every:
            await asyncio.sleep(left)
            break
        await asyncio.sleep(options.kill_every * chance.uniform(0.5, 1.5))
        victim = chance.randrange(len(peers.servers))
        await asyncio.to_thread(peers.servers[victim].kill9)
        await asyncio.to_thread(peers.replace, victim)
        kills += 1
    await town.rest()
    await board.close()
    ledger = town.ledger
    print(
        f"{sum(ledger.lives.values())} lives ({dict(ledger.lives)} by port), {sum(ledger.answers.values())} answers, "
        f"{kills} kills, {ledger.unanswered} requests that a kill left unanswered"
    )
    assert ledger.odd == [], ledger.odd[:10]
    assert not ledger.refusals, ledger.refusals
    return ledger


async def run(peers: Peers, options: argparse.Namespace) -> None:
    """Run everything and check every promise."""
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"{options.processes} processes on {options.database}, seed {seed}")
    await race(peers, options.racers)
    ledger = await live(peers, options, random.Random(seed))
    await assert_kept(peers, ledger)
    print(
        f"kept: {len(ledger.registered)} accounts, {len(ledger.generations)} sessions, {len(ledger.ended)} ends of "
        f"sessions, {len(ledger.proven)} confirmed addresses; the journal is whole"
    )
    await assert_delivered(peers, ledger, seconds=60 + len(ledger.registered) / 20)
    print("every letter has arrived")
    assert peers.alarms() == [], peers.alarms()[:10]


def main() -> None:
    """Bring the servers, run, and clear up."""
    options = arguments()
    folder = Path(tempfile.mkdtemp(prefix="ostiary-large-"))
    cluster: Postgres | None = None
    if options.database == "postgresql":
        programs = find_postgres()
        if programs is None:
            sys.exit(f"{POSTGRESQL} is missing: `python3 tasks.py test` brings it")
        cluster = Postgres(programs)
        cluster.start()
    peers = Peers(folder / "data", cluster.fresh_database() if cluster else None)
    try:
        peers.start(options.processes)
        asyncio.run(run(peers, options))
    finally:
        peers.close()
        if cluster:
            cluster.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
