from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import expect
from tests.journeys.people import API, PASSWORD, PHONE, Device, address_of, password_field, somebody

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from tests.journeys.conftest import OpenDevice
    from tests.services.fixtures import StartOstiary

pytestmark = pytest.mark.xdist_group("browser")

ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/account",
    "/\\evil.example",
    "javascript:alert(1)",
    "/auth/../../evil",
    "/auth/account?said=profile-saved",
    "",
)
with_and_without_scripts = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])


def _expect_beside(field: Locator, reason: str | re.Pattern[str]) -> None:
    """Expect a complaint that is tied to the field for those who hear the page, and near it for those who see it."""
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(reason)
    complaint = field.page.locator(".field", has=field).locator(".complaints").bounding_box()
    box = field.bounding_box()
    assert complaint is not None
    assert box is not None
    gap = max(box["y"] - (complaint["y"] + complaint["height"]), complaint["y"] - (box["y"] + box["height"]))
    assert 0 <= gap < 100


def _expect_to_be_told(page: Page) -> None:
    """Expect a summary that has the focus, so that nobody misses it, and a title that says it first."""
    expect(page.locator(".summary")).to_be_focused()
    expect(page).to_have_title(re.compile("^Error: "))


@with_and_without_scripts
def test_registration_says_beside_each_field_what_is_wrong(open_device: OpenDevice, scripts: bool) -> None:
    page = open_device(java_script_enabled=scripts).go("/auth/register")
    page.get_by_role("textbox", name="Username").fill("a!")
    page.get_by_label("Email address").fill("mira at home")
    page.get_by_label("Full name").fill("Mira & Ada")
    password_field(page).fill("qwertyuiop12")
    page.get_by_role("button", name="Create account").click()

    _expect_to_be_told(page)
    _expect_beside(page.get_by_role("textbox", name="Username"), re.compile("Error: .*3"))
    _expect_beside(page.get_by_label("Email address"), re.compile("Error: "))
    _expect_beside(password_field(page), re.compile("Error: .+"))
    expect(page.get_by_label("Full name")).not_to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("textbox", name="Username")).to_have_value("a!")
    expect(page.get_by_label("Email address")).to_have_value("mira at home")
    expect(page.get_by_label("Full name")).to_have_value("Mira & Ada")
    expect(password_field(page)).to_have_value("")
    assert "qwertyuiop12" not in page.content()

    page.locator(".summary").get_by_role("link").first.click()  # leads to the field it speaks of
    expect(page.get_by_role("textbox", name="Username")).to_be_focused()


def test_a_weak_password_alone_is_refused_with_reasons(laptop: Device) -> None:
    page = laptop.go("/auth/register")
    name = somebody()
    page.get_by_role("textbox", name="Username").fill(name)
    page.get_by_label("Email address").fill(address_of(name))
    password_field(page).fill("short")
    page.get_by_role("button", name="Create account").click()

    _expect_beside(password_field(page), re.compile("at least 12 characters; this password has 5"))


@with_and_without_scripts
def test_a_taken_name_is_said_beside_its_field(open_device: OpenDevice, scripts: bool) -> None:
    taken = somebody()
    open_device().join(taken)
    page = open_device(java_script_enabled=scripts).go("/auth/register")
    page.get_by_role("textbox", name="Username").fill(taken.title())
    page.get_by_label("Email address").fill("other@example.org")
    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()

    _expect_to_be_told(page)
    _expect_beside(page.get_by_role("textbox", name="Username"), re.compile("taken"))
    expect(page.get_by_label("Email address")).to_have_value("other@example.org")


def test_a_known_address_is_told_like_an_unknown_one(open_device: OpenDevice) -> None:
    owner, stranger = open_device(), open_device()
    name, other = somebody(), somebody()
    owner.join(name)
    owner.confirm(name)

    page = stranger.go("/auth/register")
    page.get_by_role("textbox", name="Username").fill(other)
    page.get_by_label("Email address").fill(address_of(name))
    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()

    stranger.at("/auth/check-mail")  # D4
    expect(page.get_by_role("main")).to_contain_text(address_of(name))


@with_and_without_scripts
def test_a_wrong_sign_in_keeps_the_name_and_where_it_was_going(open_device: OpenDevice, scripts: bool) -> None:
    device, name = open_device(java_script_enabled=scripts), somebody()
    device.join(name)
    device.go("/auth/account")
    device.sign_out()
    page = device.go("/auth/sessions")
    device.at("/auth/sign-in")
    for login, password in ((name, "not the password"), ("nobody-at-all", PASSWORD)):
        page.get_by_label("Username or email address").fill(login)
        password_field(page).fill(password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        _expect_to_be_told(page)
        expect(page.locator(".summary")).to_have_text("The name or the password is not right.")
        expect(page.get_by_label("Username or email address")).to_have_value(login)
        expect(password_field(page)).to_have_value("")

    device.sign_in(name, going_to="/auth/sessions")


@with_and_without_scripts
def test_a_wrong_current_password_is_said_beside_its_field(open_device: OpenDevice, scripts: bool) -> None:
    device, name = open_device(java_script_enabled=scripts), somebody()
    device.join(name)
    page = device.go("/auth/password")
    page.get_by_role("textbox", name="Current password").fill("not the password")
    page.get_by_role("textbox", name="New password").fill("another battery staple")
    page.get_by_role("button", name="Change password").click()
    _expect_to_be_told(page)
    _expect_beside(page.get_by_role("textbox", name="Current password"), re.compile("not right"))
    expect(page.get_by_role("textbox", name="New password")).to_have_value("")

    page.get_by_role("textbox", name="Current password").fill(PASSWORD)
    page.get_by_role("textbox", name="New password").fill(name)
    page.get_by_role("button", name="Change password").click()
    _expect_beside(page.get_by_role("textbox", name="New password"), re.compile("at least 12 characters"))

    page = device.go("/auth/account")
    page.get_by_text("Change the address").click()
    page.get_by_label("New email address").fill("elsewhere@example.org")
    page.get_by_role("textbox", name="Your password").fill("not the password")
    page.get_by_role("button", name="Send the confirmation letter").click()
    _expect_beside(page.get_by_role("textbox", name="Your password"), re.compile("not right"))
    expect(page.get_by_label("New email address")).to_have_value("elsewhere@example.org")


def test_a_password_is_judged_with_reasons_while_it_is_typed(laptop: Device) -> None:
    page = laptop.go("/auth/register")
    words = page.locator(".words")
    page.get_by_role("textbox", name="Username").fill("zebrafish")
    page.get_by_label("Email address").fill("zebrafish@example.org")
    password_field(page).press_sequentially("zebra", delay=5)
    expect(words).to_contain_text("Not accepted yet")
    expect(words).to_contain_text("Use at least 12 characters; this password has 5.")
    password_field(page).fill("zebrafish2026")
    expect(words).to_contain_text("Not accepted yet")
    expect(words).not_to_contain_text("at least 12")
    password_field(page).fill("correct horse battery staple")
    expect(words).to_contain_text("Strong password")
    expect(words).to_have_attribute("aria-live", "polite")

    laptop.join(somebody())
    page = laptop.go("/auth/password")
    page.get_by_role("textbox", name="New password").press_sequentially("ostiary", delay=5)
    expect(page.locator(".words")).to_contain_text("Not accepted yet")


def test_the_pages_ask_for_as_many_characters_as_the_policy(start_ostiary: StartOstiary) -> None:
    server = start_ostiary(environment={"OSTIARY_PASSWORDS__PROFILE": "nist"})
    assert "15 characters or more." in httpx.get(f"{server.url}/auth/register").text  # SP 800-63B-4 3.1.1.2


def test_five_wrong_passwords_lock_out_strangers_and_spare_the_owners_own_browser(open_device: OpenDevice) -> None:
    owner, thief, name = open_device(), open_device(user_agent=PHONE), somebody()
    owner.join(name)
    for _ in range(5):
        wrong = {"login": name, "password": "not the password"}
        assert httpx.post(f"{thief.house.url}{API}/login", json=wrong).status_code == 401

    page = thief.go("/auth/sign-in")
    page.get_by_label("Username or email address").fill(name)
    password_field(page).fill(PASSWORD)  # though it is right: past the fifth failure none is looked at without work
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".summary")).to_contain_text("Too many wrong passwords were tried for this name.")

    owner.go("/auth/account")
    owner.sign_out()
    owner.go("/auth/sign-in")
    owner.sign_in(name)  # D5: a browser that was here before


def test_a_sign_in_leads_nowhere_but_to_our_own_pages(laptop: Device) -> None:
    name = somebody()
    laptop.join(name)
    for elsewhere in ELSEWHERE:
        laptop.go(f"/auth/sign-in?next={quote(elsewhere, safe='')}")
        laptop.sign_in(name)
        expect(laptop.page.get_by_role("status")).to_have_count(0)

        page = laptop.go("/auth/sign-in")
        page.locator("[name=next]").evaluate("(field, elsewhere) => field.value = elsewhere", elsewhere)
        laptop.sign_in(name)


def test_who_is_not_signed_in_is_led_to_the_form_and_back(laptop: Device) -> None:
    name = somebody()
    laptop.join(name)
    laptop.go("/auth/account")
    laptop.sign_out()
    for path in ("/auth/account", "/auth/sessions", "/auth/password", "/auth/check-mail"):
        page = laptop.go(path)
        assert page.url == f"{laptop.house.url}/auth/sign-in?next={path}"
        laptop.sign_in(name, going_to=path)
        laptop.context.clear_cookies(name=re.compile("sessionid|access_token|refresh_token"))


def test_a_form_sent_after_the_session_has_ended_leads_to_the_sign_in(open_device: OpenDevice) -> None:
    laptop, phone, name = open_device(), open_device(), somebody()
    phone.join(name)
    phone.go("/auth/account")
    laptop.go("/auth/sign-in")
    laptop.sign_in(name)
    laptop.go("/auth/sessions").get_by_role("button", name="End all other sessions").click()
    expect(laptop.page.get_by_role("button", name="End all other sessions")).to_have_count(0)

    phone.page.get_by_label("Full name").fill("Mallory")
    phone.page.get_by_role("button", name="Save").click()
    phone.at("/auth/sign-in")
    assert laptop.go("/auth/account").get_by_label("Full name").input_value() == ""


def test_a_refusal_on_a_page_is_a_page(laptop: Device) -> None:
    name = somebody()
    for path in ("/auth/nothing-here", "/auth/sessions/end", "/dev/mailbox/none"):
        page = laptop.go(path)
        assert page.evaluate("document.contentType") == "text/html"
        expect(page.get_by_role("heading", name="What you can do")).to_be_visible()
        expect(page.locator(".fine")).to_contain_text(re.compile(r"Status 40[45] · request \w+"))

    laptop.join(name)
    page = laptop.go("/auth/account")
    laptop.context.clear_cookies(name="__Host-csrftoken")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("The form has grown old")
    page.get_by_role("link", name="Go to").click()
    laptop.at("/auth/account")
