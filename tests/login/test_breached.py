"""A breached password beside a second factor: the factor comes first, so that no thief chooses the next password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.browser import DEVICE
from tests.house import API, NEW_PASSWORD, PASSWORD, OpenHouse, bearer, client_of
from tests.login.steps import (
    ONE,
    TWO,
    ask_in,
    claims,
    device_in,
    give_codes,
    is_refused,
    owed,
    slug,
    touch,
    type_in,
    with_both,
    with_codes,
)
from tests.passwords.test_forced_change import breach, listed, replaced
from tests.protection.attempts import statuses
from tests.recovery.steps import settled

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

__all__ = ["listed"]

FRESH = "yet another password of mine"


@pytest.fixture
def storage() -> str:
    """One of the two: the ticket's own writes are in `tests/passwords`."""
    return "sqlite"


@pytest.fixture
async def house(open_house: OpenHouse, listed: Path) -> Ostiary:
    opened: Ostiary = await open_house(work=False, passwords={"breach_filter": str(listed)})
    return opened


async def changing(client: httpx.AsyncClient, answer: httpx.Response) -> str:
    """Be told to replace the password, and return the ticket."""
    told: dict[str, Any] = answer.json()
    assert answer.status_code == 200, answer.text
    assert told.keys() == {"password_change_required", "ticket", "reason"}
    assert "set-cookie" not in answer.headers
    return str(told["ticket"])


async def test_the_factor_comes_first_and_the_session_says_so(
    house: Ostiary, outside: httpx.AsyncClient, listed: Path, clock: ManualClock
) -> None:
    await with_codes(house, outside, ONE, TWO)
    breach(listed, clock, PASSWORD)
    ticket = await owed(outside)
    assert is_refused(await replaced(outside, ticket), 401, "ticket-not-valid")
    assert is_refused(await type_in(outside, ticket, "000000"), 401, "second-factor-refused")

    replacing = await changing(outside, await type_in(outside, ticket, ONE))
    assert is_refused(await type_in(outside, replacing, TWO), 401, "ticket-not-valid")
    done = await replaced(outside, replacing)

    assert done.status_code == 200, done.text
    assert (claims(done.json())["amr"], claims(done.json())["acr"]) == (["pwd", "rc", "mfa"], "aal2")
    assert (await outside.post(f"{API}/account/export", headers=bearer(done.json()))).status_code == 200
    assert (await type_in(outside, await owed(outside, password=NEW_PASSWORD), TWO)).status_code == 200


async def test_a_remembered_browser_shows_it_all_the_same(
    house: Ostiary, outside: httpx.AsyncClient, listed: Path, clock: ManualClock
) -> None:
    _, authenticator = await with_both(house, outside)
    cookie = device_in(await touch(outside, await owed(outside), authenticator, remember=True))
    assert "access_token" in (await ask_in(outside, cookie=cookie)).json()
    breach(listed, clock, PASSWORD)

    ticket = await owed(outside, cookie=cookie)

    assert await changing(outside, await touch(outside, ticket, authenticator))


async def test_a_ticket_of_before_there_was_a_factor_replaces_nothing_any_more(
    house: Ostiary, outside: httpx.AsyncClient, listed: Path, clock: ManualClock
) -> None:
    """Whoever found the password, and had it looked at in time, must not choose the next one past the factor."""
    held = await settled(house, outside)
    breach(listed, clock, PASSWORD)
    replacing = await changing(outside, await ask_in(outside))
    await give_codes(house, held["user"]["id"], ONE)

    assert is_refused(await replaced(outside, replacing), 401, "ticket-not-valid")

    asked = await changing(outside, await type_in(outside, await owed(outside), ONE))
    weak = await replaced(outside, asked, "short")
    assert (weak.status_code, slug(weak)) == (422, "weak-password")
    assert (await replaced(outside, asked, FRESH)).status_code == 200


async def test_a_browser_that_was_let_in_by_letter_is_no_stranger_while_strangers_lock_the_name(
    house: Ostiary, outside: httpx.AsyncClient, listed: Path, clock: ManualClock
) -> None:
    """Else whoever knows the name could keep its owner from replacing the password (D5)."""
    account_id = (await settled(house, outside))["user"]["id"]
    breach(listed, clock, PASSWORD)
    async with house.database.unit(KEEPER) as unit:
        await house.protection.welcome(unit, account_id, "a-browser-of-the-owner")
    known = f"{DEVICE}={house.macs.write('device cookie', 'a-browser-of-the-owner')}"
    async with client_of(house, "198.51.100.9") as elsewhere:
        assert 423 in await statuses(elsewhere, "mira", *["a wrong password"] * 7)

    ticket = await changing(outside, await ask_in(outside, cookie=known))
    body = {"ticket": ticket, "new_password": FRESH}

    assert (await outside.post(f"{API}/password/replace", json=body)).status_code == 423  # without the cookie
    assert (await outside.post(f"{API}/password/replace", json=body, headers={"cookie": known})).status_code == 200
