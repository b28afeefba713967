"""A flood of sign-ins by strangers, and what others notice: `python -m tests.races.flood --help`.

The server stands behind a proxy that it trusts, so every stranger can have an address of his own; the limits are
the default ones. What it costs the honest is measured, not asserted here: `test_flood.py` asserts a smaller one.
"""

# ruff: noqa: T201 - a command for a terminal

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.house import PASSWORD
from tests.races.wire import Line, Reply, Switchboard, Unanswered
from tests.services.server_process import ServerProcess

ORDERLY = frozenset({401, 429, 503})
ENVIRONMENT = {
    "OSTIARY_WEB__TRUSTED_PROXIES": json.dumps(["127.0.0.0/8"]),
    "OSTIARY_PROTECTION__STUFFING_NAMES": "1000000",  # on guard, strangers would be turned away for less
}


@dataclass(slots=True)
class Seen:
    """What was answered to whom, and how long that took, in seconds."""

    strangers: Counter[int] = field(default_factory=Counter)
    known: Counter[int] = field(default_factory=Counter)
    known_times: list[float] = field(default_factory=list)
    honest: Counter[int] = field(default_factory=Counter)
    honest_times: list[float] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    peak_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who was signed in before."""

    name: str
    access_token: str
    device: str


def address(number: int) -> dict[str, str]:
    """Return the header of a proxy that vouches for one of many strangers."""
    return {"X-Forwarded-For": f"{11 + number // 65_536 % 80}.{number // 256 % 256}.{number % 256}.7"}


async def open_account(line: Line, number: int) -> Owner:
    """Register somebody from an address of his own; return what his browser keeps."""
    name = f"owner{number:04}"
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    reply = await line.ask("POST", "/api/v1/auth/register", body, headers=address(1_000_000 + number))
    assert reply.status == 201, reply.body
    cookies = reply.headers["set-cookie"].split("\n")
    (device,) = (cookie.partition(";")[0] for cookie in cookies if "device=" in cookie)
    return Owner(name, reply.json()["access_token"], device)


async def stranger(line: Line, seen: Seen, numbers: list[int], until: float, pause: float) -> None:
    """Try names that nobody has, each from another address."""
    while time.monotonic() < until:
        numbers[0] += 1
        body = {"login": f"nobody{numbers[0]}", "password": f"not the right battery {numbers[0]}"}
        reply = await asked(line, seen, body, address(numbers[0]))
        if reply is not None:
            seen.strangers[reply.status] += 1
            if reply.status not in ORDERLY or (reply.status != 401 and "retry-after" not in reply.headers):
                seen.odd.append(f"{reply.status} {reply.body[:200]!r}")
        await asyncio.sleep(random.uniform(0, 2 * pause))


async def asked(line: Line, seen: Seen, body: object, headers: dict[str, str]) -> Reply | None:
    try:
        return await line.ask("POST", "/api/v1/auth/login", body, headers=headers)
    except Unanswered as failure:
        seen.odd.append(f"unanswered: {failure}")
        return None


async def owner_signs_in(line: Line, owner: Owner, seen: Seen, until: float) -> None:
    """Sign in now and then, by a browser that was signed in before."""
    while time.monotonic() < until:
        begun = time.monotonic()
        body = {"login": owner.name, "password": PASSWORD}
        reply = await asked(line, seen, body, address(7) | {"Cookie": owner.device})
        if reply is not None:
            seen.known[reply.status] += 1
            seen.known_times.append(time.monotonic() - begun)
        await asyncio.sleep(random.uniform(0, 2))


async def owner_works(line: Line, owner: Owner, seen: Seen, until: float) -> None:
    """Ask who-am-I, as every request of a signed-in application does."""
    while time.monotonic() < until:
        begun = time.monotonic()
        reply = await line.ask("GET", "/api/v1/auth/me", bearer=owner.access_token, headers=address(7))
        seen.honest[reply.status] += 1
        seen.honest_times.append(time.monotonic() - begun)
        await asyncio.sleep(random.uniform(0, 0.1))


async def watch_memory(pid: int, seen: Seen, until: float) -> None:
    """Note the largest resident size."""
    while time.monotonic() < until:
        seen.peak_mb = max(seen.peak_mb, resident_mb(pid))
        await asyncio.sleep(0.2)


def resident_mb(pid: int) -> float:
    """Return the resident size of a process; on Linux only, elsewhere zero."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS")) / 1024


async def flooded(server: ServerProcess, seconds: float, strangers: int, pause: float, owners: int = 10) -> Seen:
    """Let strangers flood a running server for a while, and owners go on with their lives."""
    board, seen, numbers = Switchboard(), Seen(), [0]
    first = board.line(server.port)
    people = [await open_account(first, number) for number in range(owners)]
    lines = await board.lines([server.port], strangers)
    until = time.monotonic() + seconds
    await asyncio.gather(
        *(stranger(line, seen, numbers, until, pause) for line in lines),
        *(owner_signs_in(board.line(server.port), owner, seen, until) for owner in people),
        *(owner_works(board.line(server.port), owner, seen, until) for owner in people[:4]),
        watch_memory(server.pid, seen, until),
    )
    await board.close()
    return seen


def p99(times: list[float]) -> float:
    """Return the 99th percentile."""
    return sorted(times)[int(len(times) * 0.99)] if times else 0.0


def said(seen: Seen, seconds: float) -> str:
    """Return the figures in words."""
    total = sum(seen.strangers.values())
    return (
        f"{total} attempts of strangers in {seconds:.0f} s ({total / seconds:.0f}/s): {dict(seen.strangers)}\n"
        f"known browsers: {dict(seen.known)}, p99 {p99(seen.known_times) * 1e3:.0f} ms\n"
        f"who-am-I: {dict(seen.honest)}, p99 {p99(seen.honest_times) * 1e3:.1f} ms\n"
        f"largest resident size {seen.peak_mb:.0f} MB; what was not orderly: {seen.odd[:5] or 'nothing'}"
    )


def main() -> None:
    """Flood a server of our own."""
    parser = argparse.ArgumentParser(prog="python -m tests.races.flood", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--strangers", type=int, default=1200, help="connections that try and try again")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two tries of each, on average")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "data", environment=ENVIRONMENT)
        try:
            server.wait_until_ready()
            seen = asyncio.run(flooded(server, options.seconds, options.strangers, options.pause))
        finally:
            server.close()
    print(said(seen, options.seconds))


if __name__ == "__main__":
    main()
