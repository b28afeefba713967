"""Lists of breached passwords, as the public ones are written, and filters of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ostiary.passwords.breaches.build import build
from ostiary.passwords.breaches.filter import Bits

LOST = "seventeen purple walruses"
"""A password that the policy would take, if no breach knew it."""


def sha1(password: str) -> str:
    """Return a password's SHA-1 as lists show it."""
    return hashlib.sha1(password.encode()).hexdigest().upper()


def made_up(count: int) -> list[str]:
    """Return so many passwords, the same each time."""
    return [f"password number {number}" for number in range(count)]


def a_list(path: Path, passwords: Iterable[str], count: int = 3) -> Path:
    """Write a list of passwords that were found so often."""
    path.write_text("".join(f"{sha1(password)}:{count}\n" for password in passwords))
    return path


def a_filter(path: Path, *passwords: str, bits: Bits = 16) -> Path:
    """Write a filter of these passwords."""
    source = a_list(path.with_suffix(".list"), passwords)
    build([source], path, bits=bits)
    source.unlink()
    return path
