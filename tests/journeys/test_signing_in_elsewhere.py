"""Signing in at a certified OpenID provider, in a real browser: two sites, their cookies, and everything in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.journeys.conftest import ROOMY
from tests.journeys.people import Device, letter_to, somebody, violations
from tests.services.oidc_provider import OidcProvider
from tests.services.ports import free_port
from tests.services.server_process import ServerProcess

if TYPE_CHECKING:
    from tests.journeys.conftest import OpenDevice

pytestmark = pytest.mark.xdist_group("browser")

SETTINGS = "OSTIARY_FEDERATION__PROVIDERS__COMPANY__"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """An `ostiary dev` that knows a provider, which runs on Node and on another site (127.0.0.1, not localhost)."""
    port = free_port()
    provider = OidcProvider(f"http://localhost:{port}/accounts/company/login/callback/")
    environment = {
        f"{SETTINGS}ISSUER": provider.issuer, f"{SETTINGS}CLIENT_ID": "the-house", f"{SETTINGS}ADDRESSES": "always",
        f"{SETTINGS}CLIENT_SECRET": "a secret: of the house's own/&",
        "OSTIARY_OUTBOUND__ALLOWED_NETWORKS": '["127.0.0.0/8"]', "OSTIARY_WEB__PUBLIC_URL": f"http://localhost:{port}",
    }  # fmt: skip
    server = ServerProcess(tmp_path_factory.mktemp("house"), command="dev", port=port, environment=ROOMY | environment)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.close()
        provider.close()


def agree(device: Device, name: str) -> None:
    """Sign in at the provider if it asks, and let it tell the house."""
    page = device.page
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("anything")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def only_ours(device: Device) -> None:
    """Forget what the provider's pages have complained of: they ask for fonts that no test may fetch."""
    device.said[:] = [(url, text) for url, text in device.said if url.startswith(device.house.url)]


@pytest.mark.parametrize("with_scripts", [True, False])
def test_somebody_new_signs_in_and_comes_again(open_device: OpenDevice, with_scripts: bool) -> None:
    laptop = open_device(java_script_enabled=with_scripts)
    name = somebody()
    page = laptop.go("/auth/sign-in?next=/auth/sessions")
    if with_scripts:
        assert violations(page) == []
    page.get_by_role("link", name="Continue with Company").click()
    agree(laptop, name)

    laptop.at("/auth/sessions")
    assert {"__Host-sessionid", "__Host-access_token", "__Host-refresh_token"} <= laptop.cookies().keys()
    page = laptop.go("/auth/account")
    expect(page.locator("main")).to_contain_text(f"{name}@example.org")
    expect(page.get_by_text("Confirmed")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    laptop.at("/auth/signed-out")

    laptop.go("/auth/sign-in").get_by_role("link", name="Continue with Company").click()
    laptop.at("/auth/account")  # the provider knows its own user still
    only_ours(laptop)


def test_somebody_known_connects_and_disconnects(laptop: Device) -> None:
    name, elsewhere = somebody(), somebody()
    laptop.register(name)
    laptop.confirm(name)
    laptop.go("/auth/security").get_by_role("link", name="Connect one connected accounts").click()
    laptop.at("/auth/connections")
    assert violations(laptop.page) == []
    laptop.page.get_by_role("button", name="Connect Company").click()
    agree(laptop, elsewhere)

    laptop.at("/auth/connections")
    expect(laptop.page.get_by_role("heading", name="Company")).to_be_visible()
    expect(laptop.page.locator("main")).to_contain_text(elsewhere)
    assert violations(laptop.page) == []
    assert "Company was connected" in letter_to(laptop.house, name, "was connected")["subject"]

    laptop.page.get_by_role("button", name="Disconnect Company").click()
    expect(laptop.page.get_by_text("Nothing is connected yet.")).to_be_visible()
    only_ours(laptop)


def test_a_known_address_opens_nothing_and_the_page_shows_the_way(laptop: Device) -> None:
    name = somebody()
    laptop.register(name)
    laptop.confirm(name)
    laptop.go("/auth/account")
    laptop.sign_out()
    laptop.go("/auth/sign-in").get_by_role("link", name="Continue with Company").click()
    agree(laptop, name)

    expect(laptop.page.get_by_role("heading", level=1)).to_contain_text("There is an account with your address")
    assert violations(laptop.page) == []
    assert "__Host-sessionid" not in laptop.cookies()
    laptop.page.get_by_role("link", name="Sign in and connect").click()
    laptop.sign_in(name, going_to="/auth/connections")
    laptop.page.get_by_role("button", name="Connect Company").click()
    laptop.page.get_by_role("heading", name="Company").wait_for()
    only_ours(laptop)


def test_a_page_of_another_site_signs_nobody_in(laptop: Device) -> None:
    """The very link that our own page holds, on a foreign page: the visitor is asked first."""
    page = laptop.page
    page.goto(laptop.house.url.replace("localhost", "127.0.0.1") + "/auth/sign-in")  # cross-site to localhost
    page.evaluate("(url) => { location.href = url }", f"{laptop.house.url}/accounts/company/login/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Continue with Company")
    assert violations(page) == []
    page.get_by_role("button", name="Continue with Company").click()
    expect(page.get_by_placeholder("Enter any login")).to_be_visible()
    only_ours(laptop)
