"""People, their devices, and what they do at the door."""

from __future__ import annotations

import itertools
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect
from tests.services.chromium import PATIENCE_MILLISECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Response
    from tests.services.server_process import ServerProcess

API = "/api/v1/auth"
PASSWORD = "correct horse battery"
NEW_PASSWORD = "another battery staple"

LAPTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/19.0 Mobile/15E148 Safari/604.1"
)

# Chromium says so in the console itself; this makes sure of it where it reports no other way.
TELL_OF_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`policy violated: ${event.effectiveDirective} by ${event.blockedURI} ${event.sample}`));"""
REFUSED = "Failed to load resource: the server responded with a status of "

_numbers = itertools.count(1)


def somebody() -> str:
    """Return a username that nobody in this test process has had."""
    return f"mira-{next(_numbers)}"


def address_of(name: str) -> str:
    return f"{name}@example.org"


@dataclass
class Device:
    """A browser of somebody's, and what its console has said."""

    context: BrowserContext
    house: ServerProcess
    said: list[tuple[str, str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(PATIENCE_MILLISECONDS)
        self.context.add_init_script(TELL_OF_VIOLATIONS)
        self.context.on("page", self._listen)
        self.page = self.context.new_page()

    def _listen(self, page: Page) -> None:
        page.on("response", self._note_refusal)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.said.append((page.url, str(error))))

    def _note_refusal(self, answer: Response) -> None:
        if answer.status >= 400 and answer.request.is_navigation_request():
            self.refused.add(answer.url)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type in {"error", "warning"}:
            self.said.append((said.location["url"], said.text))

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings of every page so far, but that a page came with a status of refusal: that is meant."""
        return [f"{url}: {text}" for url, text in self.said if not (text.startswith(REFUSED) and url in self.refused)]

    def go(self, path: str) -> Page:
        """Go to a page of the house in the device's first tab."""
        self.page.goto(self.house.url + path)
        return self.page

    def at(self, path: str) -> None:
        """Expect to be at a page of the house, whatever its query."""
        self.page.wait_for_url(re.compile(re.escape(self.house.url + path) + r"(\?.*)?$"))

    def register(self, name: str, password: str = PASSWORD) -> None:
        """Register as somebody and arrive at the advice to look for a letter."""
        page = self.go("/auth/register")
        page.get_by_role("textbox", name="Username").fill(name)
        page.get_by_label("Email address").fill(address_of(name))
        password_field(page).fill(password)
        page.get_by_role("button", name="Create account").click()
        self.at("/auth/check-mail")

    def join(self, name: str) -> None:
        """Be somebody new, without the pages: for tests that are about what comes later."""
        body = {"username": name, "email": address_of(name), "password": PASSWORD}
        answer = self.context.request.post(f"{self.house.url}{API}/register", data=body)
        assert answer.status == 201, answer.text()

    def sign_in(self, login: str, password: str = PASSWORD, *, going_to: str = "/auth/account") -> None:
        """Fill in the form of the sign-in page that is shown, and arrive."""
        self.page.get_by_label("Username or email address").fill(login)
        password_field(self.page).fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.at(going_to)

    def confirm(self, name: str) -> None:
        """Follow the link in the letter to somebody, and press the button there."""
        self.page.goto(link_in(letter_to(self.house, name, "Confirm")))
        self.page.get_by_role("button", name="Confirm this address").click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Your address is confirmed")

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="Sign out").click()
        self.at("/auth/signed-out")

    def cookies(self) -> dict[str, Mapping[str, Any]]:
        """Return every cookie by its name."""
        return {cookie["name"]: cookie for cookie in self.context.cookies()}


def password_field(page: Page) -> Locator:
    """Return the field called Password; its button to show it has a name of the same beginning."""
    return page.get_by_role("textbox", name="Password", exact=True)


def letters(house: ServerProcess) -> list[dict[str, str]]:
    """Return every letter in the development mailbox, the newest first."""
    found: list[dict[str, str]] = httpx.get(f"{house.url}/dev/mailbox.json").raise_for_status().json()["letters"]
    return found


def letter_to(house: ServerProcess, name: str, about: str) -> dict[str, str]:
    """Wait for the newest letter to somebody whose subject holds `about`."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        for letter in letters(house):
            if letter["to"] == address_of(name) and about in letter["subject"]:
                return letter
        time.sleep(0.05)
    raise AssertionError(f"no letter to {name} about {about}")


def link_in(letter: Mapping[str, str], page: str = "confirm") -> str:
    found = re.search(rf"https?://\S+/auth/{page}\?token=\S+", letter["text"])
    assert found, letter["text"]
    return found[0]


FIND_VIOLATIONS = "axe.run({ resultTypes: ['violations'] }).then((found) => found.violations)"
"""What passed stays in the page: it is much, and nobody reads it."""


def violations(page: Page) -> list[str]:
    """Return what axe finds wrong with the page as it is shown, one line each."""
    page.wait_for_load_state()  # a click has waited for the first bytes of the next page only
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in page.evaluate(FIND_VIOLATIONS)
        for node in violation["nodes"]
    ]


def pictures_are_wanted() -> bool:
    return "OSTIARY_SCREENSHOTS" in os.environ


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page in the folder that was asked for."""
    page.screenshot(path=Path(os.environ["OSTIARY_SCREENSHOTS"]) / f"{name}.png", full_page=True)


class Program(httpx.Client):
    """A program that keeps cookies as browsers do: `Secure` ones also on http://localhost."""

    def __init__(self, house: ServerProcess, agent: str) -> None:
        super().__init__(base_url=house.url, headers={"user-agent": agent})
        self.held: dict[str, str] = {}

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Send with the cookies that are held, and keep those that come."""
        if self.held:
            request.headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.held.items())
        answer = super().send(request, **options)
        for header in answer.headers.get_list("set-cookie"):
            pair, _, attributes = header.partition(";")
            name, _, value = pair.partition("=")
            self.held[name] = value
            if "Max-Age=0" in attributes:
                del self.held[name]
        return answer

    def csrf(self) -> dict[str, str]:
        """Fetch a token and return the header that repeats it."""
        return {"x-csrf-token": self.get(f"{API}/csrf").json()["csrfToken"]}
