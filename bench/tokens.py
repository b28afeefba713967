"""T12: what a client pays to verify a token. Measured in this process: there is no server in it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median

import httpx
import msgspec
from tests.services.ports import free_port

from bench import people
from bench.plan import Plan
from bench.report import Figure, Row, Show
from ostiary.client import Verifier

TOKENS = 400
AGAIN = 20_000
ROUNDS = 7


def measure(folder: Path, _: Plan, show: Show) -> None:
    """Verify many tokens for the first time, and one of them again and again."""
    issuer, keys, tokens = asyncio.run(_prepare(folder))
    first: list[float] = []
    again: list[float] = []
    for _round in range(ROUNDS):
        transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=httpx.ByteStream(keys)))
        verifier = Verifier(issuer=issuer, audience=issuer, transport=transport)
        verifier.fetch_keys_blocking()
        verifier.verify(tokens[0])
        begun = time.process_time()
        for token in tokens[1:]:
            verifier.verify(token)
        first.append((time.process_time() - begun) / (TOKENS - 1))
        begun = time.process_time()
        for _turn in range(AGAIN):
            verifier.verify(tokens[7])
        again.append((time.process_time() - begun) / AGAIN)
    figures = (
        Figure("CPU us, first time", 1e6 * median(first), 90, 60, shown="{:.1f}"),
        Figure("CPU us, again", 1e6 * median(again), 3, 1),
    )
    notes = ("called in this process, with the keys at hand: there is nothing to load",)
    show(Row("T12", "client: verify(token)", figures, notes=notes))


async def _prepare(folder: Path) -> tuple[str, bytes, list[str]]:
    async with people.settled(folder / "data", free_port(), 8) as town:
        tokens = [grant.access.token for grant in await people.sign_in(town, TOKENS)]
        return town.house.settings.web.public_url, msgspec.json.encode(town.house.keys.jwks()), tokens
