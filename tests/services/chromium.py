"""Finds the Chromium that the browser tests drive."""

from __future__ import annotations

import os
import platform
import shutil
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tests.services.parts import version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# The browser talks to this machine only: every other name fails to resolve.
ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
    "--no-first-run",
)
PATIENCE_MILLISECONDS = 30_000
"""How long tests wait for what a page should show: a busy machine stands still for longer than Playwright's five
seconds."""
WHOLE = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SHELLS = (
    "chromium_headless_shell-*/chrome-headless-shell-*/chrome-headless-shell",
    "chromium_headless_shell-*/chrome-*/headless_shell",  # as they were packed before
)
BROWSERS = ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*")
"""Where Playwright keeps what it fetched."""

BINDING_ARGUMENTS = (
    *ARGUMENTS,
    "--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
)
BINDING_PROGRAM = Path("chromium-150", "usr", "lib", "chromium", "chromium")


def find_headless_chromium() -> Path | None:
    """Return a Chromium to show pages in: the shell without a window that starts, else the whole browser.

    The shell is the same engine without what surrounds a window, and takes two thirds of the processor time.
    """
    shells = chain(_on_path("chromium-headless-shell"), _fetched_by_playwright(*SHELLS))
    return _that_starts(shells) or find_chromium()


def find_chromium() -> Path | None:
    """Return the first whole Chromium that starts: the system's, else the one Playwright fetched.

    Its shell sends no reports (Reporting API), for one.
    """
    return _that_starts(chain(_on_path(*WHOLE), _in_applications(), _fetched_by_playwright(*BROWSERS)))


def find_binding_chromium() -> Path | None:
    """Return a Chromium that registers device-bound sessions with software keys: as told, else from its usual place.

    The current ones do not; docs/contributing/testing.md says which does, and how to get it.
    """
    told = os.environ.get("OSTIARY_BINDING_CHROMIUM")
    candidate = Path(told) if told else Path.home() / ".cache" / "ostiary-tests" / BINDING_PROGRAM
    return candidate if version_of(candidate) else None


def find_certutil() -> Path | None:
    """Return NSS's certutil, which makes Chromium on Linux trust a test authority."""
    found = shutil.which("certutil")
    return Path(found) if found else None


def _that_starts(candidates: Iterator[Path]) -> Path | None:
    return next((candidate for candidate in candidates if version_of(candidate)), None)


def _on_path(*names: str) -> Iterator[Path]:
    for name in names:
        if found := shutil.which(name):
            yield Path(found)


def _in_applications() -> Iterator[Path]:
    if platform.system() == "Darwin":
        for name in ("Chromium", "Google Chrome"):
            for home in (Path("/Applications"), Path.home() / "Applications"):
                program = home / f"{name}.app" / "Contents" / "MacOS" / name
                if program.exists():
                    yield program


def _fetched_by_playwright(*places: str) -> Iterator[Path]:
    mac = platform.system() == "Darwin"
    cache = Path.home() / ("Library/Caches" if mac else ".cache") / "ms-playwright"
    for place in places:
        yield from sorted(cache.glob(place), reverse=True)
