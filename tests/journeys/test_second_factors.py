"""An authenticator app and recovery codes in a real browser: scanned off the screen, confirmed, saved, renewed."""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zxingcpp
from playwright.sync_api import expect
from tests.journeys.people import PASSWORD, Device, letter_to, password_field, somebody, violations

from ostiary.totp.algorithm import code_at, step_at

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.xdist_group("browser")

SEEN = """async (qr) => {
    const image = new Image();
    image.src = "data:image/svg+xml," + encodeURIComponent(qr.innerHTML);
    await image.decode();
    const canvas = new OffscreenCanvas(400, 400);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, 400, 400);
    return Array.from(context.getImageData(0, 0, 400, 400).data.filter((_, index) => index % 4 === 0));
}"""
"""What a camera would see of the picture, as the browser draws it: a grey value for each of 400 times 400 dots."""

CODE = re.compile(r"(?:[0-9A-HJKMNP-TV-Z]{4}-){5}[0-9A-HJKMNP-TV-Z]{4}")


def scan(page: Page) -> str:
    """Return what an app reads when it is held before the screen."""
    dots: list[int] = page.locator(".qr").evaluate(SEEN)
    found = zxingcpp.read_barcode(memoryview(bytes(dots)).cast("B", (400, 400)))
    assert found is not None
    return found.text


def codes_on(page: Page) -> list[str]:
    return CODE.findall(page.locator("main").inner_text())


def test_scanned_confirmed_saved_and_renewed(laptop: Device, tmp_path: Path) -> None:
    name = somebody()
    laptop.join(name)
    laptop.confirm(name)
    laptop.go("/auth/sign-in")
    laptop.sign_in(name)
    page = laptop.page
    page.get_by_role("link", name="Security", exact=True).click()
    assert violations(page) == []
    page.get_by_role("link", name="Set up authenticator app").click()
    laptop.at("/auth/totp")
    assert violations(page) == []

    page.get_by_role("button", name="Set up an authenticator app").click()
    uri = scan(page)
    key = page.locator(".key-groups").inner_text().replace(" ", "")
    assert uri == f"otpauth://totp/Ostiary:{name}?secret={key}&issuer=Ostiary"
    assert page.get_by_role("link", name="open it in an app").get_attribute("href") == uri
    assert violations(page) == []
    field = page.get_by_label("Code", exact=True)
    assert (field.get_attribute("autocomplete"), field.get_attribute("inputmode")) == ("one-time-code", "numeric")
    field.fill("12345")
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator(".summary")).to_be_focused()
    assert scan(page) == uri
    assert violations(page) == []
    page.get_by_label("Code", exact=True).fill(now_shown(key))
    page.get_by_role("button", name="Confirm").click()

    expect(page.get_by_role("status")).to_contain_text("is set up")
    codes = codes_on(page)
    assert len(set(codes)) == 10
    assert violations(page) == []
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save as a text file").click()
    saving.value.save_as(tmp_path / "codes.txt")
    assert CODE.findall((tmp_path / "codes.txt").read_text()) == codes
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    assert "second factor" in letter_to(laptop.house, name, "factor was set up")["subject"]

    laptop.go("/auth/recovery-codes")
    laptop.at("/auth/step-up")  # there is a second factor now, and the session has not shown it
    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Go on with the password").click()
    page.get_by_role("button", name="Use a recovery code").click()
    page.get_by_label("Recovery code", exact=True).fill(codes[0])
    assert violations(page) == []
    page.get_by_role("button", name="Go on", exact=True).click()
    laptop.at("/auth/recovery-codes")
    expect(page.locator("main")).to_contain_text("9 of 10 left")
    assert codes_on(page) == []
    assert violations(page) == []
    page.get_by_role("button", name="Make new codes").click()
    expect(page.locator(".code-list")).to_be_visible()
    assert len(set(codes_on(page)) - set(codes)) == 10
    assert violations(page) == []

    laptop.go("/auth/totp")
    page.get_by_text("Remove it").click()
    page.get_by_role("button", name="Remove the authenticator app").click()
    expect(page.get_by_role("heading", name="Not set up")).to_be_visible()


def test_signing_in_asks_for_the_code_and_lets_nobody_in_before(laptop: Device) -> None:
    name = somebody()
    laptop.join(name)
    laptop.confirm(name)
    laptop.go("/auth/sign-in")
    laptop.sign_in(name)
    page = laptop.go("/auth/totp")
    page.get_by_role("button", name="Set up an authenticator app").click()
    key = page.locator(".key-groups").inner_text().replace(" ", "")
    early_in_a_step()  # the code of a step ago counts until this one ends
    page.get_by_label("Code", exact=True).fill(now_shown(key, steps_ago=1))  # so that the one of now is unused
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("status")).to_contain_text("is set up")
    laptop.sign_out()

    laptop.go("/auth/sign-in")
    page.get_by_label("Username or email address").fill(name)
    password_field(page).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
    assert "__Host-sessionid" not in laptop.cookies()
    assert violations(page) == []
    page.get_by_label("Code from your app").fill(now_shown(key))
    page.get_by_role("button", name="Go on", exact=True).click()

    laptop.at("/auth/account")
    laptop.go("/auth/security")
    expect(page.get_by_role("main")).to_contain_text("protected by two proofs")


def early_in_a_step() -> None:
    """Wait until a step of thirty seconds has ten or more to go."""
    while time.time() % 30 > 20:
        time.sleep(0.2)


def now_shown(key: str, steps_ago: int = 0) -> str:
    """Return what an app shows that holds this key, or showed some steps ago."""
    return code_at(base64.b32decode(key), step_at(time.time_ns() // 1_000_000) - steps_ago)
