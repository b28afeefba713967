"""People who come back: a forgotten password, somebody else in the account, a lock that strangers caused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.journeys.people import (
    API,
    NEW_PASSWORD,
    PASSWORD,
    PHONE,
    Device,
    address_of,
    letter_to,
    link_in,
    password_field,
    somebody,
    violations,
)

if TYPE_CHECKING:
    from tests.journeys.conftest import OpenDevice

pytestmark = pytest.mark.xdist_group("browser")

SMALL = {"width": 390, "height": 844}
FRESH = "seven lanterns over Uppsala"
WRONG = "not the battery at all"


def settle(laptop: Device) -> str:
    """Be somebody new with a proven address, signed in on the laptop."""
    name = somebody()
    laptop.join(name)
    laptop.confirm(name)
    return name


def knock(device: Device, name: str, password: str) -> int:
    """Try to sign in from elsewhere, without the pages."""
    answer = device.context.request.post(f"{device.house.url}{API}/login", data={"login": name, "password": password})
    return answer.status


def refused(device: Device, name: str, password: str) -> None:
    """Fill in the sign-in form with what does not open the account."""
    device.go("/auth/sign-in")
    device.page.get_by_label("Username or email address").fill(name)
    password_field(device.page).fill(password)
    device.page.get_by_role("button", name="Sign in", exact=True).click()
    expect(device.page.locator(".summary")).to_contain_text("The name or the password is not right.")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_forgotten_password_from_the_letter_to_signed_in(open_device: OpenDevice, *, scripts: bool) -> None:
    laptop, phone = open_device(), open_device(java_script_enabled=scripts, user_agent=PHONE, viewport=SMALL)
    name = settle(laptop)
    page = phone.go("/auth/sign-in")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email address").fill(address_of(name))
    page.get_by_role("button", name="Send the letter").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your mail")
    assert address_of(name) not in page.url

    page.goto(link_in(letter_to(phone.house, name, "Choose a new password"), "reset"))
    expect(page.get_by_role("main")).to_contain_text(name)
    expect(page.locator("[autocomplete=username]")).to_have_value(name)  # for password managers
    field = page.get_by_role("textbox", name="New password")
    field.fill(name)
    if scripts:
        expect(page.locator(".words")).to_contain_text("Not accepted yet")
        assert violations(page) == []
    page.get_by_role("button", name="Change password").click()
    expect(page.locator(".summary")).to_be_visible()
    field.fill(FRESH)
    page.get_by_role("button", name="Change password").click()
    phone.at("/auth/sign-in")
    expect(page.get_by_role("status")).to_have_text("Your password is changed. Sign in with the new one.")
    phone.sign_in(name, FRESH)

    laptop.go("/auth/account")
    laptop.at("/auth/sign-in")  # its session has ended
    assert "Safari on iOS" in letter_to(phone.house, name, "was reset")["text"]


def test_a_link_that_was_used_leads_to_a_new_one(laptop: Device) -> None:
    name = settle(laptop)
    page = laptop.go("/auth/forgot")
    page.get_by_label("Email address").fill(address_of(name))
    page.get_by_role("button", name="Send the letter").click()
    link = link_in(letter_to(laptop.house, name, "Choose a new password"), "reset")
    for _ in range(2):  # a mail scanner, a second tab
        assert laptop.context.request.get(link).status == 200
    page.goto(link)
    page.get_by_role("textbox", name="New password").fill(FRESH)
    page.get_by_role("button", name="Change password").click()
    laptop.at("/auth/sign-in")

    page.goto(link)

    expect(page.get_by_role("heading", level=1)).to_have_text("This link no longer works")
    assert violations(page) == []
    page.get_by_role("link", name="Ask for a new letter").click()
    laptop.at("/auth/forgot")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_the_owner_throws_a_thief_out_from_a_phone_that_was_never_here(
    open_device: OpenDevice, *, scripts: bool
) -> None:
    thief, phone = open_device(), open_device(java_script_enabled=scripts, user_agent=PHONE, viewport=SMALL)
    name = settle(thief)  # whoever knows the password is inside, and changes it
    page = thief.go("/auth/password")
    page.get_by_role("textbox", name="Current password").fill(PASSWORD)
    page.get_by_role("textbox", name="New password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Change password").click()
    thief.at("/auth/account")

    page = phone.page
    page.goto(link_in(letter_to(phone.house, name, "password"), "not-me"))
    expect(page.get_by_role("heading", level=1)).to_have_text("This wasn't you?")
    expect(page.get_by_role("main")).to_contain_text("Every device is signed out at once")
    if scripts:
        assert violations(page) == []
    page.get_by_role("button", name="This wasn't me").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account is shut")

    thief.go("/auth/account")
    thief.at("/auth/sign-in")
    refused(thief, name, NEW_PASSWORD)
    refused(thief, name, PASSWORD)
    page.goto(link_in(letter_to(phone.house, name, "Choose a new password"), "reset"))
    page.get_by_role("textbox", name="New password").fill(FRESH)
    page.get_by_role("button", name="Change password").click()
    phone.at("/auth/sign-in")
    phone.sign_in(name, FRESH)
    refused(thief, name, NEW_PASSWORD)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_an_owner_whom_strangers_locked_out_comes_in_by_mail(open_device: OpenDevice, *, scripts: bool) -> None:
    stranger, phone = open_device(), open_device(java_script_enabled=scripts, user_agent=PHONE, viewport=SMALL)
    name = settle(stranger)
    stranger.context.clear_cookies()
    assert [knock(stranger, name, WRONG) for _ in range(7)][-1] == 423

    page = phone.page
    page.goto(link_in(letter_to(phone.house, name, "Wrong passwords"), "unlock"))
    expect(page.get_by_role("main")).to_contain_text(name)
    if scripts:
        assert violations(page) == []
    page.get_by_role("button", name="Let this browser in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This browser may sign in")
    page.get_by_role("link", name="Sign in").click()
    phone.sign_in(name)
