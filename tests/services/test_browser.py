from __future__ import annotations

import asyncio
import http.server
import threading
from typing import TYPE_CHECKING

import pytest
from tests.services.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page


class Door(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>a door</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def door() -> Iterator[str]:
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
async def something_asynchronous() -> str:
    await asyncio.sleep(0)
    return "ready"


def test_the_browser_reaches_this_machine(page: Page, door: str) -> None:
    page.goto(door)
    assert page.title() == "a door"


async def test_asynchronous_tests_run_after_browser_tests() -> None:
    await asyncio.sleep(0)
    assert asyncio.get_running_loop().is_running()


def test_a_browser_test_may_use_asynchronous_fixtures(something_asynchronous: str, page: Page, door: str) -> None:
    page.on("load", lambda loaded: loaded.evaluate("document.title = 'seen'"))
    page.goto(door)
    page.wait_for_function("document.title === 'seen'")
    assert something_asynchronous == "ready"


def test_the_browser_reaches_no_other_machine(page: Page) -> None:
    from playwright.sync_api import Error  # noqa: PLC0415  the other tests need no such import

    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://ostiary.example/")
