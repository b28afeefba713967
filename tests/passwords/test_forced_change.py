"""A right password whose breach is known opens nothing but its own replacement (R5, ASVS 6.2.12)."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.browser import Browser
from tests.house import (
    API,
    NEW_PASSWORD,
    PASSWORD,
    OpenHouse,
    bearer,
    client_of,
    journalled,
    letter_to,
    login,
    register,
    token_in,
)
from tests.passwords.lists import a_filter
from tests.protection.attempts import statuses

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.onetime import OneTimeTokens
from ostiary.wiring import Ostiary

RACERS = 40


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """The filter in use; knows nothing of anybody here until `breach`."""
    return a_filter(tmp_path / "in-use.filter", "a password of nobody")


@pytest.fixture
async def house(open_house: OpenHouse, listed: Path) -> Ostiary:
    opened: Ostiary = await open_house(work=False, passwords={"breach_filter": str(listed)})
    return opened


@pytest.fixture
async def mira(house: Ostiary, outside: httpx.AsyncClient, listed: Path, clock: ManualClock) -> dict[str, Any]:
    """Somebody who has proven her address, and whose password was found in a breach afterwards; signed in."""
    found = await register(outside)
    letter = await letter_to(house, "mira@example.org")
    assert (await outside.post(f"{API}/email/verify", json={"token": token_in(letter)})).status_code == 200
    breach(listed, clock, PASSWORD)
    return found


def breach(listed: Path, clock: ManualClock, *passwords: str) -> None:
    """Let passwords become known."""
    a_filter(listed, "a password of nobody", *passwords)
    clock.advance(minutes=1)


async def demanded(client: httpx.AsyncClient, name: str = "mira") -> dict[str, Any]:
    answer = await client.post(f"{API}/login", json={"login": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def replaced(client: httpx.AsyncClient, ticket: str, password: str = NEW_PASSWORD) -> httpx.Response:
    answer = await client.post(f"{API}/password/replace", json={"ticket": ticket, "new_password": password})
    client.cookies.clear()
    return answer


def slug(answer: httpx.Response) -> str:
    kind: str = answer.json()["type"]
    return kind.rpartition("/")[2]


# What a sign-in answers


@pytest.mark.usefixtures("mira")
async def test_a_breached_password_signs_nobody_in(outside: httpx.AsyncClient, house: Ostiary) -> None:
    answer = await outside.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})

    assert answer.status_code == 200
    assert answer.json() == {"password_change_required": True, "ticket": answer.json()["ticket"], "reason": "breached"}
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert (await journalled(house))[-1] == "password.change_required"


@pytest.mark.usefixtures("mira")
async def test_a_wrong_password_is_wrong_whether_or_not_a_breach_knows_it(
    outside: httpx.AsyncClient, listed: Path, clock: ManualClock
) -> None:
    breach(listed, clock, "a wrong password")

    answers = [
        await outside.post(f"{API}/login", json={"login": name, "password": password})
        for name in ("mira", "nobody")
        for password in ("a wrong password", "another wrong one")
    ]

    assert {(answer.status_code, slug(answer)) for answer in answers} == {(401, "wrong-password")}


async def test_a_deactivated_account_gets_no_ticket(
    house: Ostiary, outside: httpx.AsyncClient, mira: dict[str, Any]
) -> None:
    await deactivate(house, mira["user"]["id"])

    answer = await outside.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})

    assert (answer.status_code, slug(answer)) == (401, "wrong-password")


async def test_where_the_house_does_not_want_it_a_breached_password_signs_in(
    open_house: OpenHouse, listed: Path, clock: ManualClock
) -> None:
    house = await open_house(work=False, passwords={"breach_filter": str(listed), "change_breached": False})
    async with client_of(house) as outside:
        await register(outside)
        breach(listed, clock, PASSWORD)

        await login(outside)


async def test_an_imported_password_that_everybody_uses_is_replaced_at_the_first_sign_in(
    open_house: OpenHouse,
) -> None:
    """The shipped list is enough for that; no account was ever opened here with such a password."""
    house = await open_house(work=False)
    async with client_of(house) as outside:
        await register(outside)
        async with house.database.unit() as unit:
            account_id = await house.accounts.find_by_login(unit, "mira")
        assert account_id is not None
        proof = await house.passwords.prove(account_id, PASSWORD)
        assert proof is not None
        hashed = await house.hasher.hash("password123")
        async with house.database.unit() as unit:
            assert await house.passwords.confirm(unit, type(proof)(account_id, proof.matched, hashed))

        answer = await outside.post(f"{API}/login", json={"login": "mira", "password": "password123"})

    assert answer.json()["reason"] == "breached"


# What the ticket does


async def test_a_ticket_and_a_new_password_sign_in_and_end_every_session_before(
    house: Ostiary, outside: httpx.AsyncClient, mira: dict[str, Any]
) -> None:
    found = await demanded(outside)

    answer = await replaced(outside, found["ticket"])

    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["username"] == "mira"
    assert "refresh_token" in "".join(answer.headers.get_list("set-cookie"))
    assert (await outside.get(f"{API}/me", headers=bearer(answer.json()))).status_code == 200
    assert (await outside.get(f"{API}/me", headers=bearer(mira))).status_code == 401
    await login(outside, password=NEW_PASSWORD)
    assert (await outside.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})).status_code == 401
    assert "password.changed" in await journalled(house)
    await letter_to(house, "mira@example.org", "password")


@pytest.mark.usefixtures("mira")
async def test_a_ticket_works_once(outside: httpx.AsyncClient) -> None:
    ticket = (await demanded(outside))["ticket"]
    assert (await replaced(outside, ticket)).status_code == 200

    again = await replaced(outside, ticket, "yet another password of mine")

    assert (again.status_code, slug(again)) == (401, "ticket-not-valid")
    await login(outside, password=NEW_PASSWORD)


async def test_of_many_uses_at_once_one_wins(open_house: OpenHouse, listed: Path, clock: ManualClock) -> None:
    limits = {"login_failures_per_minute": 1000, "login_failures_per_hour": 1000, "lockout_failures": 100}
    house = await open_house(work=False, passwords={"breach_filter": str(listed)}, protection=limits)
    passwords = [f"{number} purple walruses on a bicycle" for number in range(RACERS)]
    async with client_of(house) as outside:
        await register(outside)
        breach(listed, clock, PASSWORD)
        ticket = (await demanded(outside))["ticket"]

        answers = await asyncio.gather(*(replaced(outside, ticket, password) for password in passwords))

        counts = Counter(answer.status_code for answer in answers)
        assert counts[200] == 1, counts
        assert counts.keys() <= {200, 401, 503}  # the hashing pool is bounded
        assert (await journalled(house)).count("password.changed") == 1
        (winner,) = (word for word, answer in zip(passwords, answers, strict=True) if answer.status_code == 200)
        await login(outside, password=winner)


@pytest.mark.usefixtures("mira")
async def test_a_ticket_is_good_for_ten_minutes(outside: httpx.AsyncClient, clock: ManualClock) -> None:
    first, second = (await demanded(outside))["ticket"], (await demanded(outside))["ticket"]
    clock.advance(minutes=9, seconds=59)
    clock.advance(seconds=1)

    assert (await replaced(outside, first)).status_code == 401
    third = (await demanded(outside))["ticket"]
    assert (await replaced(outside, second)).status_code == 401
    assert (await replaced(outside, third)).status_code == 200


@pytest.mark.usefixtures("mira")
@pytest.mark.parametrize("bad", ["short", PASSWORD, "password1234"])
async def test_a_new_password_that_will_not_do_leaves_the_ticket_good(outside: httpx.AsyncClient, bad: str) -> None:
    ticket = (await demanded(outside))["ticket"]

    refused = await replaced(outside, ticket, bad)

    assert (refused.status_code, slug(refused)) == (422, "weak-password")
    assert {error["field"] for error in refused.json()["errors"]} == {"new_password"}
    assert (await replaced(outside, ticket)).status_code == 200


@pytest.mark.usefixtures("mira")
async def test_of_two_tickets_the_use_of_one_ends_the_other(outside: httpx.AsyncClient) -> None:
    first, second = (await demanded(outside))["ticket"], (await demanded(outside))["ticket"]
    assert (await replaced(outside, first)).status_code == 200

    late = await replaced(outside, second, "yet another password of mine")

    assert (late.status_code, slug(late)) == (401, "ticket-not-valid")


async def test_a_password_changed_in_another_way_ends_the_ticket(
    outside: httpx.AsyncClient, mira: dict[str, Any], house: Ostiary
) -> None:
    ticket = (await demanded(outside))["ticket"]
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await outside.post(f"{API}/password/change", json=body, headers=bearer(mira))).status_code == 200

    late = await replaced(outside, ticket, "yet another password of mine")

    assert (late.status_code, slug(late)) == (401, "ticket-not-valid")
    assert "password.ticket_refused" in await journalled(house)
    await login(outside, password=NEW_PASSWORD)


async def deactivate(house: Ostiary, account_id: str) -> None:
    async with house.database.unit(KEEPER) as unit:
        assert await house.accounts.set_status(unit, account_id, "active", "deactivated")


async def raise_epoch(house: Ostiary, account_id: str) -> None:
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.raise_epoch(unit, account_id)


async def delete(house: Ostiary, account_id: str) -> None:
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.delete(unit, account_id)


@pytest.mark.parametrize("befalls", [deactivate, raise_epoch, delete])
async def test_what_ends_everything_of_an_account_ends_its_tickets(
    house: Ostiary,
    outside: httpx.AsyncClient,
    mira: dict[str, Any],
    befalls: Callable[[Ostiary, str], Awaitable[None]],
) -> None:
    ticket = (await demanded(outside))["ticket"]
    await befalls(house, mira["user"]["id"])

    late = await replaced(outside, ticket)

    assert (late.status_code, slug(late)) == (401, "ticket-not-valid")


@pytest.mark.usefixtures("mira")
@pytest.mark.parametrize("name", ["mira", "mira@example.org"])
async def test_an_account_that_was_locked_since_takes_no_ticket_from_a_stranger(
    house: Ostiary, outside: httpx.AsyncClient, name: str
) -> None:
    ticket = (await demanded(outside))["ticket"]
    async with client_of(house, "198.51.100.9") as elsewhere:
        await statuses(elsewhere, name, *["a wrong password"] * 7)

    refused = [await replaced(outside, ticket) for _ in range(2)]

    assert {answer.status_code for answer in refused} <= {423, 429}
    assert all("retry-after" in answer.headers for answer in refused)
    async with house.database.unit() as unit:
        account_id = await house.accounts.find_by_login(unit, "mira")
    await house.protection.unlock(KEEPER, account_id or "", "mira", "mira@example.org")
    assert (await replaced(outside, ticket)).status_code == 200


@pytest.mark.parametrize("ticket", ["", "x", "A" * 43, "A" * 129, "\x00" * 43, "ä" * 43])
async def test_what_is_no_ticket_opens_nothing(outside: httpx.AsyncClient, ticket: str) -> None:
    answer = await replaced(outside, ticket)

    assert answer.status_code in (400, 401, 422)


async def test_a_token_of_another_purpose_is_no_ticket(
    house: Ostiary, outside: httpx.AsyncClient, mira: dict[str, Any]
) -> None:
    found = await demanded(outside)
    tokens: OneTimeTokens = house.onetime
    async with house.database.unit() as unit:
        alive = await tokens.look(unit, "password.replace", found["ticket"])
        assert alive is not None
        other = await tokens.issue(
            unit, "address.prove", alive.account_id, alive.subject, house.settings.accounts.claim_lifetime
        )

    assert (await replaced(outside, other)).status_code == 401
    assert (await replaced(outside, mira["refresh_token"][:128])).status_code == 401
    confirmed = await outside.post(f"{API}/email/verify", json={"token": found["ticket"]})
    assert confirmed.status_code == 401
    assert (await replaced(outside, found["ticket"])).status_code == 200


# The pages


def hidden(page: httpx.Response, name: str) -> str:
    match = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert match, page.text
    return match[1]


async def chosen(browser: Browser, page: httpx.Response, password: str, following: str) -> httpx.Response:
    """Send the form of a page that asks for a new password."""
    filled = {"username": "mira", "new_password": password, "next": following}
    for name in ("csrf_token", "ticket"):
        filled[name] = hidden(page, name)
    return await browser.post("/auth/new-password", csrf=False, data=filled)


@pytest.mark.usefixtures("mira")
async def test_the_sign_in_page_asks_for_a_new_password_and_goes_on(outside: httpx.AsyncClient) -> None:
    browser = Browser(outside)

    asked = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD, next="/auth/sessions")
    assert asked.status_code == 200
    assert "Choose a new password" in asked.text
    assert asked.headers["cache-control"] == "no-store"
    assert PASSWORD not in asked.text
    assert hidden(asked, "next") == "/auth/sessions"

    weak = await chosen(browser, asked, "short", "/auth/sessions")
    assert weak.status_code == 422
    assert hidden(weak, "ticket") == hidden(asked, "ticket")
    assert weak.headers["cache-control"] == "no-store"

    done = await chosen(browser, weak, NEW_PASSWORD, "/auth/sessions")
    assert (done.status_code, done.headers["location"]) == (303, "/auth/sessions")
    assert (await browser.get("/auth/sessions")).status_code == 200


@pytest.mark.usefixtures("mira")
async def test_the_page_leads_nowhere_else_and_a_spent_ticket_back_to_signing_in(outside: httpx.AsyncClient) -> None:
    browser = Browser(outside)
    asked = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD)

    done = await chosen(browser, asked, NEW_PASSWORD, "https://evil.example")
    assert done.headers["location"] == "/auth/account"
    another = Browser(outside)
    late = await another.submit(
        "/auth/new-password", at="/auth/sign-in", ticket=hidden(asked, "ticket"), new_password="yet another of mine"
    )

    assert late.status_code == 401
    assert "sign in again" in late.text
    back = await another.get("/auth/new-password")
    assert (back.status_code, back.headers["location"]) == (303, "/auth/sign-in")


@pytest.mark.usefixtures("mira")
async def test_a_foreign_page_cannot_send_the_form(outside: httpx.AsyncClient) -> None:
    found = await demanded(outside)

    answer = await outside.post(
        "/auth/new-password",
        data={"ticket": found["ticket"], "new_password": NEW_PASSWORD},
        headers={"origin": "https://evil.example"},
    )

    assert answer.status_code == 403
