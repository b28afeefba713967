"""People who sign in by a letter: where they asked, on another device, and by the code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.journeys.people import PHONE, Device, address_of, letter_to, link_in, somebody, violations

if TYPE_CHECKING:
    from tests.journeys.conftest import OpenDevice

pytestmark = pytest.mark.xdist_group("browser")

SMALL = {"width": 390, "height": 844}


def settled(device: Device) -> str:
    """Be somebody new with a proven address, signed out."""
    name = somebody()
    device.join(name)
    device.confirm(name)
    device.context.clear_cookies()
    return name


def asked(device: Device, name: str, *, heading_for: str = "/auth/account") -> dict[str, str]:
    """Ask for a letter on the sign-in page, and return it."""
    page = device.go(heading_for)
    device.at("/auth/sign-in")
    page.get_by_role("link", name="Sign in with a link by mail").click()
    device.at("/auth/link")
    page.get_by_label("Email address").fill(address_of(name))
    page.get_by_role("button", name="Send the letter").click()
    device.at("/auth/link/sent")
    assert address_of(name) not in page.url
    return letter_to(device.house, name, "Sign in to")


def code_in(letter: dict[str, str]) -> str:
    found = re.search(r"^[0-9A-Z]{4}-[0-9A-Z]{4}$", letter["text"], re.MULTILINE)
    assert found, letter["text"]
    return found[0]


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_one_press_where_it_was_asked_for(open_device: OpenDevice, *, scripts: bool) -> None:
    laptop = open_device(java_script_enabled=scripts)
    name = settled(laptop)
    page = laptop.page
    letter = asked(laptop, name, heading_for="/auth/sessions")
    if scripts:
        assert violations(page) == []
    link = link_in(letter, "magic-link")
    for _ in range(2):  # a mail scanner
        assert laptop.context.request.get(link).status == 200
        assert laptop.context.request.head(link).status == 200

    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.get_by_role("main")).to_contain_text(name)
    if scripts:
        assert violations(page) == []
    page.get_by_role("button", name="Sign in").click()

    laptop.at("/auth/sessions")  # where its visitor was heading
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link no longer works")
    if scripts:
        assert violations(page) == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_another_device_says_first_what_it_will_sign_in(open_device: OpenDevice, *, scripts: bool) -> None:
    laptop, phone = open_device(), open_device(java_script_enabled=scripts, user_agent=PHONE, viewport=SMALL)
    name = settled(laptop)
    letter = asked(laptop, name)

    page = phone.page
    page.goto(link_in(letter, "magic-link"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in here?")
    main = page.get_by_role("main")
    expect(main).to_contain_text("Chrome on Linux")
    expect(main).to_contain_text("mi•••")
    expect(main).not_to_contain_text(name)
    if scripts:
        assert violations(page) == []
    page.get_by_role("button", name="Yes, sign in here").click()

    phone.at("/auth/account")
    expect(page.get_by_role("main")).to_contain_text(name)
    laptop.go("/auth/account")
    laptop.at("/auth/sign-in")  # the browser that asked is not signed in by another


def test_the_code_is_typed_where_it_was_asked_for(laptop: Device) -> None:
    name = settled(laptop)
    letter = asked(laptop, name)
    page = laptop.page
    field = page.get_by_label("Code", exact=True)
    field.fill("AAAA-AAAA")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".summary")).to_contain_text("This code is not right")
    assert violations(page) == []

    field.fill(code_in(letter).lower())
    page.get_by_role("button", name="Sign in").click()

    laptop.at("/auth/account")
    expect(page.get_by_role("main")).to_contain_text(name)
