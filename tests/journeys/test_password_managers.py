from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect
from tests.journeys.people import Device, somebody
from tests.services.server_process import ServerProcess

pytestmark = pytest.mark.xdist_group("browser")

FORMS = """() => [...document.querySelectorAll("form:has([type=password])")].map((form) => ({
    method: form.method,
    submits: form.querySelectorAll("button:not([type=button])").length,
    fields: [...form.querySelectorAll("input:not([type=hidden])")].map((f) => [f.name, f.type, f.autocomplete]),
}))"""


def _form(*fields: tuple[str, str, str]) -> dict[str, object]:
    return {"method": "post", "submits": 1, "fields": [list(field) for field in fields]}


def test_every_password_form_says_whose_password_it_holds(laptop: Device) -> None:
    assert laptop.go("/auth/sign-in").evaluate(FORMS) == [
        _form(("login", "text", "username webauthn"), ("password", "password", "current-password"))
    ]
    assert laptop.go("/auth/register").evaluate(FORMS) == [
        _form(
            ("username", "text", "username"),
            ("email", "email", "email"),
            ("full_name", "text", "name"),
            ("password", "password", "new-password"),
        )
    ]
    name = somebody()
    laptop.join(name)
    page = laptop.go("/auth/password")
    assert page.evaluate(FORMS) == [
        _form(
            ("username", "text", "username"),
            ("current_password", "password", "current-password"),
            ("new_password", "password", "new-password"),
        )
    ]
    expect(page.locator("[autocomplete=username]")).to_have_value(name)
    assert laptop.go("/auth/account").evaluate(FORMS) == [
        _form(
            ("username", "text", "username"),
            ("email", "email", "email"),
            ("current_password", "password", "current-password"),
        )
    ]


def test_the_well_known_address_leads_to_the_password_page_past_the_sign_in(laptop: Device) -> None:
    name = somebody()
    laptop.join(name)
    laptop.go("/.well-known/change-password")
    laptop.at("/auth/password")

    laptop.go("/auth/account")
    laptop.sign_out()
    laptop.go("/.well-known/change-password")
    laptop.at("/auth/sign-in")
    laptop.sign_in(name, going_to="/auth/password")
    expect(laptop.page.get_by_role("heading", level=1)).to_have_text("Change your password")


@pytest.mark.parametrize(
    "path", ["resource-that-should-not-exist-whose-status-code-should-not-be-200", "passkey-endpoints", ""]
)
def test_an_unknown_well_known_address_is_not_found(house: ServerProcess, path: str) -> None:
    assert httpx.get(f"{house.url}/.well-known/{path}").status_code == 404
