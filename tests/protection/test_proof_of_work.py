"""Work instead of refusal, and how many guesses it can buy (R12, D5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.house import API, PASSWORD, OpenHouse, client_of, register
from tests.protection.attempts import WRONG, Checks, attempt, solved

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.protection.blocks import EVERYWHERE
from ostiary.wiring import Ostiary

EASY = {"challenge": {"difficulty": 3}}


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    opened: Ostiary = await open_house(work=False, protection=EASY)
    return opened


async def knock(house: Ostiary, number: int, password: str = WRONG, solution: str | None = None) -> httpx.Response:
    async with client_of(house, f"10.{number // 250}.{number % 250}.9") as client:
        body: dict[str, Any] = {"login": "mira", "password": password}
        return await client.post(f"{API}/login", json=body | ({"challenge": solution} if solution else {}))


async def lock(house: Ostiary, first: int = 0) -> dict[str, Any]:
    """Let strangers lock the name; return the challenge that the last of them is offered."""
    for number in range(first, first + 7):
        last = await knock(house, number)
    assert last.status_code == 423
    challenge: dict[str, Any] = last.json()["challenge"]
    return challenge


async def test_the_owner_works_and_signs_in(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await register(outside)
    challenge = await lock(house)

    assert (await knock(house, 50, PASSWORD)).status_code == 423
    assert (await knock(house, 51, PASSWORD, solved(challenge))).status_code == 200
    assert (await knock(house, 52, PASSWORD)).status_code == 200, "a success forgets the failures"


async def test_work_buys_five_guesses_an_hour_and_no_more(
    house: Ostiary, outside: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(outside)
    await lock(house)
    checks = Checks.watch(house.hasher, monkeypatch)

    found = []
    for number in range(20, 32):
        challenge = (await knock(house, number)).json()["challenge"]
        found.append((await knock(house, number + 100, WRONG, solved(challenge))).status_code)

    assert found == [401] * 5 + [429] + [423] * 6
    assert checks.real == 5


async def test_guesses_that_were_worked_for_are_among_the_hundred(
    open_house: OpenHouse, clock: ManualClock, outside: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(work=False, protection=EASY | {"most_failures": 16, "review_failures": 16})
    await register(outside)
    checks = Checks.watch(house.hasher, monkeypatch)
    for day in range(4):
        await lock(house, 40 * day)
        for number in range(10, 18):
            challenge = (await knock(house, 40 * day + number)).json()["challenge"]
            await knock(house, 40 * day + number + 1000, WRONG, solved(challenge))
        clock.advance(hours=2)

    assert checks.real == 16


async def test_a_name_of_nobody_is_offered_the_same_work(house: Ostiary) -> None:
    challenge = await lock(house)

    assert (await knock(house, 50, WRONG, solved(challenge))).status_code == 401


async def test_on_guard_a_stranger_who_has_worked_is_let_try(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await register(outside)
    await house.blocks.add(KEEPER, EVERYWHERE, reason="a test", lifetime=timedelta(minutes=15), bars="unproven")

    refused = await attempt(outside, "mira", PASSWORD)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    solution = solved(refused.json()["challenge"])
    assert (await knock(house, 4, PASSWORD, "e30=")).status_code == 429, "what is no solution is none"
    assert (await knock(house, 5, PASSWORD, solution)).status_code == 200
    assert (await knock(house, 6, PASSWORD, solution)).status_code == 429, "once"


async def test_who_wants_no_challenges_is_not_shut_out_by_the_guard(open_house: OpenHouse) -> None:
    house = await open_house(work=False, protection={"challenge": {"when": "off"}})
    await house.blocks.add(KEEPER, EVERYWHERE, reason="a test", lifetime=None, bars="unproven")

    async with client_of(house) as client:
        await register(client)
        assert (await attempt(client, "mira", PASSWORD)).status_code == 200
