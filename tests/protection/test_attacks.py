"""Attacks that no single counter shows: spraying and stuffing, seen across processes (R13)."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import select
from tests.house import PASSWORD, OpenHouse, client_of, journalled, register
from tests.protection.attempts import WRONG, attempt, device_cookie, statuses

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.core.limits import Spent
from ostiary.core.tables import counters
from ostiary.wiring import Ostiary

FEW = {"spraying_names": 10, "stuffing_names": 10**6}
SPRAYED = "Winter-is-coming-2026"


@pytest.fixture
async def two(open_house: OpenHouse) -> list[Ostiary]:
    """Two processes with the default number for spraying."""
    return [await open_house(work=False, protection=FEW) for _ in range(2)]


async def spray(houses: list[Ostiary], names: list[str], password: str = SPRAYED) -> list[int]:
    found = []
    for number, name in enumerate(names):
        async with client_of(houses[number % len(houses)], f"198.51.{number // 200}.{number % 200 + 1}") as client:
            found.append((await attempt(client, name, password)).status_code)
    return found


async def test_one_password_for_many_names_is_seen_across_processes_and_addresses(two: list[Ostiary]) -> None:
    assert await spray(two, [f"name-{n}" for n in range(10)]) == [401] * 10

    for house in two:
        await house.signals.refresh()
    assert await spray(two, ["yet-another", "and-another"]) == [429, 429]
    assert (await journalled(two[0])).count("spraying.seen") == 1
    assert [alert.kind for alert in await two[0].alerts.open()] == ["spraying_seen"]


async def test_the_keeper_reads_what_is_shut_and_opens_it_by_the_name_shown(two: list[Ostiary]) -> None:
    await spray(two, [f"name-{n}" for n in range(10)])

    (block,) = await two[0].blocks.listed()
    assert block.what == f'a password tried for many names ("{block.network}")'
    assert await two[0].blocks.remove(KEEPER, block.network)
    await two[0].blocks.add(KEEPER, "everywhere", reason="x", lifetime=None, bars="unproven")
    await two[0].blocks.add(KEEPER, "203.0.113.7", reason="x", lifetime=None)
    assert {found.what for found in await two[0].blocks.listed()} == {
        "every network (everywhere)", "network 203.0.113.7/32"
    }  # fmt: skip


async def test_only_who_brings_the_sprayed_password_owes_anything(two: list[Ostiary]) -> None:
    async with client_of(two[0], "203.0.113.9") as client:
        await register(client)
        await spray(two, [f"name-{n}" for n in range(10)])

        assert (await attempt(client, "mira", PASSWORD)).status_code == 200
        assert (await attempt(client, "mira", WRONG)).status_code == 401
        assert (await attempt(client, "mira", SPRAYED)).status_code == 429


async def test_a_known_browser_may_bring_it(two: list[Ostiary]) -> None:
    async with client_of(two[0], "203.0.113.9") as client:
        await register(client, password=SPRAYED)
        known = await device_cookie_with(client, SPRAYED)
        await spray(two, [f"name-{n}" for n in range(10)])

        assert (await attempt(client, "mira", SPRAYED, cookie=known)).status_code == 200


async def device_cookie_with(client: httpx.AsyncClient, password: str) -> str:
    answer = await attempt(client, "mira", password)
    (cookie,) = (text for text in answer.headers.get_list("set-cookie") if "device=" in text)
    return cookie.partition(";")[0]


async def test_one_name_that_tries_the_same_again_and_again_is_no_spraying(two: list[Ostiary]) -> None:
    await spray(two, ["mira"] * 5 + ["nora"] * 5 + ["vera"] * 5)

    assert "spraying.seen" not in await journalled(two[0])


async def test_every_spelling_of_one_password_is_that_password(two: list[Ostiary]) -> None:
    """Full-width letters are hashed as the plain ones (NFKC): a thousand spellings of a password open the same."""
    wide = [SPRAYED[:place] + chr(ord(SPRAYED[place]) + 0xFEE0) + SPRAYED[place + 1 :] for place in range(12)]
    for number in range(10):
        async with client_of(two[number % 2], f"203.0.113.{number}") as client:
            assert (await attempt(client, f"name-{number}", wide[number])).status_code == 401

    assert (await journalled(two[0])).count("spraying.seen") == 1
    for house in two:
        await house.signals.refresh()
    assert await spray(two, ["yet-another"], wide[11]) == [429]


async def test_the_guard_is_over_after_a_while(two: list[Ostiary], clock: ManualClock) -> None:
    await spray(two, [f"name-{n}" for n in range(10)])
    clock.advance(minutes=15)

    assert await spray(two, ["yet-another"]) == [401]


async def test_many_pairs_with_few_successes_put_the_house_on_guard(open_house: OpenHouse) -> None:
    house = await open_house(protection={"spraying_names": 10**6, "stuffing_names": 50})
    for number in range(50):
        async with client_of(house, f"198.51.100.{number}") as client:
            assert (await attempt(client, f"name-{number}", f"of {number}, stolen elsewhere")).status_code == 401

    async with client_of(house, "203.0.113.9") as client:
        assert (await attempt(client, "another", "stolen elsewhere, too")).status_code == 429
    assert (await journalled(house)).count("stuffing.seen") == 1
    assert [alert.kind for alert in await house.alerts.open()] == ["stuffing_seen"]


async def test_a_morning_on_which_many_sign_in_is_no_stuffing(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(
        protection={
            "spraying_names": 10**6,
            "stuffing_names": 5,
            "signups_per_hour": 1000,
            "login_failures_per_hour": 90,
        }
    )
    async with client_of(house, "203.0.113.9") as client:
        for number in range(30):
            await register(client, f"person-{number}")
        for number in range(30):
            if number % 3 == 0:
                await attempt(client, f"person-{number}", WRONG)
                clock.advance(seconds=15)
            assert (await attempt(client, f"person-{number}", PASSWORD)).status_code == 200

    assert "stuffing.seen" not in await journalled(house)


FEW_PAIRS = {"spraying_names": 10**6, "stuffing_names": 10}


async def stuff(house: Ostiary, number: int) -> int:
    async with client_of(house, f"198.51.100.{number}") as client:
        return (await attempt(client, f"name-{number}", f"of {number}, stolen elsewhere")).status_code


async def test_whoever_signs_in_to_an_own_account_between_them_hides_nothing(open_house: OpenHouse) -> None:
    house = await open_house(work=False, protection=FEW_PAIRS)
    async with client_of(house, "203.0.113.9") as own:
        await register(own)
        for number in range(10):
            assert (await attempt(own, "mira", PASSWORD)).status_code == 200
            assert await stuff(house, number) == 401

    assert (await journalled(house)).count("stuffing.seen") == 1


async def test_known_browsers_that_sign_in_hide_nothing(open_house: OpenHouse, clock: ManualClock) -> None:
    """They are not counted when they fail, and take nothing off when they do not."""
    house = await open_house(work=False, protection=FEW_PAIRS)
    known = {}
    for number in range(5):
        async with client_of(house, f"203.0.113.{number}") as client:
            await register(client, f"person-{number}")
            known[number] = await device_cookie(client, f"person-{number}")
    clock.advance(minutes=11)
    for number in range(10):
        await stuff(house, number)
        if number in known:
            async with client_of(house, f"203.0.113.{number}") as client:
                signed_in = await attempt(client, f"person-{number}", PASSWORD, cookie=known[number])
                assert signed_in.status_code == 200

    assert "stuffing.seen" in await journalled(house)


async def test_names_that_were_touched_from_elsewhere_are_counted_when_they_are_tried(open_house: OpenHouse) -> None:
    house = await open_house(work=False, protection=FEW_PAIRS)
    async with client_of(house, "203.0.113.9") as spent:
        assert await statuses(spent, "x", *[WRONG] * 6) == [401] * 5 + [429]
        for number in range(9):
            assert await statuses(spent, f"name-{number}", WRONG) == [429]
    for number in range(9):
        assert await stuff(house, number) == 401

    assert (await journalled(house)).count("stuffing.seen") == 1


async def test_after_a_window_a_name_is_counted_anew(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(work=False, protection=FEW_PAIRS)
    for number in range(9):
        await stuff(house, number)
        await stuff(house, number)
    assert "stuffing.seen" not in await journalled(house)
    clock.advance(minutes=11)
    for number in range(9):
        await stuff(house, number)
    assert "stuffing.seen" not in await journalled(house)
    await stuff(house, 9)

    assert "stuffing.seen" in await journalled(house)


async def test_of_a_wrong_password_nothing_is_kept_that_could_be_cracked(two: list[Ostiary]) -> None:
    await spray(two, ["name-1"])

    wanted = (counters.c.name, counters.c.digest, counters.c.spent, counters.c.closes_at)
    rows = await two[0].database.all(Query(select(*wanted), Spent))
    kept = [row.digest for row in rows if row.name.startswith("spray.")]
    assert [len(digest) for digest in kept] == [8, 8]  # keyed, and cut to 64 bits: many passwords have each


async def test_a_known_browsers_mistakes_say_nothing_of_attacks(two: list[Ostiary]) -> None:
    async with client_of(two[0], "203.0.113.9") as client:
        await register(client)
        known = await device_cookie(client, "mira")
        for _ in range(3):
            assert (await attempt(client, "mira", SPRAYED, cookie=known)).status_code == 401

    assert await spray(two, [f"name-{n}" for n in range(9)]) == [401] * 9
    assert "spraying.seen" not in await journalled(two[0])
