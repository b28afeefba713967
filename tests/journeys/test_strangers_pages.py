from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.journeys.people import API, NEW_PASSWORD, PASSWORD, Device, somebody
from tests.journeys.strangers import FRAME, LINK, Stranger, stranger
from tests.journeys.virtual_keys import becomes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import BrowserContext, Page
    from tests.journeys.conftest import OpenDevice
    from tests.services.server_process import ServerProcess

pytestmark = pytest.mark.xdist_group("browser")

# A foreign site, a sub-domain of a developer's machine, and the hardest: another port of the very same host, which
# shares every cookie with the house and can read the CSRF token.
HOSTS = ["127.0.0.1", "evil.localhost", "localhost"]
MINUTE = 60


@pytest.fixture(scope="module")
def site() -> Iterator[Stranger]:
    with stranger() as running:
        yield running


@pytest.fixture
def victim(house: ServerProcess, new_context: Callable[..., BrowserContext]) -> Device:
    """Somebody signed in; what strangers' pages make their console say is no fault of ours."""
    device = Device(new_context(), house)
    device.join(somebody())
    return device


def _lure(victim: Device, address: str) -> tuple[int, Page]:
    """Open a stranger's page in another tab; return the status with which its form was answered, and the tab."""
    tab = victim.context.new_page()
    with tab.expect_response(lambda answer: answer.request.method == "POST") as posted:
        tab.goto(address, wait_until="commit")
    return posted.value.status, tab


@pytest.mark.parametrize("attributes", ["", 'target="unseen"'], ids=["top level", "in a frame"])
def test_a_strangers_form_does_not_sign_anybody_out(victim: Device, site: Stranger, attributes: str) -> None:
    page = victim.go("/auth/account")
    for host in HOSTS:
        address = site.form(host, f"{victim.house.url}/auth/sign-out", {"csrf_token": ""}, attributes=attributes)
        assert _lure(victim, address)[0] == 403

    page.get_by_label("Full name").fill("Mira")
    page.get_by_role("button", name="Save").click()  # the form that was open all the while
    expect(page.get_by_role("status")).to_have_text("Your profile is saved.")


def test_a_strangers_form_does_not_change_a_password(victim: Device, site: Stranger) -> None:
    fields = {"csrf_token": "", "current_password": PASSWORD, "new_password": NEW_PASSWORD}
    for host in HOSTS:
        status, tab = _lure(victim, site.form(host, f"{victim.house.url}/auth/password", fields))
        assert status == 403
        expect(tab.get_by_role("heading", level=1)).to_contain_text("came from another site")

    victim.go("/auth/password")
    victim.page.get_by_role("textbox", name="Current password").fill(PASSWORD)
    victim.page.get_by_role("textbox", name="New password").fill(NEW_PASSWORD)
    victim.page.get_by_role("button", name="Change password").click()
    expect(victim.page.get_by_role("status")).to_contain_text("Your password is changed.")  # the old one still held


def test_a_strangers_form_signs_nobody_in_as_somebody_else(victim: Device, site: Stranger) -> None:
    name = victim.go("/auth/account").get_by_role("heading", level=1).inner_text()
    victim.sign_out()
    victim.go("/auth/sign-in")  # there is a token now, for nobody
    fields = {"csrf_token": "", "login": name, "password": PASSWORD}
    for host in HOSTS:
        assert _lure(victim, site.form(host, f"{victim.house.url}/auth/sign-in", fields))[0] == 403
        assert not victim.cookies().keys() & {"__Host-sessionid", "__Host-access_token", "__Host-refresh_token"}


ASK_IN_EVERY_WAY = """async ([address, body]) => {
    const token = document.cookie.match(/csrftoken=([^;]*)/)?.[1] ?? "";
    const sent = [{}, { "X-CSRF-Token": token, "Content-Type": "application/json" }];
    const ask = (headers) => fetch(address, { method: "POST", credentials: "include", headers, body });
    const opaque = fetch(address, { method: "POST", credentials: "include", mode: "no-cors", body });
    return Promise.all([...sent.map(ask), opaque].map((a) => a.then((answer) => answer.type, (e) => e.name)));
}"""


def test_a_strangers_script_can_neither_act_nor_read(victim: Device, site: Stranger) -> None:
    before = {name: cookie["value"] for name, cookie in victim.cookies().items()}
    for host in HOSTS:
        victim.page.goto(site.show(host, "<!doctype html><title>Script</title>"))
        for path, body in (("/logout", ""), ("/refresh", ""), ("/sessions/revoke-others", ""), ("/login", "{}")):
            answers = victim.page.evaluate(ASK_IN_EVERY_WAY, [f"{victim.house.url}{API}{path}", body])
            assert answers[:2] == ["TypeError", "TypeError"]  # CORS hides them
            assert answers[2] in {"TypeError", "opaque"}  # Cross-Origin-Resource-Policy hides it, but on one host

    assert {name: cookie["value"] for name, cookie in victim.cookies().items()} == before
    victim.go("/auth/account")
    victim.at("/auth/account")


def _refusals_to_be_framed(victim: Device) -> list[str]:
    return [said for _, said in victim.said if "frame-ancestors" in said or "X-Frame-Options" in said]


def test_the_sign_in_page_is_not_shown_in_a_frame(victim: Device, site: Stranger) -> None:
    for host in HOSTS:
        victim.page.goto(site.show(host, FRAME.format(address=f"{victim.house.url}/auth/sign-in")))
        framed = victim.page.locator("iframe").element_handle()
        frame = framed.content_frame() if framed else None
        assert frame is not None
        # The frame is another process of the browser's, which tells of it in its own time.
        becomes(victim.page, lambda frame=frame: frame.url.startswith("chrome-error://"), True)  # type: ignore[misc]
    becomes(victim.page, lambda: len(_refusals_to_be_framed(victim)), len(HOSTS))


def test_a_link_elsewhere_leads_into_the_account_without_the_refresh_cookie(victim: Device, site: Stranger) -> None:
    victim.page.goto(site.show("127.0.0.1", LINK.format(address=f"{victim.house.url}/auth/account")))
    with victim.page.expect_request("**/auth/account") as asked:
        victim.page.get_by_role("link").click()
    victim.at("/auth/account")

    cookies = asked.value.all_headers()["cookie"]
    assert "__Host-sessionid=" in cookies
    assert "__Host-refresh_token=" not in cookies


def test_a_link_elsewhere_to_the_farewell_page_clears_nothing(victim: Device, site: Stranger) -> None:
    victim.go("/auth/account").evaluate("localStorage.setItem('draft', 'a long letter')")
    victim.page.goto(site.show("127.0.0.1", LINK.format(address=f"{victim.house.url}/auth/signed-out")))
    victim.page.get_by_role("link").click()
    victim.at("/auth/signed-out")

    assert victim.page.evaluate("localStorage.getItem('draft')") == "a long letter"
    victim.go("/auth/account")
    victim.at("/auth/account")


def test_cookies_are_bound_to_the_host_and_only_the_csrf_token_is_for_scripts(laptop: Device) -> None:
    laptop.register(somebody())
    cookies = laptop.cookies()
    traits = {
        name: (cookie["httpOnly"], cookie["sameSite"], round((cookie["expires"] - time.time()) / MINUTE))
        for name, cookie in cookies.items()
    }

    assert traits == {
        "__Host-access_token": (True, "Lax", 15),
        "__Host-refresh_token": (True, "Strict", 7 * 24 * 60),
        "__Host-sessionid": (True, "Lax", 7 * 24 * 60),
        "__Host-device": (True, "Lax", 365 * 24 * 60),
        "__Host-csrftoken": (False, "Lax", 7 * 24 * 60),
    }
    assert {(cookie["domain"], cookie["path"], cookie["secure"]) for cookie in cookies.values()} == {
        ("localhost", "/", True)
    }
    assert laptop.page.evaluate("document.cookie") == f"__Host-csrftoken={cookies['__Host-csrftoken']['value']}"


def test_no_script_can_plant_a_cookie_of_the_house_without_its_prefix_rules(
    open_device: OpenDevice, site: Stranger
) -> None:
    device = open_device()
    device.page.goto(site.show("evil.localhost", "<!doctype html><title>Planter</title>"))
    for attributes in ("Path=/; Secure; Domain=localhost", "Path=/auth; Secure", "Path=/"):
        device.page.evaluate(f"document.cookie = '__Host-sessionid=planted; {attributes}'")
    assert device.cookies() == {}
