"""The chat: by real WebSockets over a real server, and once in a browser."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect
from tests.examples.servers import example
from tests.house import API, PASSWORD
from tests.integrations.hosts import Browser
from tests.integrations.sockets.peers import NOT_ALLOWED, NOT_SIGNED_IN, code_of, opened, socket_to
from websockets.asyncio.client import ClientConnection

APP = "examples.websocket_chat:app"
ACCESS = "__Host-access_token"
KEEP_COMPLAINTS = """
window.complaints = [];
addEventListener("securitypolicyviolation", (event) => complaints.push(event.violatedDirective));
addEventListener("error", (event) => complaints.push(event.message));
"""
SIGN_OUT = f"""async () => {{
  const {{ csrfToken }} = await (await fetch("{API}/csrf")).json();
  return (await fetch("{API}/logout", {{ method: "POST", headers: {{ "X-CSRF-Token": csrfToken }} }})).status;
}}"""


async def heard(socket: ClientConnection, wanted: str) -> dict[str, Any]:
    """Return the next message that has this member."""
    async with asyncio.timeout(10):
        while wanted not in (found := json.loads(await socket.recv())):
            pass
    return dict(found)


async def test_two_people_talk_until_a_session_ends(tmp_path: Path) -> None:
    with example("uvicorn", APP, tmp_path / "data") as running:
        port = int(running.url.rpartition(":")[2])
        async with httpx.AsyncClient(base_url=running.url) as first, httpx.AsyncClient(base_url=running.url) as second:
            mira, otto = Browser(first, running.url), Browser(second, running.url)
            away = await mira.send("GET", "/", headers={"accept": "text/html"})
            assert away.headers["location"] == "/auth/sign-in?next=/"
            await mira.sign_up("mira")
            await otto.sign_up("otto")
            await page_allows_nothing_that_stands_in_it(mira)

            hers, his = mira.cookies[ACCESS], otto.cookies[ACCESS]
            assert await opened(port, "/chat", origin=running.url) == NOT_SIGNED_IN
            assert await opened(port, "/chat", cookie="nonsense", origin=running.url) == NOT_SIGNED_IN
            assert await opened(port, "/chat", cookie=hers, origin="https://evil.example") == NOT_ALLOWED
            assert await opened(port, "/chat", cookie=hers, origin=None) == NOT_SIGNED_IN

            async with (
                socket_to(port, "/chat", cookie=hers, origin=running.url) as one,
                socket_to(port, "/chat", cookie=his, origin=running.url) as other,
            ):
                while (await heard(one, "here"))["here"] != ["mira", "otto"]:
                    pass
                await one.send("<script>alert(1)</script>")
                await one.send(b"\x00\xff")  # neither this nor an empty line is worth a word
                await one.send("   ")
                await one.send("Nice weather.")
                for socket in (one, other):
                    assert await heard(socket, "from") == {"from": "mira", "text": "<script>alert(1)</script>"}
                    assert await heard(socket, "from") == {"from": "mira", "text": "Nice weather."}
                await other.send("x" * 2000)  # not before: of two sockets either may be read first
                for socket in (one, other):
                    assert await heard(socket, "from") == {"from": "otto", "text": "x" * 500}

                begun = time.monotonic()
                await mira.sign_out()
                assert await code_of(one) == NOT_SIGNED_IN
                assert time.monotonic() - begun < 2
                assert (await heard(other, "here"))["here"] == ["otto"]
                await other.send("still here")
                assert (await heard(other, "from"))["text"] == "still here"
            assert await opened(port, "/chat", cookie=hers, origin=running.url) == NOT_SIGNED_IN
        assert "Traceback" not in running.log.read_text()


async def page_allows_nothing_that_stands_in_it(browser: Browser) -> None:
    page = await browser.send("GET", "/", headers={"accept": "text/html"})
    assert "You are mira." in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page.text) == [""]
    assert not re.search(r"<style|\son\w+=|style=", page.text)
    script = (await browser.send("GET", "/chat.js")).text
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)


def test_a_person_with_a_browser_talks_and_is_signed_out_in_another_tab(page: Page, tmp_path: Path) -> None:
    page.context.add_init_script(KEEP_COMPLAINTS)
    with example("granian", APP, tmp_path / "data") as running:
        page.goto(f"{running.url}/auth/register")
        page.locator("input[name=username]").fill("mira")
        page.locator("input[name=email]").fill("mira@example.org")
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("input[name=password]").press("Enter")
        expect(page).to_have_url(f"{running.url}/auth/check-mail")

        page.goto(running.url)
        expect(page.get_by_text("Here: mira.")).to_be_visible()
        page.get_by_label("Your words").fill("<b>It rained.</b>")
        page.get_by_role("button", name="Say").click()
        expect(page.get_by_role("listitem")).to_have_text("mira <b>It rained.</b>")
        expect(page.get_by_label("Your words")).to_be_empty()

        other = page.context.new_page()
        other.goto(running.url)  # a second tab reads what was said
        expect(other.get_by_role("listitem")).to_have_text("mira <b>It rained.</b>")
        assert other.evaluate(SIGN_OUT) == 200
        for tab in (page, other):
            expect(tab.get_by_text("You are signed out.")).to_be_visible()
            assert tab.evaluate("complaints") == []
        page.get_by_role("link", name="Sign in again").click()
        expect(page).to_have_url(f"{running.url}/auth/sign-in?next=/")
