"""What the tests need besides Python, and what to say when a part is not there."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is not a Python library, under the name that `--without` takes."""

    name: str
    remedy: str


CHROMIUM = Part("chromium", "install Chromium, for example `apt-get install chromium chromium-headless-shell`")
CERTUTIL = Part("certutil", "install the tools of NSS, for example `apt-get install libnss3-tools`")
POSTGRESQL = Part("postgresql", "install PostgreSQL, for example `apt-get install postgresql`")
NGINX = Part("nginx", "install nginx, for example `apt-get install nginx-light`")
WRK = Part("wrk", "install wrk, for example `apt-get install wrk`")
VALKEY = Part("valkey", "install Valkey or Redis, for example `apt-get install redis-server`")
OIDC_PROVIDER = Part("oidc-provider", "install Node and type `npm ci` in tests/counterparts/oidc")


def do_without(part: Part) -> NoReturn:
    """Fail the test that needs the part; skip it only where somebody said so on purpose."""
    if part.name in os.environ.get("OSTIARY_WITHOUT", "").split(","):
        pytest.skip(f"run without {part.name}, as asked")
    pytest.fail(f"{part.name} is missing: {part.remedy}, or run `python3 tasks.py test`, which does it", pytrace=False)


def version_of(program: Path) -> str | None:
    """Return what the program says of itself; None if it does not even start (a missing library, a stub)."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip().splitlines()[0] if said.returncode == 0 and said.stdout.strip() else None
