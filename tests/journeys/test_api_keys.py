"""API keys in a real browser, with and without scripts: made, copied, used, given a new secret, revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect
from tests.journeys.people import API, Device, letter_to, somebody, violations

from ostiary.apikeys import read

if TYPE_CHECKING:
    from tests.journeys.conftest import OpenDevice

pytestmark = pytest.mark.xdist_group("browser")

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def shown(device: Device) -> str:
    """Return the key that the page shows; whoever uses a keyboard stands on it."""
    field = device.page.get_by_label("API key", exact=True)
    expect(field).to_be_focused()
    text = field.input_value()
    assert read(text) is not None
    return text


def opens(device: Device, text: str) -> int:
    """Return how who-am-I by a key is answered."""
    return httpx.get(f"{device.house.url}{API}/me", headers={"authorization": f"Bearer {text}"}).status_code


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_key_is_made_shown_once_renewed_and_revoked(open_device: OpenDevice, scripts: bool) -> None:
    device, name = open_device(java_script_enabled=scripts), somebody()
    device.join(name)
    device.confirm(name)
    device.go("/auth/sign-in")
    device.sign_in(name)
    page = device.page
    page.get_by_role("link", name="Security", exact=True).click()
    page.get_by_role("link", name="Make one api keys").click()
    device.at("/auth/api-keys")

    page.get_by_label("Name").fill("Backup")
    page.get_by_label("Scopes").fill("books:lend books:read")
    page.get_by_label("It ends").select_option("In 30 days")
    page.get_by_role("button", name="Make the key").click()
    first = shown(device)
    assert opens(device, first) == 200
    if scripts:
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            assert violations(page) == []
            assert page.evaluate(OVERFLOW) == 0
    assert "Backup" in letter_to(device.house, name, "API key was made")["text"]

    page.get_by_text("New secret for Backup").click()
    page.get_by_label("The old secret ends").select_option("In an hour")
    page.get_by_role("button", name="Make a new secret").click()
    second = shown(device)
    assert [opens(device, text) for text in (first, second)] == [200, 200]
    device.go("/auth/api-keys")
    assert first not in page.content()
    assert second not in page.content()
    expect(page.get_by_text("For books:lend, books:read")).to_be_visible()

    page.get_by_role("button", name="Revoke Backup").click()
    expect(page.get_by_text("No API key yet.")).to_be_visible()
    assert [opens(device, text) for text in (first, second)] == [401, 401]
