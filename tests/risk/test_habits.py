"""Habits in a real house: learned in the unit of the sign-in, sealed, lost with the account, safe in a race."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select
from tests.core.db.raw import blob, raw
from tests.house import OpenHouse, journalled
from tests.risk.world import (
    BERLIN,
    MUNICH,
    NOWHERE,
    TOKYO,
    VIENNA,
    caller_at,
    codes,
    mira,
    risk_of,
    sign_in,
)

from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.risk import Risk
from ostiary.risk.models import risk_baselines
from ostiary.risk.queries import FIND, StoredBaseline
from ostiary.wiring import Ostiary

ALL = Query(select(risk_baselines.c.sealed, risk_baselines.c.signins), StoredBaseline)


async def learned_signins(house: Ostiary, account_id: str) -> int:
    stored = await house.database.find(FIND, account_id=account_id)
    return stored.signins if stored else 0


async def test_a_journey_of_an_account_through_the_default_policy(house: Ostiary, clock: ManualClock) -> None:
    risk, account_id = risk_of(house), await mira(house)
    first, _ = await sign_in(house, risk, account_id, caller_at(BERLIN), known_device=False)
    assert (first.action, codes(first)) == ("notify", {"device.new": 20})

    clock.advance(hours=20)
    usual, _ = await sign_in(house, risk, account_id, caller_at(BERLIN))
    assert (usual.action, usual.reasons) == ("allow", ())

    clock.advance(hours=20)
    abroad, _ = await sign_in(house, risk, account_id, caller_at(VIENNA))
    assert (abroad.action, codes(abroad)) == ("notify", {"network.new": 5, "country.new": 30, "device.known": -15})

    clock.advance(hours=1)
    stolen, session_id = await sign_in(house, risk, account_id, caller_at(TOKYO), known_device=False)
    assert stolen.action == "challenge"
    assert stolen.reasons[2].words == "First sign-in from Japan; so far Germany (2), Austria (1)."
    assert stolen.reasons[3].code == "travel.impossible"
    assert session_id

    refused, session_id = await sign_in(house, risk_of(house, "JP"), account_id, caller_at(TOKYO))
    assert (refused.action, session_id) == ("deny", None)
    assert await learned_signins(house, account_id) == 4, "what was refused teaches nothing"


async def test_looking_writes_nothing(house: Ostiary) -> None:
    risk, account_id = risk_of(house), await mira(house)
    before = await journalled(house)
    for _ in range(3):
        async with house.database.unit() as unit:
            await risk.look(unit, caller_at(BERLIN), account_id, known_device=True)
    assert await learned_signins(house, account_id) == 0
    assert await journalled(house) == before


async def test_what_a_sign_in_taught_is_gone_if_its_unit_fails(house: Ostiary) -> None:
    risk, account_id = risk_of(house), await mira(house)

    async def fails() -> None:
        async with house.database.unit(caller_at(BERLIN)) as unit:
            found = await risk.look(unit, unit.caller, account_id, known_device=True)
            assert await risk.learn(unit, account_id, found)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await fails()
    assert await learned_signins(house, account_id) == 0


async def test_habits_lie_sealed_and_open_in_no_other_row(house: Ostiary) -> None:
    risk, account_id, other_id = risk_of(house), await mira(house), await mira(house, "nora")
    for owner, address in ((account_id, BERLIN), (other_id, TOKYO)):
        await sign_in(house, risk, owner, caller_at(address))
    rows = await house.database.all(ALL)
    assert len(rows) == 2
    assert not any(told in row.sealed for row in rows for told in (b'"DE"', b"192.0.2", b"countries"))

    stolen = (await house.database.all(FIND, account_id=account_id))[0].sealed
    url = house.database_url
    await raw(url, f"UPDATE risk_baselines SET sealed = {blob(url, stolen)} WHERE account_id = '{other_id}'")

    found, _ = await sign_in(house, risk, other_id, caller_at(BERLIN))
    assert found.facts.countries == {}
    assert "habits.broken" in await journalled(house)


@pytest.mark.parametrize("harm", ["sealed = {}", "signins = 7"])
async def test_habits_that_somebody_edited_count_as_none_and_are_learned_anew(house: Ostiary, harm: str) -> None:
    risk, account_id = risk_of(house), await mira(house)
    await sign_in(house, risk, account_id, caller_at(BERLIN))
    await raw(house.database_url, f"UPDATE risk_baselines SET {harm.format(blob(house.database_url, b'x' * 40))}")

    found, _ = await sign_in(house, risk, account_id, caller_at(TOKYO), known_device=False)

    assert codes(found) == {"device.new": 20}
    assert (await journalled(house)).count("habits.broken") == 1
    again, _ = await sign_in(house, risk, account_id, caller_at(TOKYO))
    assert again.facts.countries == {"JP": 1}
    assert (await journalled(house)).count("habits.broken") == 1


async def test_older_habits_put_back_beside_todays_number_do_not_open(house: Ostiary) -> None:
    risk, account_id = risk_of(house), await mira(house)
    await sign_in(house, risk, account_id, caller_at(BERLIN))
    old = (await house.database.all(FIND, account_id=account_id))[0].sealed
    await sign_in(house, risk, account_id, caller_at(BERLIN))
    await raw(house.database_url, f"UPDATE risk_baselines SET sealed = {blob(house.database_url, old)}")
    await sign_in(house, risk, account_id, caller_at(BERLIN))
    assert "habits.broken" in await journalled(house)


async def test_habits_go_with_the_account(house: Ostiary) -> None:
    risk, account_id = risk_of(house), await mira(house)
    found, _ = await sign_in(house, risk, account_id, caller_at(BERLIN))
    async with house.database.unit() as unit:
        await house.accounts.delete(unit, account_id)
    assert await house.database.all(ALL) == []
    async with house.database.unit() as unit:
        assert not await risk.learn(unit, account_id, found)
        after = await risk.look(unit, caller_at(BERLIN), account_id, known_device=False)
    assert after.facts.countries == {}


async def test_habits_are_forgotten_on_demand(house: Ostiary) -> None:
    risk, account_id = risk_of(house), await mira(house)
    await sign_in(house, risk, account_id, caller_at(TOKYO))
    async with house.database.unit() as unit:
        await risk.forget(unit, account_id)
        await risk.forget(unit, account_id)
    assert (await journalled(house)).count("habits.forgotten") == 1
    assert await learned_signins(house, account_id) == 0


async def test_of_sign_ins_at_one_moment_each_counts_once_or_is_lost_whole(open_house: OpenHouse) -> None:
    """Two processes on one database; whoever loses the race loses an observation and nothing else."""
    houses = [await open_house(work=False) for _ in range(2)]
    risks, account_id = [risk_of(house) for house in houses], await mira(houses[0])

    async def one(number: int) -> bool:
        house, risk = houses[number % 2], risks[number % 2]
        async with house.database.unit(caller_at((BERLIN, MUNICH, VIENNA)[number % 3])) as unit:
            found = await risk.look(unit, unit.caller, account_id, known_device=True)
            return await risk.learn(unit, account_id, found)

    won = sum(await asyncio.gather(*(one(number) for number in range(30))))

    assert 1 <= won <= 30
    assert await learned_signins(houses[0], account_id) == won
    async with houses[1].database.unit() as unit:
        after = await risks[1].look(unit, caller_at(BERLIN), account_id, known_device=True)
    assert after.facts.signins == won, "the last row opens, and says the same"
    assert "habits.broken" not in await journalled(houses[0])


async def test_a_sign_in_that_was_read_before_another_was_learned_is_lost(house: Ostiary) -> None:
    risk, account_id = risk_of(house), await mira(house)
    await sign_in(house, risk, account_id, caller_at(BERLIN))
    stale: list[tuple[int | None, object]] = []
    read = risk._habits

    class Slow(Risk):
        async def _habits(self, unit, of):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            return stale.pop() if stale else await read(unit, of)

    async with house.database.unit() as unit:
        stale.append(await read(unit, account_id))
    await sign_in(house, risk, account_id, caller_at(VIENNA))
    slow = Slow(house.account_keys, risk._places, risk.policy)
    async with house.database.unit() as unit:
        found = await risk.look(unit, caller_at(TOKYO), account_id, known_device=True)
        assert not await slow.learn(unit, account_id, found)
    async with house.database.unit() as unit:
        after = await risk.look(unit, caller_at(BERLIN), account_id, known_device=True)
    assert after.facts.countries == {"DE": 1, "AT": 1}
    assert after.facts.signins == 2


async def test_without_places_the_rest_goes_on(house: Ostiary) -> None:
    account_id = await mira(house)
    for _ in range(2):
        await sign_in(house, house.risk, account_id, caller_at(NOWHERE))
    found, _ = await sign_in(house, house.risk, account_id, caller_at(BERLIN), known_device=False)
    assert codes(found) == {"device.new": 20, "network.new": 5}
    assert found.facts.country is None


async def test_an_unknown_address_is_no_reason_not_to_answer(house: Ostiary) -> None:
    risk, account_id = risk_of(house), await mira(house)
    async with house.database.unit() as unit:
        found = await risk.look(unit, unit.caller, account_id, known_device=False)
    assert (found.action, found.facts.network) == ("notify", None)
