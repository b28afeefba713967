#!/usr/bin/env python3
"""Every command of a checkout: `python3 tasks.py help` lists them. Needs nothing but Python."""

from __future__ import annotations

import os
import shutil
import sys

OLDEST = (3, 11)


def find_newer_python() -> str | None:
    """Return a `python3.N` of this machine that is new enough, the newest first."""
    names = (f"python3.{minor}" for minor in range(20, OLDEST[1] - 1, -1))
    return next((path for path in map(shutil.which, names) if path), None)


def main() -> None:
    """Run the command, with another Python of this machine where this one is too old."""
    if sys.version_info < OLDEST:  # this file stays readable for any Python 3.7, to get as far as this line
        newer = find_newer_python()
        if newer is None:
            sys.exit(
                f"Ostiary needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}).\n"
                "Install a newer one, for example with your system's package manager, and run this again."
            )
        os.execv(newer, [newer, *sys.argv])  # noqa: S606  no shell is wanted
    from scripts import commands  # noqa: PLC0415  only readable for a Python that is new enough

    sys.exit(commands.run(sys.argv[1:]))


if __name__ == "__main__":
    main()
