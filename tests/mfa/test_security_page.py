"""The one page on what protects an account: it says what is there, and offers what is missing."""

from __future__ import annotations

import re

import httpx
import pytest

from ostiary.core.caller import KEEPER
from ostiary.wiring import Ostiary
from tests.contract.browser import ACCESS, Browser
from tests.house import API, OpenHouse, bearer, client_of, register, strengthened
from tests.login.steps import ONE, give_codes, remembering
from tests.passkeys.steps import add, strong_owner
from tests.recovery.steps import settled
from tests.texts.steps import add as add_phone
from tests.texts.steps import offering

HERE = "/auth/security"


@pytest.fixture
def storage() -> str:
    """One will do."""
    return "sqlite"


def lines(shown: httpx.Response) -> dict[str, tuple[str, str]]:
    """Return state and button of each line, by its name."""
    found = re.findall(r"<h2>([\w ]+) <span[^>]*>([^<]+)</span></h2>(.*?)</li>", shown.text, re.DOTALL)
    button = re.compile(r"<(?:a class=\"button[^>]*|button)>([^<]+)<span")
    return {
        name: (state, next(iter(button.findall(rest)), "")) for name, state, rest in found
    }  # fmt: skip


async def test_a_stranger_is_led_to_the_door(outside: httpx.AsyncClient) -> None:
    answer = await Browser(outside).get(HERE)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/auth/sign-in?next={HERE}")


async def test_who_has_just_come_is_told_to_confirm_the_address(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await register(outside)
    browser = Browser(outside)
    await browser.sign_in()

    shown = await browser.get(HERE)

    assert lines(shown) == {
        "Email address": ("Not confirmed yet", "Confirm"),
        "Password": ("Set", "Change"),
        "Passkeys": ("None", "Add one"),
        "Authenticator app": ("None", "Set up"),
        "Recovery codes": ("Not needed", ""),
        "Sessions": ("2 devices", "Look"),
        "API keys": ("None", "Make one"),
    }
    assert "protected by its password alone" in shown.text


async def test_what_is_set_up_is_shown_and_few_codes_are_said(open_house: OpenHouse) -> None:
    house = await offering(open_house)
    async with client_of(house) as outside:
        held = await strengthened(house, await settled(house, outside))
        await add_phone(house, outside, bearer(held))
        await give_codes(house, held["user"]["id"], ONE)
        browser = Browser(outside)
        browser.cookies[ACCESS] = held["access_token"]

        shown = await browser.get(HERE)

    assert "protected by two proofs" in shown.text
    found = lines(shown)
    assert found["Authenticator app"] == ("Set up", "Look")
    assert found["Text messages"] == ("Set up", "Look")
    assert "+46 ••• 67" in shown.text
    assert found["Recovery codes"] == ("1 left", "Make new ones")


async def test_remembered_browsers_are_counted_and_asked_again(house: Ostiary, outside: httpx.AsyncClient) -> None:
    authenticator = await add(outside, await strong_owner(house, outside))
    held = await remembering(outside, authenticator)
    browser = Browser(outside)
    browser.cookies[ACCESS] = held["access_token"]
    shown = await browser.get(HERE)
    assert "well protected" in shown.text
    assert lines(shown)["Remembered browsers"] == ("1", "Ask again")
    told = (await outside.get(f"{API}/mfa", headers=bearer(held))).json()
    assert (told["strongest"], told["passkeys"], told["remembered_browsers"]) == ("phr", 1, 1)

    answer = await browser.submit("/auth/remembered-browsers/forget", at=HERE)

    assert (answer.status_code, answer.headers["location"]) == (303, HERE)
    assert "Remembered browsers" not in (await browser.get(HERE)).text


async def test_who_has_no_password_is_led_to_a_letter(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)
    async with house.database.unit(KEEPER) as unit:
        await house.passwords.forget(unit, held["user"]["id"])
    browser = Browser(outside)
    browser.cookies[ACCESS] = held["access_token"]

    shown = await browser.get(HERE)

    assert lines(shown)["Password"] == ("None", "Choose one")
    assert "Whoever reads your letters is in" in shown.text
