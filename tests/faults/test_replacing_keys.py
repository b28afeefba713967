"""Fault: the machine dies while keys and root secret are being replaced: a house that starts opens its keys."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

from tests.core.db.raw import raw
from tests.examples.servers import environment, program
from tests.house import CHEAP_HASHING, PASSWORD
from tests.services.reaper import reaper

from ostiary.core.caller import KEEPER
from ostiary.mail import Mailbox
from ostiary.registration import Application
from ostiary.sessions import Grant
from ostiary.wiring import Ostiary

KILLS, MOST_KILLS = 4, 12


def house_at(data: Path, url: str) -> Ostiary:
    return Ostiary.at(data, post=Mailbox(), hashing=CHEAP_HASHING, storage={"database": url})


async def signed_in(data: Path, url: str) -> str:
    """Open the house anew as a restart does, sign in, and return the root secret's text."""
    async with house_at(data, url) as house:
        assert isinstance(await house.login.with_password(KEEPER, "mira", PASSWORD), Grant)
        lines = await house.audit.listed(action="address.claimed")
        assert [line.private for line in lines] == [{"email": "mira@example.org"}]  # what was sealed opens
        assert (await house.audit.verify()).ok
    return (data / "root.secret").read_text()


def killed_while_replacing(data: Path, url: str, delay: float) -> None:
    """Start the command and kill it a while after the new secret lies beside the old one."""
    waiting = data / "root.secret.next"
    waiting.unlink(missing_ok=True)
    process = subprocess.Popen(
        [program("ostiary"), "incident", "rotate", "--yes", "--reason", "a test", "--data", str(data)],
        env=environment(1, data, {"OSTIARY_STORAGE__DATABASE": url}), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    reaper.guard(process)
    try:
        until = time.monotonic() + 60
        while not waiting.exists():
            if process.poll() is not None and not waiting.exists():
                assert process.returncode == 0, "it ended before it began"
                return  # it has done all of it between two looks: too late to kill it
            assert time.monotonic() < until
            time.sleep(0.0005)
        time.sleep(delay)
    finally:
        process.kill()
        process.wait()
        reaper.release(process)


async def test_whenever_it_is_killed_the_house_starts_and_everything_opens(database_url: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with house_at(data, database_url) as house:
        await house.registration.open(KEEPER, Application("mira", "mira@example.org", PASSWORD, ""))
    secret, outcomes = (data / "root.secret").read_text(), list[bool]()
    shortest, longest, delay = (
        0.0,
        float("inf"),
        0.0,
    )  # of the kills so far: the latest before the commit, the first after

    # A slow machine takes a while to commit, or to look: on until some of them came before the commit, and some after.
    while len(outcomes) < KILLS or (len(set(outcomes)) == 1 and len(outcomes) < MOST_KILLS):
        before = await raw(database_url, "SELECT id, sealed FROM keys ORDER BY id")
        await asyncio.to_thread(killed_while_replacing, data, database_url, delay)

        found = await signed_in(data, database_url)

        is_committed = await raw(database_url, "SELECT id, sealed FROM keys ORDER BY id") != before
        assert (found != secret) == is_committed  # the new one is in force exactly if its keys are
        secret = found
        outcomes.append(is_committed)
        shortest, longest = (shortest, min(longest, delay)) if is_committed else (max(shortest, delay), longest)
        delay = (shortest + longest) / 2 if longest < float("inf") else max(0.05, 4 * delay)  # ever closer to it
    assert set(outcomes) == {True, False}
