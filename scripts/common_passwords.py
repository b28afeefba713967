"""Writes the filter of breached passwords that comes with the package.

Run it by `.venv/bin/python -m scripts.common_passwords`. It holds every password of zxcvbn's frequency list, which was
counted in public breaches, that is long enough for some account: the top 3000 of 8 characters and more, and all of 12
and more that the list knows (OWASP ASVS 6.2.4). A test writes it anew and compares.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from ostiary.passwords.breaches.build import build
from ostiary.passwords.breaches.filter import Facts
from ostiary.passwords.breaches.service import SHIPPED

SHORTEST = 8  # with a second factor; nobody's password is shorter
DATED = "zxcvbn 4"  # the library does not say of which day its list is


def passwords() -> list[str]:
    """Return the passwords, the most common first."""
    return [password for password in FREQUENCY_LISTS["passwords"] if len(password) >= SHORTEST]


def write(out: Path) -> Facts:
    """Write the filter to a file; the same list always makes the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "list.txt"
        lines = [hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest() for password in passwords()]
        source.write_text("".join(f"{line}:1\n" for line in lines))
        return build([source], out, bits=16, dated=DATED)


if __name__ == "__main__":
    facts = write(SHIPPED)
    print(f"{SHIPPED.name}: {facts.entries} passwords, {facts.size} bytes")
