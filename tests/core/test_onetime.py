"""A single-use token works once, for its purpose, until it expires."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.core.db.raw import raw
from tests.house import PASSWORD

from ostiary.core.caller import KEEPER, Caller
from ostiary.core.clock import ManualClock
from ostiary.core.onetime import Living, Spent
from ostiary.registration import Application
from ostiary.wiring import Ostiary

HOUR = timedelta(hours=1)


@pytest.fixture
async def account_id(house: Ostiary) -> str:
    grant = await house.registration.register(
        Caller(request_id="test"), Application("mira", "mira@example.org", PASSWORD)
    )
    return grant.account.id


async def issue(house: Ostiary, account_id: str, purpose: str = "door", subject: str = "s") -> str:
    async with house.database.unit() as unit:
        return await house.onetime.issue(unit, purpose, account_id, subject, HOUR)


async def spend(house: Ostiary, token: str, purpose: str = "door") -> Spent | None:
    async with house.database.unit() as unit:
        return await house.onetime.spend(unit, purpose, token)


async def test_of_many_simultaneous_callers_one_gets_it(house: Ostiary, account_id: str) -> None:
    token = await issue(house, account_id)
    outcomes = await asyncio.gather(*[spend(house, token) for _ in range(20)])
    assert [outcome for outcome in outcomes if outcome] == [Spent(account_id, "s")]


async def test_a_token_is_good_for_its_purpose_alone(house: Ostiary, account_id: str) -> None:
    token = await issue(house, account_id)
    assert await spend(house, token, "window") is None
    assert await spend(house, token) is not None


async def test_a_row_moved_to_another_purpose_opens_nothing(house: Ostiary, account_id: str) -> None:
    token = await issue(house, account_id)
    await raw(house.database_url, "UPDATE onetime_tokens SET purpose = 'window' WHERE purpose = 'door'")
    assert await spend(house, token, "window") is None
    assert await spend(house, token) is None


async def test_a_token_lapses_to_the_millisecond(house: Ostiary, account_id: str, clock: ManualClock) -> None:
    late, early = await issue(house, account_id), await issue(house, account_id)
    clock.advance(hours=1, milliseconds=-1)
    assert await spend(house, early) is not None
    clock.advance(milliseconds=1)
    assert await spend(house, late) is None


async def test_looking_does_not_use_a_token_up(house: Ostiary, account_id: str) -> None:
    token = await issue(house, account_id)
    async with house.database.unit() as unit:
        for _ in range(2):
            assert await house.onetime.look(unit, "door", token) == Spent(account_id, "s")
        assert await house.onetime.look(unit, "window", token) is None
    assert await spend(house, token) is not None
    async with house.database.unit() as unit:
        assert await house.onetime.look(unit, "door", token) is None


async def test_a_refused_unit_gives_the_token_back(house: Ostiary, account_id: str) -> None:
    token = await issue(house, account_id)

    async def spend_and_fail() -> None:
        async with house.database.unit() as unit:
            assert await house.onetime.spend(unit, "door", token)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await spend_and_fail()
    assert await spend(house, token) is not None


async def test_revoking_ends_the_tokens_of_one_subject(house: Ostiary, account_id: str) -> None:
    doomed = [await issue(house, account_id, subject="a") for _ in range(2)]
    spared = [await issue(house, account_id, subject="b"), await issue(house, account_id, "window", "a")]
    async with house.database.unit() as unit:
        assert await house.onetime.revoke(unit, "door", account_id, "a") == 2
    assert [await spend(house, token) for token in doomed] == [None, None]
    assert await spend(house, spared[0])
    assert await spend(house, spared[1], "window")


async def test_revoking_all_of_a_purpose_spares_other_purposes_and_people(house: Ostiary, account_id: str) -> None:
    doomed = [await issue(house, account_id, subject=subject) for subject in "ab"]
    other = await issue(house, account_id, "window")
    async with house.database.unit() as unit:
        assert await house.onetime.revoke_all(unit, "door", "somebody else") == 0
        assert await house.onetime.revoke_all(unit, "door", account_id) == 2
    assert [await spend(house, token) for token in doomed] == [None, None]
    assert await spend(house, other, "window")


async def test_only_tokens_that_could_still_be_used_are_living(
    house: Ostiary, account_id: str, clock: ManualClock
) -> None:
    await spend(house, await issue(house, account_id, subject="spent"))
    await issue(house, account_id, subject="old")
    clock.advance(minutes=30)
    issued_at = clock.now()
    await issue(house, account_id, subject="young")
    await issue(house, account_id, "window", "other")
    clock.advance(minutes=30)
    async with house.database.unit() as unit:
        assert await house.onetime.living(unit, "door", account_id) == [Living("young", issued_at)]
        assert await house.onetime.living(unit, "door", "somebody else") == []


async def test_the_secret_is_not_in_the_row(house: Ostiary, account_id: str) -> None:
    token = await issue(house, account_id)
    rows = await raw(house.database_url, "SELECT * FROM onetime_tokens WHERE purpose = 'door'")
    assert len(rows) == 1
    assert token not in repr(rows)
    assert token.encode() not in rows[0]


async def test_a_token_outlives_the_rotation_of_the_index_key(
    house: Ostiary, account_id: str, clock: ManualClock
) -> None:
    token = await issue(house, account_id)
    await house.keys.rotate(KEEPER, ("index",))
    clock.advance(minutes=30)
    assert await spend(house, token) == Spent(account_id, "s")


@pytest.mark.parametrize("presented", ["", "x", "x" * 200, "ü" * 43, "\x00", "a.b.c", "\ud800"])
async def test_noise_opens_nothing(house: Ostiary, account_id: str, presented: str) -> None:
    await issue(house, account_id)
    assert await spend(house, presented) is None


async def test_pruning_takes_what_expired_a_day_ago(house: Ostiary, account_id: str, clock: ManualClock) -> None:
    await issue(house, account_id)
    before = len(await raw(house.database_url, "SELECT 1 FROM onetime_tokens"))
    clock.advance(hours=25, milliseconds=-1)
    await house.onetime.prune(house.database)
    assert len(await raw(house.database_url, "SELECT 1 FROM onetime_tokens WHERE purpose = 'door'")) == 1
    clock.advance(milliseconds=2)
    assert await house.onetime.prune(house.database) >= 1
    assert len(await raw(house.database_url, "SELECT 1 FROM onetime_tokens")) < before


async def test_a_deleted_account_takes_its_tokens_with_it(house: Ostiary, account_id: str) -> None:
    token = await issue(house, account_id)
    async with house.database.unit() as unit:
        await house.accounts.delete(unit, account_id)
    assert await spend(house, token) is None
