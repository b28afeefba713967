"""Every page in Chromium, under the policy: seen, tabbed through, and without scripts.

Set `OSTIARY_SCREENSHOTS` to a folder to keep a picture of each.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe, AxeResults
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from tests.journeys.people import FIND_VIOLATIONS
from tests.services.chromium import ARGUMENTS, PATIENCE_MILLISECONDS, find_headless_chromium
from tests.services.parts import CHROMIUM, do_without
from tests.web.pages.preview import BROKEN, Preview, preview
from tests.web.pages.samples import CSRF, Sample, samples

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAMPLES = samples()
NAMES = [sample.name for sample in SAMPLES]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDE, NARROW, NARROWEST, ZOOMED = 1280, 360, 320, 640
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SMALL_TARGETS = """() => [...document.querySelectorAll("button, .button, nav a, summary, .doors a, .beside a, input")]
    .filter((e) => e.type !== "hidden" && !e.matches(".unseen") && e.checkVisibility())
    .map((e) => e.type === "checkbox" ? e.closest("label") : e)
    .filter((e) => e.getBoundingClientRect().height < 44)
    .map((e) => `${e.outerHTML.slice(0, 60)}: ${e.getBoundingClientRect().height}`)"""


TYPED_IN_ONE_GO = """(field) => {
    for (const key of "mira1999") { field.value += key; field.dispatchEvent(new Event("input")); } }"""
"""Key by key, and none of them late: where the machine stands still for 0.4 s is a pause, after which it is asked."""


@pytest.fixture(scope="module")
def house() -> Iterator[Preview]:
    with preview() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    program = find_headless_chromium()
    if program is None:
        do_without(CHROMIUM)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, chromium_sandbox=False, args=[*ARGUMENTS])
        yield browser
        await browser.close()


@dataclass(frozen=True)
class Window:
    """One tab, and whatever its console has to complain about."""

    page: Page
    complaints: list[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader(chromium: Browser) -> AsyncIterator[Window]:
    """A browser as most people have it, in a zone that is not UTC."""
    context = await chromium.new_context(reduced_motion="reduce", locale="en-GB", timezone_id="Asia/Tokyo")
    yield await open_window(context)
    await context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scriptless(chromium: Browser) -> AsyncIterator[Window]:
    context = await chromium.new_context(java_script_enabled=False, reduced_motion="reduce")
    yield await open_window(context)
    await context.close()


async def open_window(context: BrowserContext) -> Window:
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return Window(page, complaints)


async def open_page(window: Window, house: Preview, name: str) -> Page:
    """Show a sample afresh, with nothing held against it yet."""
    await window.page.set_viewport_size({"width": WIDE, "height": 800})
    await window.page.goto("about:blank")
    window.complaints.clear()
    house.forget()
    await window.page.goto(f"{house.address}/{name}")
    return window.page


async def keep_picture(page: Page, name: str) -> None:
    if folder := os.environ.get("OSTIARY_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def widths_that_scroll_sideways(page: Page, widths: tuple[int, ...]) -> list[int]:
    too_wide = []
    for width in widths:
        await page.set_viewport_size({"width": width, "height": 800})
        if await page.evaluate(OVERFLOW) > 0:
            too_wide.append(width)
    return too_wide


async def violations(page: Page) -> str:
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(Axe().axe_script)
    found = AxeResults({"violations": await page.evaluate(FIND_VIOLATIONS)})
    return "" if found.violations_count == 0 else cast("str", found.generate_report())


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
async def test_a_page_is_accessible_fits_and_keeps_the_policy(reader: Window, house: Preview, sample: Sample) -> None:
    page = await open_page(reader, house, sample.name)

    for width, name in ((WIDE, "wide"), (NARROW, "narrow")):
        await page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            assert await violations(page) == ""
            await keep_picture(page, f"{sample.name}-{scheme}-{name}")
        assert await page.evaluate(SMALL_TARGETS) == []

    assert await widths_that_scroll_sideways(page, (NARROWEST, NARROW, ZOOMED, WIDE)) == []
    await page.evaluate("document.documentElement.style.fontSize = '200%'")  # WCAG 2.2, 1.4.4
    assert await widths_that_scroll_sideways(page, (ZOOMED, WIDE)) == []
    assert reader.complaints == []
    assert house.reports == []


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
async def test_a_page_without_scripts_is_whole(scriptless: Window, house: Preview, sample: Sample) -> None:
    page = await open_page(scriptless, house, sample.name)

    assert await page.locator(".reveal:visible").count() == 0  # it could do nothing
    assert await widths_that_scroll_sideways(page, (NARROW, WIDE)) == []
    for summary in await page.locator(".summary").all():
        await expect(summary).to_be_focused()
    await keep_picture(page, f"{sample.name}-scriptless")
    assert scriptless.complaints == []
    assert house.reports == []


async def test_the_policy_of_this_preview_is_in_force(reader: Window, house: Preview) -> None:
    page = await open_page(reader, house, BROKEN)

    assert await page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"  # the inline red is refused
    assert any("style-src" in complaint for complaint in reader.complaints)
    async with asyncio.timeout(10):  # browsers send reports when they have nothing better to do
        while not house.reports:  # noqa: ASYNC110 - what is waited for happens in the browser
            await asyncio.sleep(0.05)


async def test_a_form_is_sent_without_scripts(scriptless: Window, house: Preview) -> None:
    page = await open_page(scriptless, house, "sign-in-again")

    await page.fill("#login", "mira")
    await page.fill("#password", "four plain words here")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url("**/auth/sign-in")

    expected = f"csrf_token={CSRF}&next=%2Fauth%2Faccount&login=mira&password=four+plain+words+here"
    assert house.posts == [("/auth/sign-in", expected)]


async def test_a_password_can_be_seen_and_is_hidden_again_when_sent(reader: Window, house: Preview) -> None:
    page = await open_page(reader, house, "sign-in")
    field = page.locator("#password")

    await page.fill("#password", "four plain words here")
    await page.get_by_role("button", name="Show password").click()
    await expect(field).to_have_attribute("type", "text")
    await page.get_by_role("button", name="Hide password").click()
    await expect(field).to_have_attribute("type", "password")

    await page.get_by_role("button", name="Show password").click()
    await page.evaluate("document.addEventListener('submit', (event) => event.preventDefault(), true)")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(field).to_have_attribute("type", "password")


async def test_a_password_is_judged_while_it_is_typed(reader: Window, house: Preview) -> None:
    page = await open_page(reader, house, "register")
    words = page.locator(".words")

    await page.fill("#username", "mira")
    await page.fill("#email", "mira@example.org")
    await page.locator("#password").evaluate(TYPED_IN_ONE_GO)
    await expect(words).to_contain_text("Not accepted yet")
    await expect(words).to_contain_text("It is shorter than 12 characters.")
    await expect(words).to_contain_text("<b>This</b> is like a common password.")  # said, not run
    assert await words.get_attribute("aria-live") == "polite"
    asked = {"password": "mira1999", "username": "mira", "email": "mira@example.org", "full_name": ""}
    assert house.checks == [(CSRF, asked)]  # once, after the last key

    await page.fill("#password", "four plain words here")
    await expect(words).to_have_text("Strong password")
    assert await violations(page) == ""
    await page.fill("#password", "")
    await expect(words).to_be_empty()
    assert reader.complaints == []


async def test_an_impatient_second_press_sends_nothing(reader: Window, house: Preview) -> None:
    page = await open_page(reader, house, "account-unconfirmed")
    presses = """() => {
        const button = [...document.querySelectorAll("button")].find((b) => /again/.test(b.textContent));
        button.click(); button.click(); button.click(); return [button.textContent, button.ariaDisabled]; }"""

    state = cast("list[Any]", await page.evaluate(presses))
    await page.wait_for_url("**/auth/account/resend")

    assert state == ["Sending…", "true"]
    assert house.posts == [("/auth/account/resend", f"csrf_token={CSRF}")]


async def test_times_are_told_in_the_readers_zone_and_kept_in_utc(reader: Window, house: Preview) -> None:
    page = await open_page(reader, house, "letter")
    time = page.locator("time")

    await expect(time).to_have_text("22 Nov 2026, 17:13")
    assert await time.get_attribute("title") == "22 November 2026, 08:13 UTC"
