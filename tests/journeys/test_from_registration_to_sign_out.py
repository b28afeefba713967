from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect
from tests.journeys.people import (
    API,
    LAPTOP,
    NEW_PASSWORD,
    PASSWORD,
    PHONE,
    Device,
    Program,
    address_of,
    letter_to,
    link_in,
    password_field,
    somebody,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser
    from tests.journeys.conftest import OpenDevice
    from tests.services.server_process import ServerProcess

pytestmark = pytest.mark.xdist_group("browser")

SMALL = {"width": 390, "height": 844}


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_person_registers_confirms_and_looks_after_two_devices(open_device: OpenDevice, scripts: bool) -> None:
    laptop = open_device(java_script_enabled=scripts)
    phone = open_device(java_script_enabled=scripts, user_agent=PHONE, viewport=SMALL)
    name = somebody()

    _register_and_confirm(laptop, name)
    _sign_in_again_by_name_and_elsewhere_by_address(laptop, phone, name)
    _end_the_other_session(laptop, phone)
    phone.sign_in(name, going_to="/auth/sessions")
    _change_the_password(laptop, phone, name)
    phone.sign_in(name, NEW_PASSWORD, going_to="/auth/password")
    _end_all_others(laptop, phone)
    _sign_out_for_good(laptop, scripts)


def _register_and_confirm(laptop: Device, name: str) -> None:
    page = laptop.go("/")
    laptop.at("/auth/sign-in")
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Username").fill(name)
    page.get_by_label("Email address").fill(address_of(name))
    page.get_by_label("Full name").fill("Mira <b>Lindqvist</b>")
    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your mail")
    expect(page.get_by_role("main")).to_contain_text(address_of(name))

    page.get_by_role("link", name="Go to your account").click()
    expect(page.get_by_text("Not confirmed yet")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mira Lindqvist")  # R3: text, whatever was typed

    letter_to(laptop.house, name, "Confirm")
    laptop.go("/dev/mailbox")
    page.get_by_role("link", name=address_of(name)).click()
    page.get_by_role("link", name="/auth/confirm?token=").click()
    expect(page.get_by_text(name, exact=True)).to_be_visible()
    page.get_by_role("button", name="Confirm this address").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your address is confirmed")
    page.get_by_role("link", name="Go to your account").click()
    expect(page.get_by_text("Confirmed", exact=True)).to_be_visible()


def _sign_in_again_by_name_and_elsewhere_by_address(laptop: Device, phone: Device, name: str) -> None:
    laptop.sign_out()
    laptop.page.get_by_role("link", name="Sign in again").click()
    laptop.sign_in(name.upper())  # R1: compared without regard to case

    phone.go("/auth/sign-in")
    phone.sign_in(address_of(name))
    expect(phone.page.get_by_text(f"Signed in as {name}")).to_be_visible()


def _end_the_other_session(laptop: Device, phone: Device) -> None:
    laptop.page.get_by_role("navigation", name="Your account").get_by_role("link", name="Sessions").click()
    listed = laptop.page.get_by_role("listitem").filter(has=laptop.page.get_by_role("heading"))
    expect(listed).to_have_count(2)
    expect(listed.nth(0)).to_contain_text("Chrome on Linux This device")
    expect(listed.nth(1)).to_contain_text("Safari on iOS")
    expect(listed.nth(1)).to_contain_text("127.0.0.1")

    laptop.page.get_by_role("button", name="End the session of Safari on iOS").click()
    expect(listed).to_have_count(1)

    phone.go("/auth/sessions")
    phone.at("/auth/sign-in")
    expect(phone.page.get_by_role("heading", level=1)).to_have_text("Sign in")


def _change_the_password(laptop: Device, phone: Device, name: str) -> None:
    page = laptop.page
    page.get_by_role("navigation", name="Your account").get_by_role("link", name="Security").click()
    page.get_by_role("link", name="Change password").click()
    page.get_by_role("textbox", name="Current password").fill(PASSWORD)
    page.get_by_role("textbox", name="New password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("status")).to_have_text("Your password is changed. Other devices are signed out.")
    assert "Chrome on Linux" in letter_to(laptop.house, name, "password")["text"]

    phone.go("/auth/password")
    phone.at("/auth/sign-in")
    phone.page.get_by_label("Username or email address").fill(name)
    password_field(phone.page).fill(PASSWORD)
    phone.page.get_by_role("button", name="Sign in", exact=True).click()
    expect(phone.page.get_by_role("heading", name="The name or the password is not right.")).to_be_visible()


def _end_all_others(laptop: Device, phone: Device) -> None:
    laptop.go("/auth/sessions")
    laptop.page.get_by_role("button", name="End all other sessions").click()
    expect(laptop.page.get_by_role("button", name="End all other sessions")).to_have_count(0)

    phone.go("/auth/account")
    phone.at("/auth/sign-in")


def _sign_out_for_good(laptop: Device, scripts: bool) -> None:
    kept = laptop.context.cookies()
    laptop.go("/auth/account")
    laptop.sign_out()
    assert laptop.cookies().keys() == {"__Host-device", "__Host-csrftoken"}  # known, and nobody

    # What the page asks by itself, it asks with its own cookies.
    with laptop.page.expect_response("**/passkeys/sign-in/begin") if scripts else nullcontext():
        laptop.page.go_back()
    laptop.at("/auth/sign-in")

    laptop.context.add_cookies(kept)  # type: ignore[arg-type]  # a copy that somebody made before
    assert "__Host-sessionid" in laptop.cookies()
    for path in ("/auth/account", "/auth/sessions", "/auth/password"):
        laptop.go(path)
        laptop.at("/auth/sign-in")


def test_the_back_button_shows_nothing_after_a_sign_out_even_from_the_browsers_memory(
    launch_browser: Callable[..., Browser], house: ServerProcess
) -> None:
    """The other tests' browser keeps no pages in memory; people's browsers do."""
    browser = launch_browser(ignore_default_args=["--disable-back-forward-cache"])
    laptop = Device(browser.new_context(), house)
    name = somebody()
    laptop.register(name)
    laptop.go("/auth/account")
    assert laptop.page.evaluate("localStorage.setItem('left', 'behind'), localStorage.length") == 1
    laptop.sign_out()

    laptop.page.go_back()
    laptop.at("/auth/sign-in")
    assert laptop.page.evaluate("localStorage.length") == 0  # R18: Clear-Site-Data
    assert laptop.complaints == []
    browser.close()


def _signed_in(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _bearer(signed_in: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {signed_in['access_token']}"}


def test_programs_go_the_same_way_by_cookie_and_by_bearer_token(house: ServerProcess) -> None:
    name = somebody()
    with Program(house, LAPTOP) as laptop, Program(house, "okhttp/5.1") as phone:
        body = {"username": name, "email": address_of(name), "password": PASSWORD, "full_name": "Mira"}
        user = _signed_in(laptop.post(f"{API}/register", json=body), 201)["user"]
        assert (user["email_verified"], user["status"]) == (False, "provisional")

        token = link_in(letter_to(house, name, "Confirm")).partition("token=")[2]
        confirmed = _signed_in(laptop.post(f"{API}/email/verify", json={"token": token}, headers=laptop.csrf()))
        assert (confirmed["email_verified"], confirmed["status"]) == (True, "active")
        assert laptop.post(f"{API}/email/verify", json={"token": token}, headers=laptop.csrf()).status_code == 401

        body = {"login": address_of(name), "password": PASSWORD}
        by_bearer = _signed_in(phone.post(f"{API}/login", json=body))
        phone.held.clear()
        assert phone.get(f"{API}/me", headers=_bearer(by_bearer)).json()["username"] == name

        listed = laptop.get(f"{API}/sessions").json()["sessions"]
        assert {(session["device"], session["current"]) for session in listed} == {
            ("Chrome on Linux", True),
            ("OkHttp", False),
        }
        (other,) = (session["id"] for session in listed if not session["current"])
        assert laptop.delete(f"{API}/sessions/{other}").status_code == 403  # R19: no token, no deed
        assert laptop.delete(f"{API}/sessions/{other}", headers=laptop.csrf()).status_code == 200
        assert phone.get(f"{API}/me", headers=_bearer(by_bearer)).status_code == 401
        spent = {"refresh_token": by_bearer["refresh_token"]}
        assert phone.post(f"{API}/refresh", json=spent).status_code == 401

        by_bearer = _signed_in(phone.post(f"{API}/login", json={"username": name, "password": PASSWORD}))
        phone.held.clear()
        change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        assert laptop.post(f"{API}/password/change", json=change, headers=laptop.csrf()).status_code == 200
        assert phone.get(f"{API}/me", headers=_bearer(by_bearer)).status_code == 401
        assert laptop.get(f"{API}/me").status_code == 200

        assert phone.post(f"{API}/login", json={"login": name, "password": PASSWORD}).status_code == 401
        by_bearer = _signed_in(phone.post(f"{API}/login", json={"login": name, "password": NEW_PASSWORD}))
        phone.held.clear()
        assert laptop.post(f"{API}/sessions/revoke-others", headers=laptop.csrf()).status_code == 200
        assert phone.get(f"{API}/me", headers=_bearer(by_bearer)).status_code == 401

        old = dict(laptop.held)
        goodbye = laptop.post(f"{API}/logout", headers=laptop.csrf())
        assert goodbye.status_code == 200
        assert goodbye.headers["clear-site-data"] == '"cache", "storage"'
        assert laptop.held.keys() == {"__Host-device"}
        assert laptop.post(f"{API}/logout", headers=laptop.csrf()).status_code == 200  # idempotent
        with Program(house, "okhttp/5.1") as thief:
            thief.held.update(old)
            assert thief.get(f"{API}/me").status_code == 401
            assert thief.get("/auth/account").headers["location"] == "/auth/sign-in?next=/auth/account"
