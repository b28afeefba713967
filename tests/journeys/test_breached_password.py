"""Somebody whose password was found in a breach signs in, chooses another one, and is in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect
from tests.journeys.conftest import ROOMY, OpenDevice
from tests.journeys.people import NEW_PASSWORD, PASSWORD, address_of, password_field, violations
from tests.passwords.lists import a_filter
from tests.services.server_process import ServerProcess

pytestmark = pytest.mark.xdist_group("browser")

MIRA = "mira"
with_and_without_scripts = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server whose filter knows mira's password; she has an account from before it did."""
    listed = a_filter(tmp_path / "in-use.filter", "a password of nobody")
    known = ROOMY | {"OSTIARY_PASSWORDS__BREACH_FILTER": str(listed)}
    before = ServerProcess(tmp_path / "data", command="dev", environment=known)
    try:
        before.wait_until_ready()
        _open_account(before)
    finally:
        before.close()
    a_filter(listed, PASSWORD)
    server = ServerProcess(tmp_path / "data", command="dev", environment=known)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.close()


def _open_account(server: ServerProcess) -> None:
    body = {"username": MIRA, "email": address_of(MIRA), "password": PASSWORD}
    httpx.post(f"{server.url}/api/v1/auth/register", json=body, timeout=30).raise_for_status()


@with_and_without_scripts
def test_a_breached_password_is_replaced_on_the_way_in(open_device: OpenDevice, scripts: bool) -> None:
    device = open_device(java_script_enabled=scripts)
    page = device.go("/auth/sign-in?next=/auth/sessions")
    page.get_by_label("Username or email address").fill(MIRA)
    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Choose a new password")
    assert "ticket" not in page.url
    field = page.get_by_role("textbox", name="New password")
    if scripts:
        assert violations(page) == []
        field.fill(PASSWORD)
        expect(page.locator(".strength")).to_contain_text("data breach")
    field.fill("short")
    page.get_by_role("button", name="Change password and sign in").click()
    expect(page).to_have_title(re.compile("^Error: "))
    page.get_by_role("textbox", name="New password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Change password and sign in").click()

    device.at("/auth/sessions")
    device.sign_out()
    device.go("/auth/sign-in")
    device.sign_in(MIRA, NEW_PASSWORD)
