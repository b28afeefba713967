"""Strangers with many addresses and much time: what they get checked, and what the owner notices (D5, R11)."""

from __future__ import annotations

import asyncio
import os

import httpx
import pytest
from tests.house import API, PASSWORD, OpenHouse, bearer, client_of, letter_to, register, token_in
from tests.passkeys import steps as passkeys
from tests.protection.attempts import WRONG, Checks, attempt, device_cookie, looks

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

ADDRESSES = 1_000
ATTEMPTS = int(os.environ.get("OSTIARY_TEST_STRANGERS", "1200"))
"""The large proof: `OSTIARY_TEST_STRANGERS=10000 pytest tests/protection/test_patient_strangers.py -k thousand`."""


async def knock(house: Ostiary, name: str, number: int, password: str = WRONG) -> httpx.Response:
    """Try once, from one of a thousand addresses in as many networks."""
    place = number % ADDRESSES
    async with client_of(house, f"10.{place // 250}.{place % 250}.9") as client:
        return await attempt(client, name, password)


async def many(house: Ostiary, clock: ManualClock, attempts: int, *, every: int = 50, minutes: int = 31) -> list[int]:
    """Try again and again; after each few wait until a lock would be over."""
    found = []
    for number in range(attempts):
        found.append((await knock(house, "mira", number)).status_code)
        if number % every == every - 1:
            clock.advance(minutes=minutes)
    return found


@pytest.mark.parametrize("storage", ["sqlite"])
async def test_thousands_of_attempts_from_a_thousand_addresses_get_a_hundred_checked(
    open_house: OpenHouse, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house()
    async with client_of(house, "203.0.113.7") as owner:
        mira = await register(owner)
        known = await device_cookie(owner, "mira")
        checks = Checks.watch(house.hasher, monkeypatch)

        found = await many(house, clock, ATTEMPTS)

        assert checks.real == 100
        assert set(found) == {401, 429, 423}
        # The owner notices nothing: the browser that was signed in before, and the session that is running.
        assert (await attempt(owner, "mira", PASSWORD, cookie=known)).status_code == 200
        refreshed = await owner.post(f"{API}/refresh", json={"refresh_token": mira["refresh_token"]})
        assert refreshed.status_code == 200
        assert (await owner.get(f"{API}/me", headers=bearer(refreshed.json()))).status_code == 200


async def test_past_the_hundred_the_right_password_of_a_stranger_is_not_looked_at(
    open_house: OpenHouse, clock: ManualClock, outside: httpx.AsyncClient
) -> None:
    house = await open_house(protection={"most_failures": 10, "review_failures": 10})
    await register(outside)
    await many(house, clock, 10, every=5, minutes=61)

    answers = [looks(await knock(house, name, 999, PASSWORD)) for name in ("mira", "nobody")]
    assert answers[0] == answers[1]
    assert answers[0][0] == 401


@pytest.mark.parametrize("counters", ["database", "memory"])
async def test_the_hundred_outlive_a_restart_and_new_keys(
    open_house: OpenHouse, clock: ManualClock, outside: httpx.AsyncClient, counters: str
) -> None:
    numbers = {"most_failures": 10, "review_failures": 10, "counters": counters}
    house = await open_house(protection=numbers)
    await register(outside)
    await many(house, clock, 10, every=5, minutes=61)
    await house.keys.rotate(KEEPER, ("index",))
    await house.close()
    clock.advance(minutes=61)

    again = await open_house(protection=numbers)
    assert (await knock(again, "mira", 1, PASSWORD)).status_code == 401


async def test_the_owner_acts_and_strangers_may_try_again(
    open_house: OpenHouse, clock: ManualClock, outside: httpx.AsyncClient
) -> None:
    house = await open_house(protection={"most_failures": 10, "review_failures": 10})
    await register(outside)
    known = await device_cookie(outside, "mira")
    await many(house, clock, 10, every=5, minutes=61)
    assert (await knock(house, "mira", 1, PASSWORD)).status_code == 401

    assert (await attempt(outside, "mira", PASSWORD, cookie=known)).status_code == 200
    clock.advance(minutes=61)
    assert (await knock(house, "mira", 2, PASSWORD)).status_code == 200


async def test_a_passkey_opens_what_strangers_have_shut_and_they_may_try_again(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    house = await open_house(work=False, protection={"most_failures": 10, "review_failures": 10})
    async with client_of(house, "203.0.113.7") as browser:  # which nobody knows: it keeps no cookies
        authenticator = await passkeys.add(browser, await passkeys.owner(house, browser))
        await many(house, clock, 10, every=5, minutes=61)
        assert (await knock(house, "mira", 1, PASSWORD)).status_code == 401
        for number in range(8):
            await knock(house, "mira", 100 + number)

        assert (await passkeys.sign_in(browser, authenticator)).status_code == 200

    clock.advance(minutes=61)
    assert (await knock(house, "mira", 2, PASSWORD)).json()["mfa_required"] is True


async def test_the_keeper_unlocks(open_house: OpenHouse, clock: ManualClock, outside: httpx.AsyncClient) -> None:
    house = await open_house(protection={"most_failures": 10, "review_failures": 10})
    mira = await register(outside)
    await many(house, clock, 10, every=5, minutes=61)

    await house.protection.unlock(KEEPER, mira["user"]["id"], "mira")

    assert (await knock(house, "mira", 1, PASSWORD)).status_code == 200


async def test_a_welcome_browser_is_not_touched_by_strangers(
    house: Ostiary, clock: ManualClock, outside: httpx.AsyncClient
) -> None:
    mira = await register(outside)
    await register(outside, "nora")
    device = await device_cookie(outside, "nora")  # known, but to somebody else
    for number in range(8):
        await knock(house, "mira", number)
    assert (await attempt(outside, "mira", PASSWORD, cookie=device)).status_code == 423

    (device_id,) = house.macs.read("device cookie", device.partition("=")[2], 1) or ("",)
    async with house.database.unit(KEEPER) as unit:
        await house.protection.welcome(unit, mira["user"]["id"], device_id)

    for number in range(100, 120):
        await knock(house, "mira", number)
    assert (await attempt(outside, "mira", PASSWORD, cookie=device)).status_code == 200
    clock.advance(days=31)
    for number in range(200, 220):
        await knock(house, "mira", number)
    # Signed in meanwhile, so it is known by that from now on, whatever becomes of the welcome.
    assert (await attempt(outside, "mira", PASSWORD, cookie=device)).status_code == 200


async def test_of_two_hundred_at_once_on_two_processes_five_are_checked(
    open_house: OpenHouse, outside: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    houses = [await open_house(), await open_house(work=False)]
    await register(outside)
    checks = [Checks.watch(house.hasher, monkeypatch) for house in houses]

    await asyncio.gather(*(knock(houses[number % 2], "mira", number) for number in range(200)))

    assert sum(check.real for check in checks) == 5


@pytest.mark.parametrize("number", [1, 5, 6, 7, 12])
async def test_a_name_of_nobody_is_answered_the_same_over_days(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock, number: int
) -> None:
    await register(outside)
    await outside.post(f"{API}/email/verify", json={"token": token_in(await letter_to(house, "mira@example.org"))})

    async def days_of(name: str, first: int) -> list[object]:
        return [looks(await knock(house, name, first + at)) for at in range(number)]

    for day in range(3):
        assert await days_of("mira", 10 * day) == await days_of("nobody", 500 + 10 * day)
        clock.advance(hours=7)
