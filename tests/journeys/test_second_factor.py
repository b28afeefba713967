"""A passkey after a password, in a real browser: asked for, remembered, and asked for again where it matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.journeys.people import PASSWORD, Device, password_field, violations
from tests.journeys.virtual_keys import BUTTON_ONLY, Key, add_one, settle

if TYPE_CHECKING:
    from tests.journeys.conftest import OpenDevice

pytestmark = pytest.mark.xdist_group("browser")


def with_password(device: Device, name: str) -> None:
    """Fill in the sign-in form, and wait for whatever comes next."""
    device.page.get_by_label("Username or email address").fill(name)
    password_field(device.page).fill(PASSWORD)
    device.page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_passkey_after_the_password_a_browser_remembered_and_a_step_up(laptop: Device) -> None:
    laptop.context.add_init_script(BUTTON_ONLY)
    name, page = settle(laptop), laptop.page
    Key(laptop)
    add_one(laptop)
    laptop.sign_out()

    laptop.go("/auth/sign-in?next=/auth/sessions")
    with_password(laptop, name)
    expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
    ask = page.get_by_role("button", name="Show your passkey")
    expect(ask).to_be_visible()
    assert violations(page) == []
    page.get_by_label("Do not ask this browser for 30 days").check()
    ask.click()
    laptop.at("/auth/sessions")
    laptop.go("/auth/password")  # shown just now, and as strong as can be
    laptop.at("/auth/password")
    laptop.sign_out()

    laptop.go("/auth/sign-in")
    with_password(laptop, name)
    laptop.at("/auth/account")  # remembered: not asked; but the password alone changes nothing that matters
    laptop.go("/auth/password")
    laptop.at("/auth/step-up")
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it you?")
    assert violations(page) == []
    page.get_by_role("button", name="Show your passkey").click()
    laptop.at("/auth/password")

    laptop.go("/auth/passkeys")
    page.get_by_role("button", name="Remove Blue key").click()
    expect(page.get_by_text("No passkey yet.")).to_be_visible()


def test_without_scripts_the_step_says_what_it_needs(laptop: Device, open_device: OpenDevice) -> None:
    name = settle(laptop)
    Key(laptop)
    add_one(laptop)
    plain = open_device(java_script_enabled=False)
    plain.go("/auth/sign-in")

    with_password(plain, name)

    expect(plain.page.get_by_text("A passkey needs scripts")).to_be_visible()
    expect(plain.page.get_by_role("button", name="Show your passkey")).to_be_hidden()
