from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.journeys.people import API, Device, somebody

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.xdist_group("browser")

ACCESS, REFRESH, SESSION, CSRF = (
    f"__Host-{name}" for name in ("access_token", "refresh_token", "sessionid", "csrftoken")
)
# What an application's script does when its access cookie has run out; both tabs hear the word at the same time.
REFRESH_WHEN_TOLD = """api => {
    const channel = new BroadcastChannel("tabs");
    window.answered = new Promise((resolve) => { channel.onmessage = async () => {
        const token = document.cookie.match(/csrftoken=([^;]*)/)[1];
        const answer = await fetch(api + "/refresh", { method: "POST", headers: { "X-CSRF-Token": token } });
        resolve([answer.status, (await answer.json()).refresh_token]);
    }; });
}"""
TELL = "new BroadcastChannel('tabs').postMessage('now')"
REFRESH_NOW = """async (api) => (await fetch(api + "/refresh", {
    method: "POST", headers: { "X-CSRF-Token": document.cookie.match(/csrftoken=([^;]*)/)[1] } })).status"""


def test_a_page_goes_on_without_its_access_cookie(laptop: Device) -> None:
    laptop.join(somebody())
    laptop.go("/auth/account")
    before = laptop.cookies()[ACCESS]["value"]
    laptop.context.clear_cookies(name=ACCESS)

    laptop.go("/auth/sessions")
    laptop.at("/auth/sessions")
    renewed = laptop.cookies()[ACCESS]["value"]
    assert renewed != before

    with laptop.page.expect_response("**/auth/account") as answered:
        laptop.go("/auth/account")
    laptop.at("/auth/account")
    assert "set-cookie" not in answered.value.all_headers()  # steady: nothing left to hand out
    assert laptop.cookies()[ACCESS]["value"] == renewed


def test_a_form_goes_on_without_its_access_cookie(laptop: Device) -> None:
    laptop.join(somebody())
    page = laptop.go("/auth/account")
    page.get_by_label("Full name").fill("Mira")
    laptop.context.clear_cookies(name=ACCESS)
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("status")).to_have_text("Your profile is saved.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Mira")


def test_a_forged_access_cookie_does_not_shut_the_page_out(laptop: Device) -> None:
    laptop.join(somebody())
    spoiled = dict(laptop.cookies()[ACCESS])
    spoiled["value"] = spoiled["value"][:-4] + "AAAA"
    laptop.context.add_cookies([spoiled])  # type: ignore[list-item]  # as the context gave it
    laptop.go("/auth/account")
    laptop.at("/auth/account")


def test_the_refresh_cookie_alone_opens_no_page(laptop: Device) -> None:
    laptop.join(somebody())
    laptop.context.clear_cookies(name=re.compile(f"{ACCESS}|{SESSION}"))
    laptop.go("/auth/account")
    laptop.at("/auth/sign-in")
    assert REFRESH in laptop.cookies()


def _answered(tab: Page) -> Any:  # noqa: ANN401 - what the script above resolves to
    return tab.evaluate("answered")


def test_two_tabs_that_refresh_at_once_both_stay_signed_in(laptop: Device) -> None:
    laptop.join(somebody())
    one, other = laptop.go("/auth/account"), laptop.context.new_page()
    other.goto(f"{laptop.house.url}/auth/sessions")
    conductor = laptop.context.new_page()
    conductor.goto(f"{laptop.house.url}/auth/password")
    for _ in range(5):
        before = laptop.cookies()[REFRESH]["value"]
        for tab in (one, other):
            tab.evaluate(REFRESH_WHEN_TOLD, API)
        conductor.evaluate(TELL)
        answers = [_answered(one), _answered(other)]
        assert [status for status, _ in answers] == [200, 200]
        assert before not in [token for _, token in answers]

        for tab in (one, other):
            tab.reload()
            expect(tab.get_by_role("button", name="Sign out")).to_be_visible()
            assert tab.evaluate("api => fetch(api + '/me').then((answer) => answer.status)", API) == 200


def test_a_refresh_in_one_tab_leaves_the_form_in_another_good(laptop: Device) -> None:
    laptop.join(somebody())
    page, other = laptop.go("/auth/account"), laptop.context.new_page()
    page.get_by_label("Full name").fill("Mira")
    other.goto(f"{laptop.house.url}/auth/sessions")
    assert other.evaluate(REFRESH_NOW, API) == 200
    assert other.evaluate("api => fetch(api + '/csrf').then((answer) => answer.status)", API) == 200

    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Your profile is saved.")


def test_a_sign_in_in_one_tab_leaves_no_old_token_good_in_another(laptop: Device) -> None:
    name = somebody()
    laptop.join(name)
    laptop.go("/auth/account")
    laptop.sign_out()
    laptop.go("/auth/sign-in")
    before = laptop.cookies()[CSRF]["value"]
    laptop.sign_in(name)
    assert laptop.cookies()[CSRF]["value"] != before  # R19: bound to the session, so nothing planted before serves
