"""A locked account is opened by mail to the browser that its owner uses (R11, D5)."""

from __future__ import annotations

import asyncio

import httpx
from tests.contract.browser import DEVICE, Browser, set_cookies
from tests.house import PASSWORD, client_of, journalled, register
from tests.recovery.steps import (
    ADDRESS,
    CALLER,
    FRESH,
    confirm,
    disown_token,
    letters,
    lock,
    refuse,
    reset_token,
    settled,
    try_in,
    unlock_token,
)

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

ABOUT = "Wrong passwords"


async def locked_out(house: Ostiary, client: httpx.AsyncClient) -> str:
    """Let a stranger lock an account, and its owner be told; return the account's id."""
    held = await settled(house, client)
    async with client_of(house, "198.51.100.66") as stranger:
        for _ in range(7):
            await try_in(stranger, "not the battery at all")
    assert await try_in(client, PASSWORD) == 423
    account_id: str = held["user"]["id"]
    await lock(house, account_id)
    await house.outbox.drain()
    return account_id


async def press(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """Open the link in a browser that was never here, and press its button."""
    return await Browser(client).submit("/auth/unlock", at=f"/auth/unlock?token={token}", token=token)


async def test_the_owner_opens_the_account_and_signs_in(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await locked_out(house, outside)
    (letter,) = letters(house, ABOUT)
    assert letter.to == ADDRESS

    answer = await press(outside, unlock_token(letter))
    outside.cookies.clear()

    assert answer.status_code == 200
    assert "This browser may sign in" in answer.text
    assert DEVICE in set_cookies(answer)
    assert await try_in(outside, PASSWORD) == 200
    assert "account.unlocked" in await journalled(house)


async def test_a_door_that_refused_attempts_have_shut_is_told_of_as_well(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """Whoever has used up his address's budget elsewhere must not lock in silence, without one password checked."""
    await settled(house, outside)
    async with client_of(house, "198.51.100.66") as stranger:
        for number in range(5):
            await try_in(stranger, "not the battery at all", f"nobody-{number}")
        assert [await try_in(stranger, "not the battery at all") for _ in range(5)] == [429] * 5
    assert await try_in(outside, PASSWORD) == 429
    await house.outbox.drain()

    (letter,) = letters(house, ABOUT)
    await press(outside, unlock_token(letter))
    outside.cookies.clear()
    assert await try_in(outside, PASSWORD) == 200


async def test_five_failures_by_two_names_are_told_of_once(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    for number, name in enumerate(["mira"] * 3 + [ADDRESS] * 2):
        async with client_of(house, f"198.51.100.{number}") as stranger:
            assert await try_in(stranger, "not the battery at all", name) == 401
    assert await try_in(outside, PASSWORD) == 401, "the account's five are gone: nothing is checked"
    await house.outbox.drain()
    assert len(letters(house, ABOUT)) == 1

    for number in range(6):
        async with client_of(house, f"198.51.100.{100 + number}") as stranger:
            await try_in(stranger, "not the battery at all", ["mira", ADDRESS][number % 2])
    await house.outbox.drain()
    (letter,) = letters(house, ABOUT)
    await press(outside, unlock_token(letter))
    outside.cookies.clear()
    assert await try_in(outside, PASSWORD) == 200


async def test_the_press_alone_signs_nobody_in(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await locked_out(house, outside)
    answer = await press(outside, unlock_token(letters(house, ABOUT)[0]))
    assert {name for name in set_cookies(answer) if name != DEVICE} <= {"__Host-csrftoken"}
    outside.cookies.clear()
    assert await try_in(outside, "not the battery at all") == 401


async def test_a_browser_that_is_known_keeps_its_name(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await locked_out(house, outside)
    browser = Browser(outside)
    first = await browser.submit("/auth/unlock", at="/auth/sign-in", token=unlock_token(letters(house, ABOUT)[0]))
    await lock(house, (await _mira(house)))
    await house.outbox.drain()
    second = await browser.submit("/auth/unlock", at="/auth/sign-in", token=unlock_token(letters(house, ABOUT)[0]))
    assert (first.status_code, second.status_code) == (200, 200)
    assert set_cookies(first)[DEVICE].value == set_cookies(second)[DEVICE].value


async def _mira(house: Ostiary) -> str:
    async with house.database.unit() as unit:
        return await house.accounts.find_by_login(unit, "mira") or ""


async def test_looking_opens_nothing(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await locked_out(house, outside)
    token = unlock_token(letters(house, ABOUT)[0])
    for method in ("GET", "HEAD", "GET"):
        answer = await outside.request(method, f"/auth/unlock?token={token}")
        assert answer.status_code == 200
        assert answer.headers.get_list("referrer-policy") == ["strict-origin"]
        assert DEVICE not in set_cookies(answer)
    assert await try_in(outside, PASSWORD) == 423

    assert (await press(outside, token)).status_code == 200


async def test_a_link_works_once_for_an_hour_and_not_after_a_reset(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    account_id = await locked_out(house, outside)
    token = unlock_token(letters(house, ABOUT)[0])
    clock.advance(minutes=60, milliseconds=-1)
    assert (await press(outside, token)).status_code == 200
    assert (await outside.get(f"/auth/unlock?token={token}")).status_code == 404

    for spoil in ("age", "reset"):
        outside.cookies.clear()
        clock.advance(hours=1)
        await lock(house, account_id)
        await house.outbox.drain()
        token = unlock_token(letters(house, ABOUT)[0])
        if spoil == "age":
            clock.advance(hours=1)
        else:
            assert (await confirm(outside, await reset_token(house, outside))).status_code == 200
        answer = await Browser(outside).submit("/auth/unlock", at="/auth/sign-in", token=token)
        assert answer.status_code == 404, spoil
    assert (await journalled(house)).count("account.unlock_refused") == 2


async def test_of_many_presses_at_once_one_counts(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await locked_out(house, outside)
    token = unlock_token(letters(house, ABOUT)[0])

    outcomes = await asyncio.gather(*(house.recovery.unlock(CALLER, token) for _ in range(10)), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["TokenSpent"] * 9 + ["str"]


async def test_one_lock_is_one_letter_however_often_it_is_told(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    account_id = await locked_out(house, outside)
    for _ in range(20):
        await lock(house, account_id)
        clock.advance(seconds=1)
    await house.outbox.drain()
    assert len(letters(house, ABOUT)) == 1
    assert (await confirm(outside, await reset_token(house, outside))).status_code == 200  # and no mailbox is full

    clock.advance(minutes=30)
    await lock(house, account_id)
    await house.outbox.drain()
    assert len(letters(house, ABOUT)) == 2


async def test_a_lock_that_is_told_by_many_at_once_is_one_letter(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)
    for moment in range(5):
        payload = {"kind": "account_locked", "account_id": held["user"]["id"], "when": 1, "admitted": f"number{moment}"}
        async with house.database.unit() as unit:
            unit.later("letter", **payload)
    await house.outbox.drain()  # side by side
    assert len(letters(house, ABOUT)) == 1


async def test_a_letter_that_could_not_be_sent_is_sent_again(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    """The one letter of a lock is not lost because its first attempt had made a link already."""
    held = await settled(house, outside)
    deliver, failures = house.post.deliver, [ConnectionRefusedError] * 6

    async def failing(letter: object) -> None:
        if failures:
            raise failures.pop()
        await deliver(letter)  # type: ignore[arg-type]

    house.post.deliver = failing  # type: ignore[method-assign]
    await lock(house, held["user"]["id"])
    for _ in range(8):
        await house.outbox.drain()
        clock.advance(minutes=1)

    (letter,) = letters(house, ABOUT)
    assert (await press(outside, unlock_token(letter))).status_code == 200


async def test_only_a_living_account_with_a_proven_address_is_written_to(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    closed, unproven = await settled(house, outside), await register(outside, "eve")
    async with house.database.unit() as unit:
        await house.accounts.set_status(unit, closed["user"]["id"], "active", "deactivated")
    for account_id in (closed["user"]["id"], unproven["user"]["id"], "no such account"):
        await lock(house, account_id)
    await house.outbox.drain()
    assert letters(house, ABOUT) == []


async def test_a_refused_sign_in_leads_to_letting_in_or_to_disowning(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    held = await settled(house, outside)
    await refuse(house, held["user"]["id"])
    await house.outbox.drain()
    (letter,) = letters(house, "We refused a sign-in")
    assert "Firefox on Linux" in letter.text
    assert "203.0.113.7" in letter.text

    assert (await press(outside, unlock_token(letter))).status_code == 200
    outside.cookies.clear()
    assert await try_in(outside, PASSWORD) == 200

    token = disown_token(letter)
    answer = await Browser(outside).submit("/auth/not-me", at=f"/auth/not-me?token={token}", token=token)
    assert answer.status_code == 200
    assert await try_in(outside, PASSWORD) == 401


async def test_refused_sign_ins_fill_no_mailbox(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)  # whose letter counted, too
    for _ in range(10):
        await refuse(house, held["user"]["id"])
    await house.outbox.drain()
    assert len(letters(house, "We refused a sign-in")) == 4


async def test_a_reset_makes_the_browser_known_as_well(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await locked_out(house, outside)
    token = await reset_token(house, outside)
    answer = await Browser(outside).submit(
        "/auth/reset", at=f"/auth/reset?token={token}", token=token, new_password=FRESH
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/auth/sign-in?reason=password-changed"
    assert DEVICE in set_cookies(answer)
