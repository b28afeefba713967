"""Every page in each of its states, light and dark, wide and narrow.

Set `OSTIARY_SCREENSHOTS` to a folder to keep a picture of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect
from tests.journeys.people import (
    NEW_PASSWORD,
    PASSWORD,
    PHONE,
    Device,
    address_of,
    keep_picture,
    letter_to,
    letters,
    link_in,
    password_field,
    pictures_are_wanted,
    somebody,
    violations,
)

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize
    from tests.journeys.conftest import OpenDevice

pytestmark = pytest.mark.xdist_group("browser")

WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 390, "height": 844}
LINKS = """[...document.querySelectorAll("a:not([href^='#'])")].map((link) => link.href)"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def _look(device: Device, name: str) -> None:
    """Look at the page as it stands: axe is content, nothing scrolls sideways, and every link leads somewhere."""
    _follow_links(device)
    _show(device, WIDE, "light")
    assert violations(device.page) == [], name
    _show(device, NARROW, "dark")
    assert violations(device.page) == [], name
    assert device.page.evaluate(OVERFLOW) == 0, name
    if pictures_are_wanted():
        for size in (WIDE, NARROW):
            for scheme in ("light", "dark"):
                _show(device, size, scheme)
                keep_picture(device.page, f"{name}-{size['width']}-{scheme}")


def _follow_links(device: Device) -> None:
    for address in device.page.evaluate(LINKS):
        if address not in device.followed and "/auth/confirm?" not in address:
            device.followed.add(address)
            assert device.context.request.get(address).status == 200, f"{address} at {device.page.url}"


def _show(device: Device, size: ViewportSize, scheme: Literal["light", "dark"]) -> None:
    device.page.set_viewport_size(size)
    device.page.emulate_media(color_scheme=scheme)


def _press(device: Device, button: str) -> None:
    device.page.get_by_role("button", name=button, exact=button == "Sign in").click()


def test_an_empty_mailbox(laptop: Device) -> None:
    assert letters(laptop.house) == []  # the first test of this module: nobody has registered yet
    laptop.go("/dev/mailbox")
    expect(laptop.page.get_by_text("No letter yet.")).to_be_visible()
    _look(laptop, "mailbox-empty")


def test_pages_for_people_outside(laptop: Device) -> None:
    page = laptop.go("/auth/sign-in")
    _look(laptop, "sign-in")
    laptop.go("/auth/sign-in?reason=signed-out")
    _look(laptop, "sign-in-after-sign-out")
    page.get_by_label("Username or email address").fill("nobody")
    password_field(page).fill("nothing")
    _press(laptop, "Sign in")
    expect(page.locator(".summary")).to_be_visible()
    _look(laptop, "sign-in-refused")

    laptop.go("/auth/register")
    _look(laptop, "register")
    password_field(page).fill("qwertyuiop")
    expect(page.locator(".words")).to_contain_text("Not accepted yet")
    _look(laptop, "register-weak-password")
    password_field(page).fill(PASSWORD)
    expect(page.locator(".words")).to_contain_text("password")
    expect(page.locator(".words")).not_to_contain_text("Not accepted")
    _look(laptop, "register-good-password")
    _press(laptop, "Create account")
    expect(page.locator(".summary")).to_be_visible()
    _look(laptop, "register-refused")

    laptop.go("/auth/signed-out")
    _look(laptop, "signed-out")
    laptop.go("/auth/no-such-page")
    _look(laptop, "problem-not-found")
    laptop.go("/auth/confirm?token=spent")
    _look(laptop, "confirm-spent")
    laptop.context.clear_cookies()
    with page.expect_response("**/passkeys/sign-in/begin"):  # the page asks by itself, while it has its cookies
        laptop.go("/auth/sign-in")
    laptop.context.clear_cookies()
    _press(laptop, "Sign in")
    expect(page.get_by_role("heading", level=1)).to_contain_text("grown old")
    _look(laptop, "problem-stale-form")


def test_pages_between_registration_and_the_account(open_device: OpenDevice) -> None:
    laptop, stranger, name = open_device(), open_device(), somebody()
    laptop.register(name)
    _look(laptop, "check-mail")
    laptop.go("/auth/account")
    _look(laptop, "account-not-confirmed")
    _press(laptop, "Send the letter again")
    expect(laptop.page.get_by_role("status")).to_be_visible()
    _look(laptop, "account-letter-sent")

    letter = letter_to(laptop.house, name, "Confirm")
    laptop.go("/dev/mailbox")
    _look(laptop, "mailbox")
    laptop.page.get_by_role("link", name=address_of(name)).first.click()
    expect(laptop.page.get_by_role("heading", level=1)).to_have_text(letter["subject"])
    _look(laptop, "mailbox-letter")

    stranger.page.goto(link_in(letter_to(laptop.house, name, "Confirm")))
    _look(stranger, "confirm")
    _press(stranger, "Confirm this address")
    expect(stranger.page.get_by_role("link", name="Sign in")).to_be_visible()
    _look(stranger, "confirmed-outside")
    laptop.go("/auth/account")
    _look(laptop, "account-confirmed")


def test_pages_of_the_account(open_device: OpenDevice) -> None:
    laptop, phone, name = open_device(), open_device(user_agent=PHONE), somebody()
    laptop.join(name)
    laptop.confirm(name)
    _look(laptop, "confirmed-inside")
    page = laptop.go("/auth/account")
    page.get_by_label("Full name").fill("Mira Lindqvist")
    _press(laptop, "Save")
    expect(page.get_by_role("status")).to_be_visible()
    _look(laptop, "account-saved")
    page.get_by_text("Change the address").click()
    _look(laptop, "account-change-address")
    page.get_by_label("New email address").fill("nowhere")
    _press(laptop, "Send the confirmation letter")
    expect(page.locator(".summary")).to_be_visible()
    _look(laptop, "account-change-address-refused")

    laptop.go("/auth/sessions")
    _look(laptop, "sessions-alone")
    phone.go("/auth/sign-in")
    phone.sign_in(name)
    laptop.go("/auth/sessions")
    _look(laptop, "sessions-others")

    laptop.go("/auth/password")
    _look(laptop, "password")
    page.get_by_role("textbox", name="New password").fill("mira")
    expect(page.locator(".words")).to_contain_text("Not accepted yet")
    _look(laptop, "password-weak")
    _press(laptop, "Change password")
    expect(page.locator(".summary")).to_be_visible()
    _look(laptop, "password-refused")
    page.get_by_role("textbox", name="Current password").fill(PASSWORD)
    page.get_by_role("textbox", name="New password").fill(NEW_PASSWORD)
    _press(laptop, "Change password")
    expect(page.get_by_role("status")).to_be_visible()
    _look(laptop, "password-changed")
