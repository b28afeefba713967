"""Browsers that need not show a second factor again: which, for how long, and what ends it (R22)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest
from tests.house import API, NEW_PASSWORD, PASSWORD, OpenHouse, bearer, client_of, journalled, letter_to, login
from tests.login.steps import (
    ONE,
    ask_in,
    claims,
    device_in,
    owed,
    touch,
    type_in,
    with_codes,
    with_passkey,
)
from tests.passkeys.steps import add, stronger
from tests.recovery.steps import confirm, disown_token, reset_token

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.testing.authenticator import Authenticator
from ostiary.wiring import Ostiary


async def remembered(client: httpx.AsyncClient, authenticator: Authenticator) -> str:
    """Have a browser remembered, and return its cookie."""
    return device_in(await touch(client, await owed(client), authenticator, remember=True))


async def is_asked(client: httpx.AsyncClient, cookie: str, password: str = PASSWORD) -> bool:
    """Return whether a browser is asked for a second factor."""
    answer = await ask_in(client, password=password, cookie=cookie)
    assert answer.status_code == 200, answer.text
    return "mfa_required" in answer.json()


async def test_it_is_not_asked_for_thirty_days_and_honestly_weak(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    _, authenticator = await with_passkey(house, outside)
    cookie = await remembered(outside, authenticator)

    answer = await ask_in(outside, cookie=cookie)

    assert (claims(answer.json())["amr"], claims(answer.json())["acr"]) == (["pwd"], "aal1")
    assert (await outside.post(f"{API}/account/export", headers=bearer(answer.json()))).status_code == 401
    assert {"browser.remembered", "factor.skipped"} <= set(await journalled(house))
    clock.advance(days=29, hours=23)
    assert not await is_asked(outside, cookie)  # and that was no new beginning
    clock.advance(hours=1)
    assert await is_asked(outside, cookie)
    assert await house.browsers.prune() == 1


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_only_the_browser_and_the_account_that_it_was_said_of(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira, authenticator = await with_passkey(house, outside)
    cookie = await remembered(outside, authenticator)
    known = device_in(await touch(outside, await owed(outside), authenticator))
    eve, key = await with_passkey(house, outside, "eve")
    assert mira.id != eve.id

    assert await is_asked(outside, "")
    assert await is_asked(outside, known)  # signed in before, and did not ask to be remembered
    assert await is_asked(outside, cookie[:-1])
    answer = await ask_in(outside, "eve", cookie=cookie)
    assert answer.json()["mfa_required"] is True
    assert (await touch(outside, answer.json()["ticket"], key, headers={"cookie": cookie})).status_code == 200
    assert await is_asked(outside, known)
    assert not await is_asked(outside, cookie)


async def change_password(house: Ostiary, client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await client.post(f"{API}/password/change", json=body, headers=headers)).status_code == 200
    return NEW_PASSWORD


async def change_password_and_back(house: Ostiary, client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    await change_password(house, client, headers)
    body = {"current_password": NEW_PASSWORD, "new_password": PASSWORD}
    assert (await client.post(f"{API}/password/change", json=body, headers=headers)).status_code == 200
    return PASSWORD


async def reset_password(house: Ostiary, client: httpx.AsyncClient, _: dict[str, str]) -> str:
    assert (await confirm(client, await reset_token(house, client), NEW_PASSWORD)).status_code == 200
    return NEW_PASSWORD


async def add_a_passkey(house: Ostiary, client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    await add(client, headers)
    return PASSWORD


async def replace_the_passkey(house: Ostiary, client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    first, *_ = (await client.get(f"{API}/passkeys", headers=headers)).json()["passkeys"]
    await add(client, headers)
    assert (await client.delete(f"{API}/passkeys/{first['id']}", headers=headers)).status_code == 200
    return PASSWORD


async def forget_browsers(house: Ostiary, client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    assert (await client.post(f"{API}/mfa/forget-browsers", headers=headers)).status_code == 200
    return PASSWORD


async def raise_epoch(house: Ostiary, client: httpx.AsyncClient, _: dict[str, str]) -> str:
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.raise_epoch(unit, (await house.accounts.find_by_login(unit, "mira")) or "")
    return PASSWORD


Befalls = Callable[[Ostiary, httpx.AsyncClient, dict[str, str]], Awaitable[str]]


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "befalls",
    [
        change_password, change_password_and_back, reset_password, add_a_passkey, replace_the_passkey,
        forget_browsers, raise_epoch,
    ],
)  # fmt: skip
async def test_what_changes_who_gets_in_ends_it(house: Ostiary, outside: httpx.AsyncClient, befalls: Befalls) -> None:
    owner, authenticator = await with_passkey(house, outside)
    cookie = await remembered(outside, authenticator)
    assert not await is_asked(outside, cookie)
    headers = await stronger(outside, owner.bearing, authenticator)

    password = await befalls(house, outside, headers)

    assert await is_asked(outside, cookie, password)


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_this_was_not_me_ends_it(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """A passkey that is added afterwards is asked for in the browser that was remembered before."""
    _, authenticator = await with_passkey(house, outside)
    cookie = await remembered(outside, authenticator)
    letter = await letter_to(house, "mira@example.org", "New sign-in")
    await house.recovery.disown(KEEPER, disown_token(letter))
    assert (await confirm(outside, await reset_token(house, outside), NEW_PASSWORD)).status_code == 200
    assert not await is_asked(outside, "", NEW_PASSWORD)  # every passkey went with it (decision 33)

    await add(outside, bearer(await login(outside, password=NEW_PASSWORD)))

    assert await is_asked(outside, cookie, NEW_PASSWORD)


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_verdict_that_wants_a_second_proof_gets_it_from_remembered_browsers_too(
    open_house: OpenHouse,
) -> None:
    house = await open_house(work=False)
    wary = await open_house(
        work=False,
        risk={"thresholds": {"notify": 1, "challenge": 1}, "weights": {"known_device": 0, "new_network": 50}},
    )
    async with client_of(house) as outside, client_of(wary, "198.51.100.9") as elsewhere:
        _, authenticator = await with_passkey(house, outside)
        cookie = await remembered(outside, authenticator)
        assert not await is_asked(outside, cookie)

        assert await is_asked(elsewhere, cookie)


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_where_the_house_remembers_none_nobody_is(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(work=False)
    never = await open_house(work=False, login={"remember_browser": 0})
    shorter = await open_house(work=False, login={"remember_browser": "P1D"})
    async with client_of(house) as outside, client_of(never) as strict, client_of(shorter) as stricter:
        _, authenticator = await with_passkey(house, outside)
        cookie = await remembered(outside, authenticator)

        assert await is_asked(strict, cookie)
        assert await is_asked(outside, await remembered(strict, authenticator))
        assert not await is_asked(stricter, cookie)
        clock.advance(days=1)
        assert await is_asked(stricter, cookie)
        assert not await is_asked(outside, cookie)


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_recovery_codes_used_or_made_anew_end_nothing(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """They stand in for what is set up, and that has not changed."""
    owner = await with_codes(house, outside, ONE)
    cookie = device_in(await type_in(outside, await owed(outside), ONE, remember=True))  # the last one

    assert not await is_asked(outside, cookie)
    async with house.database.unit(KEEPER) as unit:
        await house.codes._make(unit, owner.id)
    assert not await is_asked(outside, cookie)


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_sign_in_inside_a_session_remembers_nothing(house: Ostiary, outside: httpx.AsyncClient) -> None:
    owner, authenticator = await with_passkey(house, outside)
    answer = await outside.post(f"{API}/step-up", json={"password": PASSWORD}, headers=owner.bearing)
    done = await touch(outside, answer.json()["ticket"], authenticator, headers=owner.bearing, remember=True)
    assert done.status_code == 200

    assert "browser.remembered" not in await journalled(house)
