"""A fixed amount of the kind of work that the house does for a request, to weigh machines by.

On some machines an empty handler costs what it costs elsewhere, and everything else twice as much: caches are small, or
system calls dear. A ratio to the floor alone would call that a regression of the house. Nothing here calls the house,
and nothing here may be changed without recording anew: it stands still so that the house can be compared with it.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ostiary.web.visit import Scope

KEY = bytes(range(32))
ROUNDS = 3


class Yardstick:
    """Asks a database whether it changed, reads headers, digests and compares: in memory, as the hot path does."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS lengths (at INTEGER)")
        self._seen: dict[bytes, tuple[str, int]] = {}

    def measure_out(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Do it once."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        found: list[tuple[bytes, bytes]] = []
        for number in range(ROUNDS):
            headers = {name.lower(): value for name, value in scope["headers"]}
            text = ";".join(value.decode("latin-1") for value in headers.values())
            pairs = dict(part.strip().partition("=")[::2] for part in text.split(";"))
            digest = hashlib.sha256(text.encode()).digest()
            known = self._seen.setdefault(digest, (str(version), number))
            if not hmac.compare_digest(known[0], str(version)):
                self._seen.clear()
            found.append((f"x-{number}".encode(), f"{len(pairs)}-{known[1]}".encode()))
        return found
