"""Pumping: who makes the house send texts gets so many and no more, whatever accounts and numbers they bring (R20)."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest
from tests.house import OpenHouse, bearer, client_of, journalled, login
from tests.texts.steps import NUMBER, account_id, add, begin, code_in, offering, owner, slug, texts

from ostiary.core.caller import Caller
from ostiary.core.clock import ManualClock
from ostiary.core.limits import LimitReached
from ostiary.wiring import Ostiary

LIMITED = (429, "limit-reached")
ROOMY = {"texts_per_hour": 10**6, "texts_per_number": 10**6, "texts_per_address": 10**6, "signups_per_hour": 10**6}


def named(answer: httpx.Response) -> str:
    """Return the limit that a refusal names."""
    return answer.headers["ratelimit-policy"].split('"')[1]


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_an_account_causes_five_an_hour(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await offering(open_house)
    async with client_of(house) as outside:
        bearing = await owner(house, outside)
        answers = [await begin(outside, bearing) for _ in range(7)]

        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert named(answers[-1]) == "text.account"
        assert len(texts(house)) == 5
        clock.advance(hours=1)
        assert (await begin(outside, bearer(await login(outside)))).status_code == 200


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_number_gets_ten_a_day_whoever_causes_them(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await offering(open_house, protection={"texts_per_address": 1000})
    async with client_of(house) as outside:
        people = [await owner(house, outside, name) for name in ("mira", "eve", "ada")]
        answers = [await begin(outside, bearing) for _ in range(4) for bearing in people]

        assert Counter(answer.status_code for answer in answers) == {200: 10, 429: 2}
        assert named(answers[-1]) == "text.number"
        # Whoever was refused for the number has not used up their own.
        assert (await begin(outside, people[2], "+46701234568")).status_code == 200
        clock.advance(days=1)
        assert (await begin(outside, bearer(await login(outside, "eve")))).status_code == 200


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_an_address_causes_ten_an_hour(open_house: OpenHouse) -> None:
    house = await offering(open_house)
    async with client_of(house) as outside:
        people = [await owner(house, outside, name) for name in ("mira", "eve", "ada")]
        answers = [await begin(outside, bearing, f"+4670123456{n}") for n in range(4) for bearing in people]

        assert Counter(answer.status_code for answer in answers) == {200: 10, 429: 2}
        assert named(answers[-1]) == "text.address"
        async with client_of(house, "198.51.100.9") as elsewhere:
            assert (await begin(elsewhere, people[2])).status_code == 200


async def test_a_country_prefix_has_a_budget_and_so_have_all_together(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    house = await offering(open_house, protection=ROOMY | {"text_budget_of_prefix": 4, "text_budget": 6})
    async with client_of(house) as outside:
        bearing = await owner(house, outside)
        await house.outbox.drain()
        swedish = [await begin(outside, bearing, f"+4670123456{n}") for n in range(6)]
        american = [await begin(outside, bearing, f"+1201555012{n}") for n in range(4)]

        assert [answer.status_code for answer in swedish] == [200] * 4 + [429] * 2
        assert named(swedish[-1]) == "text.prefix"
        assert [answer.status_code for answer in american] == [200] * 2 + [429] * 2
        assert named(american[-1]) == "text.all"
        assert len(texts(house)) == 6
        assert (await journalled(house)).count("text.refused") == 4
        alerts = [alert for alert in await house.alerts.listed() if alert.kind == "text_budget_spent"]
        assert sorted(alert.count for alert in alerts) == [2, 2]  # one for each prefix, and one more counted
        clock.advance(days=1)
        assert (await begin(outside, bearer(await login(outside)))).status_code == 200


async def test_a_budget_is_exact_at_once_and_on_two_processes(open_house: OpenHouse) -> None:
    generous = ROOMY | {"text_budget_of_prefix": 7}
    houses = [await offering(open_house, protection=generous) for _ in range(2)]
    async with client_of(houses[0]) as outside:
        await add(houses[0], outside, await owner(houses[0], outside))
    whose = await account_id(houses[0])

    async def send(house: Ostiary, number: int) -> bool:
        try:
            await house.texts.send(Caller(request_id="r", address=f"198.51.100.{number}"), whose, f"attempt {number}")
        except LimitReached:
            return False
        return True

    sent = await asyncio.gather(*(send(house, number) for number in range(20) for house in houses))

    # One of the seven added the number. A refusal gives back what it took, so that a few may be refused too soon.
    assert 1 <= sum(sent) <= 6
    assert len(texts(houses[0])) + len(texts(houses[1])) == 1 + sum(sent)


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_what_is_refused_costs_the_budget_nothing(open_house: OpenHouse) -> None:
    """Else anybody with a session could use up everybody's, a thousand refusals a minute."""
    house = await offering(open_house, protection={"text_budget": 8, "texts_per_hour": 2, "texts_per_address": 1000})
    async with client_of(house) as outside:
        bearing = await owner(house, outside)
        for _ in range(20):
            await begin(outside, bearing)
        assert len(texts(house)) == 2

        for name in ("eve", "ada", "ben"):
            other = await owner(house, outside, name)
            assert [(await begin(outside, other, f"+4670123457{n}")).status_code for n in range(2)] == [200, 200]
        assert len(texts(house)) == 8


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_the_budgets_count_in_the_database_wherever_the_rest_counts(open_house: OpenHouse) -> None:
    protection = ROOMY | {"counters": "memory", "text_budget": 1}
    first = await offering(open_house, protection=protection)
    async with client_of(first) as outside:
        bearing = await owner(first, outside)
        assert (await begin(outside, bearing)).status_code == 200
        second = await offering(open_house, protection=protection)  # as after a restart: its memory is empty
        async with client_of(second) as again:
            assert slug(await begin(again, bearing)) == LIMITED
    assert code_in(texts(first)[0])
    assert texts(first)[0].to == NUMBER
