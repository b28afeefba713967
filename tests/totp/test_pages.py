"""Authenticator apps and recovery codes as pages, by a browser that runs no scripts."""

from __future__ import annotations

import base64
import functools
import re

import httpx
import pytest
from tests.contract.browser import ACCESS, Browser, form_token
from tests.house import letter_to, strengthened
from tests.passkeys.steps import add, owner
from tests.totp.steps import App, is_set_up

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

HERE, CODES = "/auth/totp", "/auth/recovery-codes"


@pytest.fixture
def storage() -> str:
    """One will do."""
    return "sqlite"


@pytest.fixture
async def visitor(house: Ostiary, outside: httpx.AsyncClient) -> Browser:
    """Somebody with a proven address, signed in just now."""
    await owner(house, outside)
    found = Browser(outside)
    signed_in = await found.sign_in()
    await strengthened(house, signed_in.json())
    del found.cookies[ACCESS]  # the page's own cookie brings one that says so
    return found


async def press(browser: Browser, shown: httpx.Response, path: str, **fields: str) -> httpx.Response:
    """Send a form of the page that is shown."""
    return await browser.post(path, csrf=False, data={"csrf_token": form_token(shown), **fields})


def app_of(house: Ostiary, shown: httpx.Response) -> App:
    """Type the key off the page."""
    found = re.search(r"<code>((?:[A-Z2-7]{4} ){7}[A-Z2-7]{4})</code>", shown.text)
    assert found, shown.text
    return App(base64.b32decode(found[1].replace(" ", "")), house)


def codes_in(shown: httpx.Response) -> list[str]:
    return re.findall(r"<li><code>([0-9A-Z-]{29})</code></li>", shown.text)


async def test_set_up_mistyped_confirmed_and_removed(house: Ostiary, visitor: Browser, clock: ManualClock) -> None:
    shown = await visitor.get(HERE)
    assert "Not set up" in shown.text
    shown = await press(visitor, shown, f"{HERE}/begin")
    app = app_of(house, shown)
    assert '<div class="qr" role="img"' in shown.text
    assert shown.headers["cache-control"] == "no-store"

    shown = await press(visitor, shown, f"{HERE}/confirm", code=app.wrong())
    assert shown.status_code == 422
    assert "not the code that the app shows" in shown.text
    assert app_of(house, shown) == app  # the same key: it stands in the app already
    shown = await press(visitor, shown, f"{HERE}/confirm", code=f"{app.code()[:3]} {app.code()[3:]}")

    assert shown.status_code == 200
    assert len(codes_in(shown)) == 10
    # Beside the codes: four letters of a key stand in one of ten codes by chance.
    beside = functools.reduce(lambda text, code: text.replace(code, ""), codes_in(shown), shown.text)
    assert base64.b32encode(app.secret).decode()[:4] not in beside
    again = await visitor.get(HERE)
    assert "Set up</span>" in again.text
    assert codes_in(again) == []  # shown once
    assert "factor was set up" in (await letter_to(house, "mira@example.org", "factor")).subject
    gone = await press(visitor, again, f"{HERE}/remove")
    assert (gone.status_code, gone.headers["location"]) == (303, HERE)
    assert (await press(visitor, again, f"{HERE}/remove")).status_code == 303  # what was asked for
    assert not await is_set_up(house)


async def test_codes_are_counted_renewed_and_saved(house: Ostiary, visitor: Browser) -> None:
    shown = await press(visitor, await visitor.get(HERE), f"{HERE}/begin")
    first = codes_in(await press(visitor, shown, f"{HERE}/confirm", code=app_of(house, shown).code()))
    assert "10 of 10 left" in (await visitor.get(CODES)).text

    shown = await press(visitor, await visitor.get(CODES), CODES)

    codes = codes_in(shown)
    assert len(codes) == 10
    assert not set(codes) & set(first)
    sent = re.search(r'name="codes" value="([^"]+)"', shown.text)
    assert sent
    saved = await press(visitor, shown, f"{CODES}/text", codes=sent[1])
    assert saved.headers["content-disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert saved.headers["content-type"] == "text/plain; charset=utf-8"
    assert saved.headers["cache-control"] == "no-store"
    assert saved.text.splitlines()[2:] == codes


@pytest.mark.parametrize(
    "sent", ["", "hello", "A" * 24 + " <script>", " ".join(["A" * 24] * 11), "A" * 2000, "U" * 24, "\x00", "é" * 24]
)
async def test_nothing_but_codes_is_handed_back_as_a_file(visitor: Browser, sent: str) -> None:
    answer = await press(visitor, await visitor.get(CODES), f"{CODES}/text", codes=sent)
    assert (answer.status_code, answer.headers["location"]) == (303, CODES)


async def test_without_a_second_factor_there_are_no_codes(visitor: Browser) -> None:
    shown = await visitor.get(CODES)
    assert "No codes" in shown.text

    refused = await press(visitor, shown, CODES)

    assert refused.status_code == 409
    assert "no second factor" in refused.text


async def test_who_has_a_passkey_makes_codes_here(house: Ostiary, outside: httpx.AsyncClient, visitor: Browser) -> None:
    await visitor.get(CODES)
    bearing = {"authorization": f"Bearer {visitor.cookies[ACCESS]}"}
    await add(outside, bearing)

    shown = await press(visitor, await visitor.get(CODES), CODES)

    assert len(codes_in(shown)) == 10
    assert not await is_set_up(house)


async def test_a_code_for_nothing_begun_and_one_too_many_are_said(house: Ostiary, visitor: Browser) -> None:
    shown = await visitor.get(HERE)
    answer = await press(visitor, shown, f"{HERE}/confirm", code="123456")
    assert answer.status_code == 409
    assert "Please begin anew" in answer.text
    shown = await press(visitor, shown, f"{HERE}/begin")
    wrong = app_of(house, shown).wrong()
    answers = [await press(visitor, shown, f"{HERE}/confirm", code=wrong) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [422] * 4 + [429]
    assert int(answers[-1].headers["retry-after"]) == 900


async def test_pages_and_forms_want_a_sign_in_just_now(visitor: Browser, clock: ManualClock) -> None:
    shown = await visitor.get(HERE)
    clock.advance(minutes=11)

    for path in (HERE, CODES):
        answer = await visitor.get(path)
        assert answer.headers["location"] == f"/auth/step-up?next={path}"
    for path in (f"{HERE}/begin", f"{HERE}/confirm", f"{HERE}/remove", CODES):
        answer = await press(visitor, shown, path, code="123456")
        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/step-up")


async def test_another_sites_form_does_nothing(house: Ostiary, visitor: Browser) -> None:
    shown = await visitor.get(HERE)
    visitor.origin, visitor.fetch_site = "https://evil.example", "cross-site"
    for path in (f"{HERE}/begin", f"{HERE}/confirm", f"{HERE}/remove", CODES):
        assert (await press(visitor, shown, path, code="123456")).status_code == 403
    assert not await is_set_up(house)
