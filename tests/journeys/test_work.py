"""A locked name, and the work that opens it: by mouse, by keyboard, without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect
from tests.journeys.conftest import ROOMY
from tests.journeys.people import API, PASSWORD, Device, password_field, somebody, violations
from tests.services.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page
    from tests.journeys.conftest import OpenDevice

pytestmark = pytest.mark.xdist_group("browser")

EASY = {"OSTIARY_PROTECTION__CHALLENGE__DIFFICULTY": "50"}
HOLD = """
    const derive = crypto.subtle.deriveBits.bind(crypto.subtle);
    const mayGoOn = new Promise((go) => { window.goOn = go; });
    crypto.subtle.deriveBits = (...how) => mayGoOn.then(() => derive(...how));
"""
"""So that there is time to look at a page that works."""
READY = "Your browser can show that it is not a machine trying many."


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """An `ostiary dev` whose challenges are quickly solved, also on a busy machine."""
    server = ServerProcess(tmp_path_factory.mktemp("house"), command="dev", environment=ROOMY | EASY)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.close()


def lock(house: ServerProcess, name: str) -> None:
    """Have a stranger try wrong passwords until the name is locked."""
    for _ in range(7):
        answer = httpx.post(f"{house.url}{API}/login", json={"login": name, "password": "wrong"})
    assert answer.status_code == 423


def meet_the_lock(device: Device, name: str) -> Page:
    """Be somebody new on a device that nobody knows, whose name strangers have locked; be refused, and offered work."""
    page = be_refused(device, name)
    expect(page.get_by_text(READY)).to_be_visible()  # its script runs: a form sent before that brings no work
    return page


def be_refused(device: Device, name: str) -> Page:
    """Be somebody new on a device that nobody knows, whose name strangers have locked; arrive at the refusal."""
    device.join(name)
    device.context.clear_cookies()
    lock(device.house, name)
    page = device.go("/auth/sign-in")
    fill(page, name, PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".summary")).to_contain_text("Too many wrong passwords were tried for this name.")
    return page


def fill(page: Page, name: str, password: str) -> None:
    page.get_by_label("Username or email address").fill(name)
    password_field(page).fill(password)


def test_a_locked_name_opens_for_a_browser_that_works(laptop: Device) -> None:
    laptop.context.add_init_script(HOLD)
    page = meet_the_lock(laptop, somebody())
    expect(page.get_by_text("Please wait until")).to_be_hidden()
    assert violations(page) == []

    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_role("status")).to_contain_text("Your browser is working.")
    expect(page.get_by_role("progressbar")).to_be_visible()
    assert violations(page) == []
    page.evaluate("goOn()")
    laptop.at("/auth/account")


def test_a_wrong_password_costs_the_work_and_the_next_page_brings_more(laptop: Device) -> None:
    page = meet_the_lock(laptop, somebody())
    password_field(page).fill("not the right battery")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".summary")).to_contain_text("not right")
    expect(page.get_by_text(READY)).to_have_count(0)

    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text(READY)).to_be_visible()  # locked still, with other work
    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    laptop.at("/auth/account")


def test_by_keyboard_alone(laptop: Device) -> None:
    page = meet_the_lock(laptop, somebody())
    field = password_field(page)
    for _ in range(10):
        page.keyboard.press("Tab")
        if field.evaluate("(field) => field === document.activeElement"):
            break
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # impatience sends nothing twice
    laptop.at("/auth/account")


def test_a_name_that_was_changed_needs_other_work(laptop: Device) -> None:
    other = somebody()
    laptop.join(other)
    laptop.context.clear_cookies()
    page = meet_the_lock(laptop, somebody())

    fill(page, other, PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    laptop.at("/auth/account")


def test_without_scripts_the_page_says_what_to_do(open_device: OpenDevice) -> None:
    device = open_device(java_script_enabled=False)
    page = be_refused(device, somebody())

    expect(page.get_by_text("Please wait until")).to_be_visible()
    expect(page.get_by_text(READY)).to_be_hidden()
    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".summary")).to_contain_text("Too many wrong passwords")


def test_a_browser_that_cannot_work_says_so(open_device: OpenDevice) -> None:
    device = open_device()
    device.context.add_init_script("crypto.subtle.deriveBits = () => Promise.reject(new Error('no'))")
    page = meet_the_lock(device, somebody())

    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_role("status")).to_have_text("This browser could not do the work.")
    expect(page.get_by_text("Please wait until")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in", exact=True)).not_to_have_attribute("aria-disabled", "true")
