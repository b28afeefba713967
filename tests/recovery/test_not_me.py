""" "This wasn't me": one press ends everything, and the account comes back to who reads its mailbox (R15)."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest
from tests.audit.written import entries
from tests.contract.browser import Browser
from tests.house import (
    API,
    NEW_PASSWORD,
    PASSWORD,
    bearer,
    client_of,
    journalled,
    letter_to,
    login,
    token_in,
)
from tests.recovery.steps import (
    ADDRESS,
    CALLER,
    FRESH,
    confirm,
    disown_token,
    letters,
    move,
    prove,
    reset_token,
    settled,
    try_in,
)

from ostiary.accounts import AddressTaken, TokenSpent, check_address
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.mail import KeptLetter
from ostiary.recovery import NotClosed
from ostiary.wiring import Ostiary

THIEF = "eve@example.net"


async def alarmed(house: Ostiary, client: httpx.AsyncClient) -> tuple[dict[str, Any], KeptLetter]:
    """Let somebody change the password, as a thief who knows it does; return their token and the owner's letter."""
    held = await settled(house, client)
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answer = await client.post(f"{API}/password/change", json=change, headers=bearer(held))
    assert answer.status_code == 200, answer.text
    return held, await letter_to(house, ADDRESS, "password")


async def press(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """Open the link in a browser that was never here, and press its button."""
    return await Browser(client).submit("/auth/not-me", at=f"/auth/not-me?token={token}", token=token)


async def test_one_press_ends_every_session_and_locks_the_password(house: Ostiary, outside: httpx.AsyncClient) -> None:
    thief, letter = await alarmed(house, outside)
    other = await login(outside, password=NEW_PASSWORD)

    async with client_of(house, "198.51.100.20") as phone:
        answer = await press(phone, disown_token(letter))

    assert answer.status_code == 200
    assert "Every device is signed out" in answer.text
    for held in (thief, other):
        assert (await outside.get(f"{API}/me", headers=bearer(held))).status_code == 401
        renewed = await outside.post(f"{API}/refresh", json={"refresh_token": held["refresh_token"]})
        assert renewed.status_code == 401
    # Sockets and feeds hear it.
    ended = [json.loads(entry.details) for entry in await entries(house) if entry.action == "session.ended"]
    assert [details["reason"] for details in ended].count("disowned") == 2
    for password in (PASSWORD, NEW_PASSWORD, ""):
        assert await try_in(outside, password or " ") == 401
    assert "account.disowned" in await journalled(house)


async def test_a_link_shuts_the_account_of_its_letter_whoever_presses_it(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """A browser that is signed in to another account keeps that one."""
    _, letter = await alarmed(house, outside)
    async with client_of(house, "198.51.100.20") as client:
        nora = Browser(client)
        await nora.get(f"{API}/csrf")
        await nora.post(f"{API}/register", json={"username": "nora", "email": "n@example.org", "password": PASSWORD})

        token = disown_token(letter)
        answer = await nora.submit("/auth/not-me", at=f"/auth/not-me?token={token}", token=token)

        assert answer.status_code == 200
        assert (await nora.get(f"{API}/me")).json()["username"] == "nora"
    assert await try_in(outside, NEW_PASSWORD) == 401
    assert await try_in(outside, PASSWORD, "nora") == 200


async def test_a_link_for_something_else_shuts_nothing(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await alarmed(house, outside)
    token = await reset_token(house, outside)

    assert (await outside.get(f"/auth/not-me?token={token}")).status_code == 404
    refused = await Browser(outside).submit("/auth/not-me", at="/auth/sign-in", token=token)

    assert refused.status_code == 404
    assert await try_in(outside, NEW_PASSWORD) == 200


async def test_recovery_starts_with_a_letter_to_the_proven_address(house: Ostiary, outside: httpx.AsyncClient) -> None:
    _, letter = await alarmed(house, outside)
    await press(outside, disown_token(letter))
    outside.cookies.clear()

    token = token_in(await letter_to(house, ADDRESS, "Choose a new password"))
    assert (await confirm(outside, token)).status_code == 200

    assert await try_in(outside, FRESH) == 200
    assert await try_in(outside, NEW_PASSWORD) == 401


async def test_a_late_owner_asks_for_another_letter(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    _, letter = await alarmed(house, outside)
    await press(outside, disown_token(letter))
    clock.advance(days=3)

    assert (await confirm(outside, await reset_token(house, outside))).status_code == 200
    assert await try_in(outside, FRESH) == 200


async def test_looking_uses_nothing_up(house: Ostiary, outside: httpx.AsyncClient) -> None:
    thief, letter = await alarmed(house, outside)
    token = disown_token(letter)
    for method in ("GET", "HEAD", "GET"):
        answer = await outside.request(method, f"/auth/not-me?token={token}")
        assert answer.status_code == 200
        assert answer.headers.get_list("referrer-policy") == ["strict-origin"]
    assert (await outside.get(f"{API}/me", headers=bearer(thief))).status_code == 200

    assert (await press(outside, token)).status_code == 200


async def test_a_link_works_once_and_for_seven_days(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    _, letter = await alarmed(house, outside)
    token = disown_token(letter)
    clock.advance(days=7, milliseconds=-1)
    assert (await press(outside, token)).status_code == 200

    again = await Browser(outside).submit("/auth/not-me", at="/auth/sign-in", token=token)
    assert again.status_code == 404
    assert "This link no longer works" in again.text
    assert "Choose a new password" in again.text  # what to do

    await confirm(outside, await reset_token(house, outside))
    late = disown_token(await letter_to(house, ADDRESS, "was reset"))
    clock.advance(days=7)
    assert (await outside.get(f"/auth/not-me?token={late}")).status_code == 404
    assert await try_in(outside, FRESH) == 200
    assert "account.disown_refused" in await journalled(house)


async def test_every_letter_about_the_account_has_a_link_of_its_own(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    held, changed = await alarmed(house, outside)
    clock.advance(minutes=5)
    fresh = await outside.post(f"{API}/refresh", json={"refresh_token": held["refresh_token"]})
    assert fresh.status_code == 200
    clock.advance(minutes=5)
    await outside.post(f"{API}/refresh", json={"refresh_token": held["refresh_token"]})  # theft
    outside.cookies.clear()
    stolen = await letter_to(house, ADDRESS, "ended a session")
    await confirm(outside, await reset_token(house, outside))
    reset = await letter_to(house, ADDRESS, "was reset")
    async with house.database.unit(CALLER) as unit:
        unit.later(
            "letter", kind="new_sign_in", account_id=held["user"]["id"], when=unit.now, agent="", address="192.0.2.1"
        )
    new = await letter_to(house, ADDRESS, "New sign-in")

    tokens = {disown_token(letter) for letter in (changed, stolen, reset, new)}

    assert len(tokens) == 4
    for token in tokens:
        assert (await outside.get(f"/auth/not-me?token={token}")).status_code == 200


async def test_older_letters_to_the_same_mailbox_tell_of_what_is_ended_already(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """Else an owner who has just recovered, and tidies up the mailbox, is shut out again."""
    held, first = await alarmed(house, outside)
    change = {"current_password": NEW_PASSWORD, "new_password": FRESH}
    await outside.post(f"{API}/password/change", json=change, headers=bearer(held))
    second = await letter_to(house, ADDRESS, "password")
    assert disown_token(first) != disown_token(second)

    await press(outside, disown_token(second))

    assert (await outside.get(f"/auth/not-me?token={disown_token(first)}")).status_code == 404


async def test_of_many_presses_at_once_one_counts(house: Ostiary, outside: httpx.AsyncClient) -> None:
    _, letter = await alarmed(house, outside)
    token = disown_token(letter)

    outcomes = await asyncio.gather(*(house.recovery.disown(CALLER, token) for _ in range(10)), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Disowned"] + ["TokenSpent"] * 9
    assert (await journalled(house)).count("account.disowned") == 1
    await house.outbox.drain()
    assert len(letters(house, "Choose a new password")) == 1


async def test_two_links_of_one_account_pressed_at_once_shut_it_once_or_twice_and_never_fail(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    held, first = await alarmed(house, outside)
    change = {"current_password": NEW_PASSWORD, "new_password": FRESH}
    await outside.post(f"{API}/password/change", json=change, headers=bearer(held))
    tokens = [disown_token(first), disown_token(await letter_to(house, ADDRESS, "password"))]

    outcomes = await asyncio.gather(*(house.recovery.disown(CALLER, token) for token in tokens), return_exceptions=True)

    assert {type(outcome).__name__ for outcome in outcomes} <= {"Disowned", "TokenSpent"}
    assert await try_in(outside, FRESH) == 401


# The address was changed


async def robbed(house: Ostiary, client: httpx.AsyncClient) -> tuple[dict[str, Any], KeptLetter]:
    """Let a thief change the address; return their token and the letter that went to the former one."""
    held = await settled(house, client)
    await move(house, client, bearer(held), THIEF)
    return held, await letter_to(house, ADDRESS, "address")


async def test_the_former_address_can_shut_the_account_and_no_letter_goes_to_the_thief(
    house: Ostiary, outside: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    thief, letter = await robbed(house, outside)
    before = len(letters(house))

    with caplog.at_level(logging.WARNING):
        answer = await press(outside, disown_token(letter))
    outside.cookies.clear()

    assert "Nobody can sign in to it now" in answer.text
    assert (await outside.get(f"{API}/me", headers=bearer(thief))).status_code == 401
    assert await try_in(outside, PASSWORD) == 401
    await outside.post(f"{API}/password-reset/request", json={"email": THIEF})
    await outside.post(f"{API}/password-reset/request", json={"email": ADDRESS})
    await house.outbox.drain()
    assert len(letters(house)) == before  # neither the thief nor the former mailbox gets a way in
    assert thief["user"]["id"] in caplog.text  # the keeper is told
    # The client's threads, of earlier tests, may still be telling of houses of theirs.
    own = [one for one in caplog.records if "ostiary" in one.name and not one.name.startswith("ostiary.client")]
    assert "example" not in "".join(record.getMessage() for record in own)
    account = await house.accounts.remembered(thief["user"]["id"])
    assert account is not None
    assert account.status == "deactivated"


async def test_the_keeper_gives_the_account_back_to_the_owner_and_not_to_the_thief(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    thief, letter = await robbed(house, outside)
    await press(outside, disown_token(letter))
    outside.cookies.clear()
    account_id = thief["user"]["id"]

    await house.recovery.give_back(KEEPER, account_id, check_address(ADDRESS, house.settings.accounts.addresses))

    token = token_in(await letter_to(house, ADDRESS, "Choose a new password"))
    assert (await confirm(outside, token)).status_code == 200
    assert await try_in(outside, FRESH, ADDRESS) == 200
    assert [await try_in(outside, FRESH, THIEF), await try_in(outside, PASSWORD)] == [401, 401]
    assert len(letters(house, "Choose")) == 1
    with pytest.raises(NotClosed):
        await house.recovery.give_back(KEEPER, account_id, check_address(THIEF, house.settings.accounts.addresses))


async def test_what_the_keeper_gave_back_is_not_shut_again_by_a_letter_of_before(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """The thief's mailbox holds one for each thing that the thief did."""
    thief, letter = await robbed(house, outside)
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    await outside.post(f"{API}/password/change", json=change, headers=bearer(thief))
    own = disown_token(await letter_to(house, THIEF, "password"))
    await press(outside, disown_token(letter))
    outside.cookies.clear()
    address = check_address(ADDRESS, house.settings.accounts.addresses)
    await house.recovery.give_back(KEEPER, thief["user"]["id"], address)
    await confirm(outside, token_in(await letter_to(house, ADDRESS, "Choose a new password")))

    refused = await Browser(outside).submit("/auth/not-me", at="/auth/sign-in", token=own)
    outside.cookies.clear()

    assert refused.status_code == 404
    assert await try_in(outside, FRESH, ADDRESS) == 200
    # What happens from now on is told with a link that works.
    assert (await press(outside, disown_token(await letter_to(house, ADDRESS, "was reset")))).status_code == 200


async def test_no_account_is_given_back_to_an_address_that_is_anothers(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    thief, letter = await robbed(house, outside)
    await settled(house, outside, "ada")
    await press(outside, disown_token(letter))
    address = check_address("ada@example.org", house.settings.accounts.addresses)

    with pytest.raises(AddressTaken):
        await house.recovery.give_back(KEEPER, thief["user"]["id"], address)

    account = await house.accounts.remembered(thief["user"]["id"])
    assert account is not None
    assert (account.status, account.email) == ("deactivated", THIEF)


async def test_an_older_letter_to_the_former_address_does_not_send_the_thief_a_way_in(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """The letter told of something else; that its mailbox is not the account's any more is what counts."""
    held, letter = await alarmed(house, outside)
    change = {"email": THIEF, "current_password": NEW_PASSWORD}
    await outside.post(f"{API}/email/change", json=change, headers=bearer(held))
    await prove(house, outside, THIEF)
    before = len(letters(house, "Choose"))

    await press(outside, disown_token(letter))
    await house.outbox.drain()

    assert len(letters(house, "Choose")) == before
    assert await try_in(outside, NEW_PASSWORD) == 401


async def test_a_thief_cannot_kill_the_former_addresss_link(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """By a reset, or by disowning, from the address that was put in its place."""
    _, letter = await robbed(house, outside)
    assert (await confirm(outside, await reset_token(house, outside, THIEF))).status_code == 200
    own = disown_token(await letter_to(house, THIEF, "was reset"))
    await press(outside, own)
    outside.cookies.clear()

    answer = await press(outside, disown_token(letter))
    outside.cookies.clear()

    assert "Nobody can sign in to it now" in answer.text
    token = token_in(await letter_to(house, THIEF, "Choose a new password"))
    assert (await confirm(outside, token)).status_code == 401


async def test_a_claim_that_the_thief_has_open_falls(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held, letter = await alarmed(house, outside)
    change = {"email": THIEF, "current_password": NEW_PASSWORD}
    await outside.post(f"{API}/email/change", json=change, headers=bearer(held))
    claim = token_in(await letter_to(house, THIEF))

    await press(outside, disown_token(letter))
    outside.cookies.clear()

    assert (await outside.post(f"{API}/email/verify", json={"token": claim})).status_code == 401


async def test_a_closed_account_stays_closed(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held, letter = await alarmed(house, outside)
    async with house.database.unit() as unit:
        await house.accounts.set_status(unit, held["user"]["id"], "active", "deactivated")

    answer = await press(outside, disown_token(letter))

    assert answer.status_code == 200
    await house.outbox.drain()
    assert letters(house, "Choose") == []


async def test_a_deleted_account_has_nothing_to_disown(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held, letter = await alarmed(house, outside)
    async with house.database.unit() as unit:
        await house.accounts.delete(unit, held["user"]["id"])

    with pytest.raises(TokenSpent):
        await house.recovery.disown(CALLER, disown_token(letter))


async def test_the_keeper_is_alerted(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held, letter = await alarmed(house, outside)

    await press(outside, disown_token(letter))

    (alert,) = [found for found in await house.alerts.listed() if found.kind == "account_disowned"]
    assert (alert.account_id, alert.severity) == (held["user"]["id"], "critical")


async def test_no_browser_is_known_any_more(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held, letter = await alarmed(house, outside)
    async with house.database.unit() as unit:
        await house.protection.welcome(unit, held["user"]["id"], "somebody's")
    before = [session.device_id for session in await house.sessions.listed(held["user"]["id"]) if session.device_id]
    assert before

    await press(outside, disown_token(letter))

    async with house.database.unit() as unit:
        for device_id in (*before, "somebody's"):
            assert not await house.sessions.knows_device(unit, held["user"]["id"], device_id)
            assert not await house.protection.knows_device(unit, held["user"]["id"], device_id)


async def test_what_a_thief_taught_about_the_account_is_forgotten(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held, letter = await alarmed(house, outside)
    await login(outside, password=NEW_PASSWORD)
    outside.cookies.clear()

    async def learned() -> object:
        async with house.database.unit() as unit:
            return (await house.risk.personal(unit, held["user"]["id"]))["habits"]

    assert await learned() is not None
    await press(outside, disown_token(letter))
    assert await learned() is None
