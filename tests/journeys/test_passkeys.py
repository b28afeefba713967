"""Passkeys in a real browser, with Chromium's own virtual authenticator: added, used without a name, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.journeys.people import API, Device, letter_to, somebody, violations
from tests.journeys.virtual_keys import BUTTON_ONLY, Key, add_one, becomes, settle

if TYPE_CHECKING:
    from tests.journeys.conftest import OpenDevice

pytestmark = pytest.mark.xdist_group("browser")

WRONG = "not the battery at all"


def test_added_and_then_signed_in_without_a_name(laptop: Device) -> None:
    laptop.context.add_init_script(BUTTON_ONLY)
    name = settle(laptop)
    Key(laptop)
    laptop.page.get_by_role("link", name="Security", exact=True).click()
    laptop.page.get_by_role("link", name="Add one passkeys").click()
    laptop.at("/auth/passkeys")
    add_one(laptop)
    assert violations(laptop.page) == []
    assert "Blue key" in letter_to(laptop.house, name, "passkey was added")["text"]
    laptop.sign_out()

    page = laptop.go("/auth/sign-in")
    button = page.get_by_role("button", name="Sign in with a passkey")
    expect(button).to_be_visible()
    assert violations(page) == []
    button.click()

    laptop.at("/auth/account")
    expect(page.locator("main")).to_contain_text(name)
    laptop.go("/auth/passkeys")
    expect(page.locator("main")).to_contain_text("Last used")


def test_a_new_name_reaches_the_browsers_own_list(laptop: Device) -> None:
    laptop.context.add_init_script(BUTTON_ONLY)
    name = settle(laptop)
    key = Key(laptop)
    add_one(laptop)
    assert key.held[0]["userDisplayName"] == name
    page = laptop.go("/auth/account")
    page.get_by_role("textbox", name="Full name").fill("Mira Novak")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Your profile is saved.")
    laptop.sign_out()

    laptop.go("/auth/sign-in").get_by_role("button", name="Sign in with a passkey").click()
    laptop.at("/auth/account")

    becomes(page, lambda: [one["userDisplayName"] for one in key.held], ["Mira Novak"])


def test_what_a_faulty_authenticator_shows_opens_nothing(laptop: Device) -> None:
    laptop.context.add_init_script(BUTTON_ONLY)
    settle(laptop)
    key = Key(laptop)
    add_one(laptop)
    laptop.sign_out()

    for fault in ("isBogusSignature", "isBadUV", "isBadUP"):
        key.cdp.send("WebAuthn.setResponseOverrideBits", {"authenticatorId": key.id, fault: True})
        page = laptop.go("/auth/sign-in")
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_text("This passkey does not open an account here.")).to_be_visible()

    laptop.said.clear()  # the refusals stand in the console as well
    assert "__Host-sessionid" not in laptop.cookies()


def test_whoever_is_not_verified_shows_nothing(laptop: Device) -> None:
    laptop.context.add_init_script(BUTTON_ONLY)
    settle(laptop)
    key = Key(laptop)
    add_one(laptop)
    laptop.sign_out()
    key.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": key.id, "isUserVerified": False})

    page = laptop.go("/auth/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.get_by_text("No passkey was shown.")).to_be_visible()


def test_a_copy_of_an_authenticator_is_found_by_its_count(laptop: Device) -> None:
    laptop.context.add_init_script(BUTTON_ONLY)
    name = settle(laptop)
    key = Key(laptop)
    add_one(laptop)
    (copy,) = key.held
    for _ in range(2):
        laptop.sign_out()
        laptop.go("/auth/sign-in").get_by_role("button", name="Sign in with a passkey").click()
        laptop.at("/auth/account")
    laptop.sign_out()
    key.cdp.send("WebAuthn.removeCredential", {"authenticatorId": key.id, "credentialId": copy["credentialId"]})
    key.cdp.send("WebAuthn.addCredential", {"authenticatorId": key.id, "credential": copy})

    page = laptop.go("/auth/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.get_by_text("This passkey does not open an account here.")).to_be_visible()
    laptop.said.clear()  # the refusal stands in the console as well
    assert "two of one security key" in letter_to(laptop.house, name, "refused a passkey")["text"]


def test_offered_in_the_field_for_the_name(laptop: Device) -> None:
    settle(laptop)
    Key(laptop)
    add_one(laptop)
    laptop.sign_out()

    laptop.go("/auth/sign-in?next=/auth/sessions")

    laptop.at("/auth/sessions")  # the virtual authenticator takes the first offer there is


def test_strangers_lock_the_name_and_the_owner_is_in_all_the_same(laptop: Device, open_device: OpenDevice) -> None:
    laptop.context.add_init_script(BUTTON_ONLY)
    name = settle(laptop)
    Key(laptop)
    add_one(laptop)
    laptop.sign_out()
    stranger = open_device()
    url = f"{laptop.house.url}{API}/login"
    said = [stranger.context.request.post(url, data={"login": name, "password": WRONG}).status for _ in range(7)]
    assert said[-1] == 423

    page = laptop.go("/auth/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()

    laptop.at("/auth/account")


def test_renamed_and_removed_and_forgotten_by_the_browser(laptop: Device) -> None:
    name = settle(laptop)
    key = Key(laptop)
    add_one(laptop)
    assert len(key.held) == 1
    page = laptop.page

    page.get_by_text("Rename Blue key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("Desk key")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Desk key")).to_be_visible()
    page.get_by_role("button", name="Remove Desk key").click()
    laptop.at("/auth/step-up")  # an account with a passkey asks for it where it matters
    page.get_by_role("button", name="Show your passkey").click()
    laptop.at("/auth/passkeys")
    page.get_by_role("button", name="Remove Desk key").click()

    expect(page.get_by_text("No passkey yet.")).to_be_visible()
    assert "Desk key" in letter_to(laptop.house, name, "passkey was removed")["text"]
    becomes(page, lambda: key.held, [])


def test_without_scripts_the_pages_say_what_to_do(open_device: OpenDevice) -> None:
    device = open_device(java_script_enabled=False)
    name = somebody()
    device.join(name)
    page = device.go("/auth/sign-in")
    expect(page.get_by_text("A passkey needs scripts.")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    device.sign_in(name)

    device.go("/auth/passkeys")

    expect(page.get_by_text("A passkey is made by your browser, with scripts.")).to_be_visible()
    expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()


def test_an_address_that_is_not_confirmed_is_said(laptop: Device) -> None:
    name = somebody()
    laptop.join(name)
    laptop.go("/auth/sign-in")
    laptop.sign_in(name)
    Key(laptop)
    page = laptop.go("/auth/passkeys")

    page.get_by_role("button", name="Add a passkey").click()

    expect(page.get_by_text("Please confirm your address first.")).to_be_visible()
    laptop.said.clear()  # the refusal stands in the console as well
