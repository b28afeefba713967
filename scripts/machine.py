"""The system's package manager: installs a part where that needs no password, else says what to type."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.console import run_quietly, say

HERE = Path(__file__).parent
MEMORY = Path("/dev/shm")
ROOM_IN_MEMORY = 4 * 1024**3
VENV_PACKAGE = f"python3.{sys.version_info.minor}-venv"


@contextmanager
def folder_in_memory() -> Iterator[str | None]:
    """Yield a folder of our own that no disk is behind, or None where there is none with room.

    Thousands of short-lived databases wait for a slow disk longer than for anything else (70 s for 16, measured).
    """
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM_IN_MEMORY:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="ostiary-tests-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
        yield folder


@dataclass(frozen=True, slots=True)
class PackageManager:
    """A package manager, and under which names it has our parts."""

    program: str
    refresh: tuple[str, ...]
    install: tuple[str, ...]
    packages: dict[str, tuple[str, ...]] = field(hash=False)
    by_itself: bool = True  # False: say what to type, as its owner may not want it


MANAGERS = (
    PackageManager(
        "apt-get",
        ("update",),
        ("install", "-y", "--no-install-recommends"),
        {
            "venv": (VENV_PACKAGE,),
            "chromium": ("chromium", "chromium-headless-shell"),
            "certutil": ("libnss3-tools",),
            "nginx": ("nginx-light",),
            "postgresql": ("postgresql",),
            "valkey": ("redis-server",),
            "wrk": ("wrk",),
            "node": ("nodejs", "npm"),
        },
    ),
    PackageManager(
        "dnf",
        (),
        ("install", "-y"),
        {
            "chromium": ("chromium",),
            "certutil": ("nss-tools",),
            "nginx": ("nginx",),
            "postgresql": ("postgresql-server",),
            "valkey": ("valkey",),
        },
    ),
    PackageManager(
        "pacman",
        ("-Sy",),
        ("-S", "--noconfirm", "--needed"),
        {
            "chromium": ("chromium",),
            "certutil": ("nss",),
            "nginx": ("nginx",),
            "postgresql": ("postgresql",),
            "valkey": ("valkey",),
            "wrk": ("wrk",),
            "node": ("nodejs", "npm"),
        },
    ),
    PackageManager(
        "brew",
        (),
        ("install",),
        {
            "chromium": ("--cask", "google-chrome"),
            "nginx": ("nginx",),
            "postgresql": ("postgresql@17",),
            "valkey": ("valkey",),
            "wrk": ("wrk",),
            "node": ("node",),
        },
        by_itself=False,
    ),
)


@functools.cache
def find_manager() -> PackageManager | None:
    """Return this system's package manager, if it is one we know."""
    wanted = ("brew",) if platform.system() == "Darwin" else ("apt-get", "dnf", "pacman")
    return next((m for m in MANAGERS if m.program in wanted and shutil.which(m.program)), None)


@functools.cache
def privilege() -> tuple[str, ...] | None:
    """Return what to put before a command so that root runs it; None where that takes a password."""
    if os.geteuid() == 0:
        return ()
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run(["sudo", "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return ("sudo", "-n") if asked.returncode == 0 else None


def packages_for(part: str) -> tuple[str, ...]:
    """Return the names of the part's packages here; none where the manager does not have it."""
    manager = find_manager()
    if manager is None or (part == "chromium" and manager.program == "apt-get" and is_ubuntu()):
        return ()  # Ubuntu's package of that name is a stub that asks for snap, which containers do not have
    return manager.packages.get(part, ())


def is_ubuntu() -> bool:
    """Say whether this is Ubuntu or made from it."""
    try:
        return "ubuntu" in platform.freedesktop_os_release().get("ID", "")
    except OSError:
        return False


def install(part: str) -> bool:
    """Install the part if that takes neither a password nor a decision of the machine's owner."""
    manager, packages, before = find_manager(), packages_for(part), privilege()
    if manager is None or not packages or before is None or not manager.by_itself:
        return False
    say(f"{manager.program} installs {' '.join(packages)} (up to a minute or two)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _refresh_once(manager, before)
    return run_quietly([*before, manager.program, *manager.install, *packages], cwd=HERE, env=environment)


def what_to_type(part: str) -> str:
    """Return the command that installs the part, for a person to type."""
    manager, packages = find_manager(), packages_for(part)
    if manager is None or not packages:
        return f"install {part} by hand"
    sudo = "" if manager.program == "brew" else "sudo "
    return f"{sudo}{manager.program} {manager.install[0]} {' '.join(packages)}"


@functools.cache
def _refresh_once(manager: PackageManager, before: tuple[str, ...]) -> None:
    if manager.refresh:
        run_quietly([*before, manager.program, *manager.refresh], cwd=HERE)
