"""Passkeys in a browser: Chromium's virtual authenticator, and the steps before a test can begin."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect
from tests.journeys.people import Device, somebody

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import CDPSession, Page

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


def becomes(page: Page, read: Callable[[], Any], wanted: object) -> None:
    """Wait for what a page tells its browser, which does it in its own time."""
    deadline = time.monotonic() + 10
    while read() != wanted and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert read() == wanted


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
