"""People who leave: they take their data along, close the account, and some of them change their mind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.journeys.people import PASSWORD, PHONE, Device, letter_to, link_in, password_field, somebody, violations

if TYPE_CHECKING:
    from tests.journeys.conftest import OpenDevice

pytestmark = pytest.mark.xdist_group("browser")

SMALL = {"width": 390, "height": 844}


def settle(laptop: Device) -> str:
    """Be somebody new with a proven address, signed in on the laptop."""
    name = somebody()
    laptop.join(name)
    laptop.confirm(name)
    return name


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_somebody_takes_their_data_leaves_and_comes_back(open_device: OpenDevice, *, scripts: bool) -> None:
    laptop = open_device(java_script_enabled=scripts)
    phone = open_device(java_script_enabled=scripts, user_agent=PHONE, viewport=SMALL)
    name = settle(laptop)
    page = laptop.go("/auth/account")
    if scripts:
        assert violations(page) == []
    with page.expect_download() as download:
        page.get_by_role("button", name="Download my data").click()
    assert download.value.suggested_filename == "ostiary-account.json"
    assert json.loads(Path(download.value.path()).read_text())["account"]["username"] == name
    letter_to(laptop.house, name, "copy of your data")

    page.get_by_role("link", name="Erase my account").click()
    expect(page.get_by_role("main")).to_contain_text("Nobody can bring it back")
    if scripts:
        assert violations(page) == []
    page.get_by_role("link", name="Go on").click()
    expect(page.locator("[autocomplete=username]")).to_have_value(name)  # for password managers
    field = page.get_by_role("textbox", name="Your password")
    field.fill("not the battery at all")
    page.get_by_role("button", name="Close and erase my account").click()
    expect(page.locator(".summary")).to_be_visible()
    field.fill(PASSWORD)
    if scripts:
        assert violations(page) == []
    page.get_by_role("button", name="Close and erase my account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account is closed")
    laptop.go("/auth/account")
    laptop.at("/auth/sign-in")

    page = phone.page
    link = link_in(letter_to(phone.house, name, "will be erased"), "keep")
    for _ in range(2):  # a mail scanner, a second tab
        assert phone.context.request.get(link).status == 200
    page.goto(link)
    expect(page.get_by_role("main")).to_contain_text(name)
    if scripts:
        assert violations(page) == []
    page.get_by_role("button", name="Keep my account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account is kept")
    page.get_by_role("link", name="Sign in").click()
    phone.sign_in(name)
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link no longer works")


def test_a_sign_in_of_the_morning_is_not_enough_to_leave_in_the_evening(laptop: Device) -> None:
    """Asked by its page alone: no test waits for ten minutes, and `tests/login` turns the clock."""
    name = somebody()
    laptop.join(name)
    laptop.go("/auth/sign-in")
    laptop.sign_in(name)
    page = laptop.go("/auth/step-up?next=/auth/account/erase")
    expect(page.get_by_role("main")).to_contain_text("What you asked for is grave.")
    assert violations(page) == []

    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Go on with the password").click()

    laptop.at("/auth/account/erase")
    expect(page.get_by_role("main")).to_contain_text("Your address is not confirmed")
