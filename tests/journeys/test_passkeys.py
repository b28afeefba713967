"""Passkeys in a real browser, with Chromium's own virtual authenticator: added, used without a name, removed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.journeys.people import API, Device, letter_to, somebody, violations

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession
    from tests.journeys.conftest import OpenDevice

pytestmark = pytest.mark.xdist_group("browser")

WRONG = "not the battery at all"
BUTTON_ONLY = "PublicKeyCredential.isConditionalMediationAvailable = async () => false"
"""As where nothing is offered in the field: the virtual authenticator would take that before the button is pressed."""


class Key:
    """A virtual authenticator that is plugged into a device, and always touched at once."""

    def __init__(self, device: Device) -> None:
        self.cdp: CDPSession = device.context.new_cdp_session(device.page)
        self.cdp.send("WebAuthn.enable", {"enableUI": False})
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        self.id: str = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    @property
    def held(self) -> list[dict[str, Any]]:
        """What credentials are on it."""
        told: dict[str, Any] = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        found: list[dict[str, Any]] = told["credentials"]
        return found


def settle(device: Device) -> str:
    """Be somebody new with a proven address, signed in just now by password."""
    name = somebody()
    device.join(name)
    device.confirm(name)
    device.go("/auth/sign-in")
    device.sign_in(name)
    return name


def add_one(device: Device, name: str = "Blue key") -> None:
    page = device.go("/auth/passkeys")
    page.get_by_role("textbox", name="Name (optional)").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_added_and_then_signed_in_without_a_name(laptop: Device) -> None:
    laptop.context.add_init_script(BUTTON_ONLY)
    name = settle(laptop)
    Key(laptop)
    laptop.page.get_by_role("link", name="Passkeys").click()
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
    deadline = time.monotonic() + 10
    while key.held and time.monotonic() < deadline:  # signalAllAcceptedCredentials tells it, in its own time
        page.wait_for_timeout(50)
    assert key.held == []


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
