"""What a request leaves to the garbage collector, which stops the process to look for it: next to nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest
from tests.house import API, NEW_PASSWORD, OpenHouse, bearer, client_of, login, register

from ostiary.wiring import Ostiary

MANY = 50
Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def storage() -> str:
    return "sqlite"  # no rows are asked for here that the other would hold differently


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    opened: Ostiary = await open_house(
        work=False, hashing={"threads": 1, "hold": 0.01, "longest_wait": 0.001, "most_held": 2000}
    )
    return opened


async def left(client: httpx.AsyncClient, ask: Ask) -> tuple[set[int], float]:
    """Return which statuses were answered, and how many objects in circles each request left."""
    await ask(client)  # what the first one makes stays
    gc.collect()
    answers = await asyncio.gather(*(ask(client) for _ in range(MANY)))
    statuses = {answer.status_code for answer in answers}
    del answers
    return statuses, gc.collect() / MANY


@pytest.mark.usefixtures("without_collector")
async def test_refusals_of_a_flood_leave_no_circles(house: Ostiary) -> None:
    async def guess(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post(f"{API}/login", json={"login": "nobody", "password": NEW_PASSWORD})

    async with client_of(house) as client:
        # Room for two hashes at a time: the others are held, and turned away.
        statuses, circles = await left(client, guess)

    assert 503 in statuses
    assert circles < 6, "of a refusal of the hash pool 56 were left before: what a future holds must be no exception"


@pytest.mark.usefixtures("without_collector")
async def test_refusals_of_the_limits_leave_no_circles(open_house: OpenHouse) -> None:
    """Who refuses holds the refusal in a variable, and the refusal what it was raised through."""

    async def guess(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post(f"{API}/login", json={"login": "nobody", "password": NEW_PASSWORD})

    house = await open_house(work=False)
    async with client_of(house) as client:
        for _ in range(6):
            await guess(client)

        statuses, circles = await left(client, guess)

    assert statuses == {423}
    assert circles < 6


@pytest.mark.usefixtures("without_collector")
async def test_requests_of_somebody_signed_in_leave_no_circles(house: Ostiary) -> None:
    async with client_of(house) as client:
        await register(client)
        holder = bearer(await login(client))

        statuses, circles = await left(client, lambda client: client.get(f"{API}/me", headers=holder))

    assert statuses == {200}
    assert circles < 6
