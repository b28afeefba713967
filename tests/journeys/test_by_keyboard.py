from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.journeys.people import NEW_PASSWORD, PASSWORD, Device, somebody

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from tests.journeys.conftest import OpenDevice

pytestmark = pytest.mark.xdist_group("browser")

# How the focused element is drawn, and how it is drawn as soon as the focus leaves it.
RINGS = r"""() => {
    const focused = document.activeElement;
    const drawn = () => { const s = getComputedStyle(focused); return [s.outlineStyle, parseFloat(s.outlineWidth)]; };
    const name = focused.ariaLabel ?? focused.labels?.[0]?.innerText ?? focused.innerText ?? "";
    const box = focused.getBoundingClientRect();
    const seen = box.top >= 0 && box.bottom <= innerHeight && box.width > 0;
    const ring = drawn();
    focused.blur();
    const bare = drawn();
    focused.focus({ focusVisible: true, preventScroll: true });
    return { name: name.trim().replace(/\s+/g, " "), ring, bare, seen, tag: focused.tagName };
}"""


def _tab_to(page: Page, name: str) -> list[str]:
    """Press Tab until the focus is on what is called `name`; every stop on the way is seen, and drawn with a ring."""
    stops: list[str] = []
    page.wait_for_load_state()  # before that there is no style, and no button that a script shows
    while len(stops) < 20:
        page.keyboard.press("Tab")
        at: dict[str, Any] = page.evaluate(RINGS)
        stops.append(at["name"])
        assert at["tag"] != "BODY", stops
        assert at["seen"], stops
        assert at["ring"][0] == "solid", stops
        assert at["ring"][1] >= 2, stops
        assert at["ring"] != at["bare"], stops
        if at["name"].startswith(name):
            return stops
    raise AssertionError(f"no {name} among {stops}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_signing_in_and_out_needs_no_more_than_tab_and_enter(open_device: OpenDevice, scheme: str) -> None:
    device, name = open_device(color_scheme=scheme), somebody()
    device.join(name)
    device.context.clear_cookies()
    page = device.go("/auth/sign-in")

    assert _tab_to(page, "Username or email address")[0] == "Skip to the content"
    page.keyboard.type(name)
    _tab_to(page, "Password")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.locator(".summary")).to_be_focused()

    assert _tab_to(page, "Username or email address") == ["Username or email address"]  # straight back to work
    _tab_to(page, "Password")
    page.keyboard.type(PASSWORD)
    _tab_to(page, "Show password")
    _tab_to(page, "Sign in")
    page.keyboard.press("Enter")
    device.at("/auth/account")

    stops = _tab_to(page, "Sign out")
    assert stops[2:] == ["Account", "Security", "Sessions", "Sign out"]
    page.keyboard.press("Enter")
    device.at("/auth/signed-out")
    _tab_to(page, "Sign in again")
    page.keyboard.press("Enter")
    device.at("/auth/sign-in")


def test_the_skip_link_leads_past_the_navigation(laptop: Device) -> None:
    laptop.join(somebody())
    page = laptop.go("/auth/sessions")
    _tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    assert _tab_to(page, "End") == ["End the session on this device, Chrome on Linux"]


def test_a_refused_form_is_mended_by_keyboard(laptop: Device) -> None:
    name = somebody()
    laptop.join(name)
    page = laptop.go("/auth/password")
    _tab_to(page, "Current password")
    page.keyboard.type("not the password")
    _tab_to(page, "New password")
    page.keyboard.type(NEW_PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".summary")).to_be_focused()

    _tab_to(page, "Your current password is not right.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Current password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    _tab_to(page, "New password")
    page.keyboard.type(NEW_PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Your password is changed.")
