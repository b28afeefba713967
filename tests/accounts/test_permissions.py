"""What an account may do: granted and taken back by the keeper, and known everywhere at once."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import func, select
from tests.house import OpenHouse, bearer, client_of, journalled, login, register

from ostiary.accounts import NoSuchAccount, check_permission
from ostiary.accounts.models import account_permissions
from ostiary.accounts.queries import AccountId
from ostiary.client import Requirement
from ostiary.core.caller import KEEPER
from ostiary.core.db import Query
from ostiary.core.errors import InvalidFields
from ostiary.web.visit import Visit
from ostiary.wiring import Ostiary

READ, WRITE = "csp-reports:read", "csp-reports:write"


async def permit(house: Ostiary, account_id: str, *permissions: str) -> list[bool]:
    async with house.database.unit(KEEPER) as unit:
        return [await house.accounts.permit(unit, account_id, permission) for permission in permissions]


async def forbid(house: Ostiary, account_id: str, permission: str) -> bool:
    async with house.database.unit(KEEPER) as unit:
        return await house.accounts.forbid(unit, account_id, permission)


async def now_permitted(house: Ostiary, token: str) -> tuple[str, ...]:
    return (await house.guard.trusted(token)).permissions


async def test_a_permission_holds_at_once_for_a_token_that_is_older(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await register(outside)
    assert await now_permitted(house, mira["access_token"]) == ()

    assert await permit(house, mira["user"]["id"], WRITE, READ) == [True, True]

    assert await now_permitted(house, mira["access_token"]) == (READ, WRITE)
    assert (await house.guard.trusted(mira["access_token"])).claims.permissions == ()


async def test_a_permission_taken_back_is_gone_though_the_token_still_names_it(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    account_id = (await register(outside))["user"]["id"]
    await permit(house, account_id, READ)
    mira = await login(outside)
    assert (await house.guard.trusted(mira["access_token"])).claims.permissions == (READ,)

    assert await forbid(house, account_id, READ)

    assert await now_permitted(house, mira["access_token"]) == ()


async def test_an_application_asks_the_account_and_not_the_token(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await register(outside)
    await permit(house, mira["user"]["id"], "books:lend")
    scope = {
        "type": "http", "method": "GET", "path": "/", "client": ("203.0.113.7", 5),
        "headers": [(b"authorization", bearer(mira)["authorization"].encode())],
    }  # fmt: skip

    identity = await house.reception.admit(Visit(scope, None), as_page=False)

    assert identity.permissions == ("books:lend",)
    house.reception.require(identity, Requirement(permission="books:lend"))


async def test_every_process_hears_of_it_before_the_next_request(open_house: OpenHouse, clock: object) -> None:
    here, there = await open_house(work=False), await open_house(work=False)
    async with client_of(here) as client:
        mira = await register(client)
    assert await now_permitted(there, mira["access_token"]) == ()

    await permit(here, mira["user"]["id"], READ)
    await there.signals.refresh()
    assert await now_permitted(there, mira["access_token"]) == (READ,)

    await forbid(here, mira["user"]["id"], READ)
    await there.signals.refresh()
    assert await now_permitted(there, mira["access_token"]) == ()


async def test_granting_twice_and_taking_back_what_is_not_there_change_nothing(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    account_id = (await register(outside))["user"]["id"]

    assert await permit(house, account_id, READ, READ) == [True, False]
    assert not await forbid(house, account_id, WRITE)
    assert await forbid(house, account_id, READ)

    told = [action for action in await journalled(house) if "permission" in action]
    assert sorted(told) == ["account.permission_granted", "account.permission_revoked"]


async def test_permissions_go_with_their_account(house: Ostiary, outside: httpx.AsyncClient) -> None:
    account_id = (await register(outside))["user"]["id"]
    await permit(house, account_id, READ)

    async with house.database.unit(KEEPER) as unit:
        await house.accounts.delete(unit, account_id)

    left = Query(select(func.count().label("id")).select_from(account_permissions), AccountId)
    assert (await house.database.all(left))[0].id == 0  # type: ignore[comparison-overlap]
    with pytest.raises(NoSuchAccount):
        await permit(house, account_id, READ)


@pytest.mark.parametrize("name", ["a", "csp-reports:read", "a1:b-2:c", "a" * 64])
def test_a_permission_is_small_words_parted_by_colons(name: str) -> None:
    assert check_permission(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "A", "a:", ":a", "a::b", "1a", "a b", "a:B", "a.b", "a*", "a\n", "ä", "a:1b", "-a", "a" * 65],
)
async def test_what_is_written_otherwise_is_refused(house: Ostiary, outside: httpx.AsyncClient, name: str) -> None:
    account_id = (await register(outside))["user"]["id"]

    with pytest.raises(InvalidFields):
        await permit(house, account_id, name)
