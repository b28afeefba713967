"""A fair lock between processes that write one SQLite file."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Turnstile:
    """Lets one process write at a time, in the order in which they came to the door.

    SQLite's own waiting is polling: a busy process can starve its neighbour
    until that one gives up with "database is locked". Two kernel locks cure
    it: who waits to enter holds the door, so the one leaving cannot slip in
    again before them.
    """

    def __init__(self, database: Path) -> None:
        self._door = os.open(f"{database}-door", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._room = os.open(f"{database}-room", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_enter(self) -> bool:
        """Enter if nobody is inside or waiting; return whether that was so."""
        try:
            fcntl.flock(self._door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            fcntl.flock(self._room, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._door, fcntl.LOCK_UN)
        return True

    def enter(self) -> None:
        """Wait for the turn; blocks the calling thread."""
        fcntl.flock(self._door, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._room, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._door, fcntl.LOCK_UN)

    def leave(self) -> None:
        """Let the next one in."""
        fcntl.flock(self._room, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the locks back; the kernel does the same when a process dies."""
        os.close(self._door)
        os.close(self._room)
