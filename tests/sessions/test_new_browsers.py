"""Of each browser that is new to an account its owner hears, once, whatever the policy on risk weighs (R22)."""

from __future__ import annotations

import httpx
import pytest
from tests.contract.browser import DEVICE, Browser
from tests.house import API, NEW_PASSWORD, PASSWORD, OpenHouse, client_of, letter_to, register, token_in

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.registration import Application
from ostiary.wiring import Ostiary

INDIFFERENT = {"weights": {"new_device": 0, "known_device": 0, "new_network": 0}}
"""A policy to which a new browser is nothing: the letter must not depend on weights."""

pytestmark = pytest.mark.parametrize("storage", ["sqlite"], indirect=True)


async def told(house: Ostiary) -> int:
    """Return how many letters told of a new sign-in."""
    await house.outbox.drain()
    letters = house.post.letters  # type: ignore[attr-defined]
    return len([letter for letter in letters if "New sign-in" in letter.subject])


async def proven(house: Ostiary, client: httpx.AsyncClient) -> Browser:
    """Return the browser in which somebody has registered, and proven the address."""
    browser = Browser(client)
    await browser.get(f"{API}/csrf")
    body = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
    assert (await browser.post(f"{API}/register", json=body)).status_code == 201
    token = token_in(await letter_to(house, "mira@example.org"))
    assert (await browser.post(f"{API}/email/verify", json={"token": token})).status_code == 200
    return browser


@pytest.mark.parametrize("policy", [{}, INDIFFERENT], ids=["as it comes", "indifferent"])
async def test_each_new_browser_is_told_of_once_and_the_one_of_the_registration_never(
    open_house: OpenHouse, clock: ManualClock, policy: dict[str, object]
) -> None:
    house = await open_house(work=False, risk=policy)
    async with client_of(house) as client:
        first = await proven(house, client)
        for _ in range(2):
            clock.advance(days=1)
            await first.sign_in()
        assert await told(house) == 0

        second, third = Browser(client), Browser(client)
        for count, browser in enumerate((second, third), start=1):
            for _ in range(3):
                clock.advance(days=1)
                await browser.sign_in()
                assert await told(house) == count
        letter = await letter_to(house, "mira@example.org", "New sign-in")
        assert "203.0.113.7" in letter.text
        assert "/auth/not-me?token=" in letter.text


async def test_not_of_the_very_first_sign_in_to_an_account_that_the_keeper_opened(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    house = await open_house(work=False)
    async with client_of(house) as client:
        await house.registration.open(KEEPER, Application("mira", "mira@example.org", PASSWORD))
        token = token_in(await letter_to(house, "mira@example.org"))
        assert (await client.post(f"{API}/email/verify", json={"token": token})).status_code == 200
        await Browser(client).sign_in()
        assert await told(house) == 0
        clock.advance(days=100)  # nothing is left of that session but what was learned
        await house.sessions.prune()

        await Browser(client).sign_in()

        assert await told(house) == 1


async def test_after_this_was_not_me_every_browser_is_new(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(work=False)
    async with client_of(house) as client:
        browser = await proven(house, client)
        await Browser(client).sign_in()
        disown = (await letter_to(house, "mira@example.org", "New sign-in")).text
        token = disown.partition("/auth/not-me?token=")[2].split()[0]
        await Browser(client).submit("/auth/not-me", at=f"/auth/not-me?token={token}", token=token)
        await client.post(f"{API}/password-reset/request", json={"email": "mira@example.org"})
        reset = token_in(await letter_to(house, "mira@example.org", "Choose a new password"))
        answer = await client.post(f"{API}/password-reset/confirm", json={"token": reset, "new_password": NEW_PASSWORD})
        assert answer.status_code == 200
        before = await told(house)
        kept = {DEVICE: browser.cookies[DEVICE]}

        await Browser(client, kept).sign_in("mira", NEW_PASSWORD)

        assert await told(house) == before + 1


async def test_an_address_that_is_not_proven_is_not_written_to(open_house: OpenHouse) -> None:
    house = await open_house(work=False)
    async with client_of(house) as client:
        await register(client)
        await Browser(client).sign_in()

        assert await told(house) == 0
