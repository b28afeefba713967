"""What the database decides: of many at the same moment one goes on, on both databases (D10)."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
from tests.house import API, PASSWORD, OpenHouse, client_of, journalled, login, register
from tests.login.steps import ONE, is_refused, looked_at, owed, touch, type_in, with_both, with_codes
from tests.login.test_second_step import living

from ostiary.testing.authenticator import Authenticator
from ostiary.wiring import Ostiary

MANY = {"login_failures_per_minute": 10**6, "login_failures_per_hour": 10**6}


async def test_of_many_right_codes_for_one_ticket_one_wins(open_house: OpenHouse) -> None:
    house = await open_house(work=False, protection={"second_factor_failures": 20})
    codes = [f"{number:06}" * 4 for number in range(10)]
    async with client_of(house) as outside:
        owner = await with_codes(house, outside, *codes)
        ticket, before = await owed(outside), await living(house, owner.id)

        answers = await asyncio.gather(*(type_in(outside, ticket, code) for code in codes))

        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 9}
        assert await living(house, owner.id) == before + 1


async def test_one_code_for_many_tickets_opens_one(open_house: OpenHouse) -> None:
    house = await open_house(work=False, protection={"second_factor_failures": 20})
    async with client_of(house) as outside:
        owner = await with_codes(house, outside, ONE)
        tickets, before = [await owed(outside) for _ in range(6)], await living(house, owner.id)

        answers = await asyncio.gather(*(type_in(outside, ticket, ONE) for ticket in tickets))

        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 5}
        assert await living(house, owner.id) == before + 1


async def test_of_a_code_and_a_passkey_at_once_one_wins(house: Ostiary, outside: httpx.AsyncClient) -> None:
    key = Authenticator(counts=False)
    owner, authenticator = await with_both(house, outside, ONE, authenticator=key)
    ticket, before = await owed(outside), await living(house, owner.id)

    answers = await asyncio.gather(
        type_in(outside, ticket, ONE), *(touch(outside, ticket, authenticator) for _ in range(3))
    )

    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 3}
    assert await living(house, owner.id) == before + 1


async def test_of_a_hundred_guesses_at_once_five_are_looked_at(open_house: OpenHouse) -> None:
    """From two houses on one database, by several tickets, from everywhere: they count on the account."""
    first, second = await open_house(work=False, protection=MANY), await open_house(work=False, protection=MANY)
    async with client_of(first) as outside, client_of(second, "198.51.100.9") as elsewhere:
        owner = await with_codes(first, outside, ONE)
        tickets, before = [await owed(outside) for _ in range(4)], await living(first, owner.id)

        answers = await asyncio.gather(
            *(type_in((outside, elsewhere)[n % 2], tickets[n % 4], f"{n:06}") for n in range(100))
        )

        assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 95}
        assert await looked_at(first) == 5
        assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
        assert is_refused(await type_in(outside, tickets[0], ONE), 429, "limit-reached")
        assert await living(first, owner.id) == before


async def test_sign_ins_that_renew_the_same_hash_all_get_in(open_house: OpenHouse) -> None:
    """Each finds the hash outdated, and one is first to renew it: for the others the password is right all the same."""
    async with client_of(await open_house(work=False)) as client:
        await register(client)
    house = await open_house(work=False, hashing={"passes": 2})
    async with client_of(house) as client:
        body = {"login": "mira", "password": PASSWORD}
        answers = await asyncio.gather(*(client.post(f"{API}/login", json=body) for _ in range(5)))

        assert [answer.status_code for answer in answers] == [200] * 5
        assert "login.failed" not in await journalled(house)
        client.cookies.clear()
        await login(client)
