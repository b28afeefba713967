"""A real browser that binds its session to the device; tests/sessions/test_binding.py speaks the same by a script."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect
from tests.journeys.people import API, Device, somebody
from tests.services.chromium import BINDING_ARGUMENTS, find_binding_chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserType
    from tests.services.server_process import ServerProcess

pytestmark = pytest.mark.xdist_group("browser")

BOUND = "__Host-bound-"
REFRESH = """async (api) => (await fetch(api + "/refresh", {
    method: "POST", headers: { "X-CSRF-Token": document.cookie.match(/csrftoken=([^;]*)/)[1] } })).status"""
LEAD_TO = """(address) => {
    const link = document.createElement("a");
    link.href = address;
    link.textContent = "There";
    document.body.append(link);
}"""


@pytest.fixture(scope="module")
def binding_browser(browser_type: BrowserType) -> Iterator[Browser]:
    program = find_binding_chromium()
    if program is None:
        pytest.skip(
            "no Chromium is here that registers device-bound sessions with software keys: only a few versions do, and "
            "docs/contributing/testing.md says how to get one. tests/sessions/test_binding.py holds the same wire "
            "format by a scripted browser, everywhere."
        )
    browser = browser_type.launch(executable_path=program, chromium_sandbox=False, args=list(BINDING_ARGUMENTS))
    yield browser
    browser.close()


@pytest.fixture
def laptop(house: ServerProcess, binding_browser: Browser) -> Iterator[Device]:
    with binding_browser.new_context(locale="en-US") as context:
        device = Device(context, house)
        yield device
        assert device.complaints == []


def bound_cookies(device: Device) -> dict[str, str]:
    return {name: cookie["value"] for name, cookie in device.cookies().items() if name.startswith(BOUND)}


def eventually(device: Device, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not is_so():
        assert time.monotonic() < deadline
        device.page.wait_for_timeout(50)


def bound(device: Device, name: str) -> str:
    """Sign somebody in who binds the session; return the name of its bound cookie."""
    before = set(bound_cookies(device))
    device.go("/auth/sign-in")
    device.sign_in(name)
    eventually(device, lambda: set(bound_cookies(device)) > before)
    (found,) = set(bound_cookies(device)) - before
    return found


def run_out(device: Device) -> None:
    """Take the bound cookies away, as ten minutes do."""
    for name in bound_cookies(device):
        device.context.clear_cookies(name=name)


def test_a_stolen_cookie_dies_while_its_owner_notices_nothing(laptop: Device) -> None:
    name = somebody()
    laptop.join(name)
    laptop.context.clear_cookies()
    cookie = bound(laptop, name)
    assert laptop.page.evaluate(REFRESH, API) == 200
    stolen = {name: told["value"] for name, told in laptop.cookies().items()}
    expect(laptop.go("/auth/sessions").get_by_text("Bound to its device", exact=True)).to_be_visible()

    def as_thief(held: dict[str, str]) -> int:
        shown = "; ".join(f"{name}={value}" for name, value in held.items())
        return httpx.get(f"{laptop.house.url}{API}/me", headers={"cookie": shown}).status_code

    assert as_thief(stolen) == 200
    without = {name: value for name, value in stolen.items() if name != cookie}
    assert as_thief(without) == 401, "as every copy of ten minutes ago"
    for path in ("/auth/account", "/auth/passkeys"):
        run_out(laptop)
        laptop.go(path)
        laptop.at(path)
        assert bound_cookies(laptop)[cookie] != stolen[cookie]
    run_out(laptop)
    assert laptop.page.evaluate("api => fetch(api + '/me').then((answer) => answer.status)", API) == 200


def test_a_link_on_another_site_finds_its_owner_signed_in(laptop: Device) -> None:
    name = somebody()
    laptop.join(name)
    laptop.context.clear_cookies()
    bound(laptop, name)
    assert laptop.page.evaluate(REFRESH, API) == 200
    run_out(laptop)
    laptop.page.goto(laptop.house.url.replace("localhost", "127.0.0.1") + "/auth/signed-out")
    laptop.page.evaluate(LEAD_TO, f"{laptop.house.url}/auth/sessions")

    laptop.page.get_by_role("link", name="There").click()

    laptop.at("/auth/sessions")


def test_whoever_signs_out_and_in_again_has_one_device_and_not_two(laptop: Device) -> None:
    name = somebody()
    laptop.join(name)
    laptop.context.clear_cookies()
    first = bound(laptop, name)
    laptop.sign_out()
    assert bound_cookies(laptop) == {}
    second = bound(laptop, name)
    third = bound(laptop, name)  # without signing out
    assert len({first, second, third}) == 3
    assert laptop.page.evaluate(REFRESH, API) == 200
    run_out(laptop)

    laptop.go("/auth/sessions")

    laptop.at("/auth/sessions")
    assert set(bound_cookies(laptop)) == {third}, "the browser has given up the one before"
