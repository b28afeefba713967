"""Passkeys as their owner keeps them: named, renamed, removed; and never the last way in."""

from __future__ import annotations

import asyncio

import httpx
from tests.house import API, OpenHouse, client_of, journalled, letter_to
from tests.passkeys.steps import add, owner, sign_in, stronger

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary


async def ids(client: httpx.AsyncClient, bearing: dict[str, str]) -> list[str]:
    listed = (await client.get(f"{API}/passkeys", headers=bearing)).json()["passkeys"]
    return [passkey["id"] for passkey in listed]


async def without_a_password(house: Ostiary) -> None:
    (account,) = await house.accounts.listed()
    async with house.database.unit(KEEPER) as unit:
        await house.passwords.forget(unit, account.id)


async def test_it_is_called_by_its_browser_until_its_owner_calls_it_something(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    outside.headers["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    bearing = await owner(house, outside)
    await add(outside, bearing)
    (passkey,) = (await outside.get(f"{API}/passkeys", headers=bearing)).json()["passkeys"]
    assert passkey["name"] == "Firefox on Linux"

    path = f"{API}/passkeys/{passkey['id']}"
    renamed = await outside.patch(path, json={"name": "  Blue   key "}, headers=bearing)

    assert (renamed.status_code, renamed.json()["name"]) == (200, "Blue key")
    assert (await outside.patch(path, json={"name": "x" * 61}, headers=bearing)).status_code == 422


async def test_a_removed_one_opens_nothing_and_its_owner_is_told(house: Ostiary, outside: httpx.AsyncClient) -> None:
    bearing = await owner(house, outside)
    authenticator = await add(outside, bearing)
    (passkey_id,) = await ids(outside, bearing)
    bearing = await stronger(outside, bearing, authenticator)

    answer = await outside.delete(f"{API}/passkeys/{passkey_id}", headers=bearing)

    assert answer.status_code == 200
    assert (await sign_in(outside, authenticator)).json()["unknown_credential"] is True
    assert "/auth/not-me?token=" in (await letter_to(house, "mira@example.org", "passkey was removed")).text
    assert "passkey.removed" in await journalled(house)
    assert (await outside.delete(f"{API}/passkeys/{passkey_id}", headers=bearing)).status_code == 404


async def test_somebody_elses_is_not_there(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await owner(house, outside)
    await add(outside, mira)
    (passkey_id,) = await ids(outside, mira)
    nils = await owner(house, outside, "nils")

    assert (await outside.patch(f"{API}/passkeys/{passkey_id}", json={"name": "x"}, headers=nils)).status_code == 404
    assert (await outside.delete(f"{API}/passkeys/{passkey_id}", headers=nils)).status_code == 404
    assert await ids(outside, mira) == [passkey_id]


async def test_removing_needs_a_fresh_proof_by_a_passkey(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(work=False, sessions={"access_lifetime": "PT15M"})
    async with client_of(house) as outside:
        bearing = await owner(house, outside)
        authenticator = await add(outside, bearing)
        (passkey_id,) = await ids(outside, bearing)
        weak = await outside.delete(f"{API}/passkeys/{passkey_id}", headers=bearing)
        assert (weak.status_code, weak.json()["acr_values"]) == (401, "phr")
        bearing = await stronger(outside, bearing, authenticator)
        clock.advance(minutes=11)

        assert (await outside.delete(f"{API}/passkeys/{passkey_id}", headers=bearing)).status_code == 401
        assert await ids(outside, bearing) == [passkey_id]


async def test_the_last_way_in_stays(house: Ostiary, outside: httpx.AsyncClient) -> None:
    bearing = await owner(house, outside)
    bearing = await stronger(outside, bearing, await add(outside, bearing))
    (passkey_id,) = await ids(outside, bearing)
    await without_a_password(house)

    answer = await outside.delete(f"{API}/passkeys/{passkey_id}", headers=bearing)

    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (409, "last-way-in")
    assert await ids(outside, bearing) == [passkey_id]


async def test_of_the_last_two_removed_at_once_one_stays(house: Ostiary, outside: httpx.AsyncClient) -> None:
    bearing = await owner(house, outside)
    bearing = await stronger(outside, bearing, await add(outside, bearing))
    await add(outside, bearing)
    both = await ids(outside, bearing)
    await without_a_password(house)

    answers = await asyncio.gather(
        *(outside.delete(f"{API}/passkeys/{passkey_id}", headers=bearing) for passkey_id in both)
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await ids(outside, bearing)) == 1


async def test_it_goes_with_its_account(house: Ostiary, outside: httpx.AsyncClient) -> None:
    authenticator = await add(outside, await owner(house, outside))
    (account,) = await house.accounts.listed()

    async with house.database.unit(KEEPER) as unit:
        await house.accounts.delete(unit, account.id)

    assert await house.passkeys.listed(account.id) == []
    assert await house.passkeys.handle(account.id) is None
    assert (await sign_in(outside, authenticator)).status_code == 401
