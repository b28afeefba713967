"""Ends what the tests started, even when they were killed before they could do so."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Reaper:
    """A child process that reads names of what to end, and ends it when this process is gone.

    The pipe to it closes with this process, however that dies. Each guarded process leads a
    process group of its own (`start_new_session=True`), so that its workers go with it.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def guard(self, process: subprocess.Popen[bytes]) -> None:
        """End this process and its group when we are gone."""
        self._tell(f"guard {process.pid}")

    def release(self, process: subprocess.Popen[bytes]) -> None:
        """Forget a process that has ended: its number may soon be another's."""
        self._tell(f"release {process.pid}")

    def guard_directory(self, directory: Path) -> None:
        """Remove this directory when we are gone."""
        self._tell(f"directory {directory}")

    def _tell(self, line: str) -> None:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-E", "-S", __file__], stdin=subprocess.PIPE, text=True, start_new_session=True
            )
            atexit.register(self._dismiss)
        assert self._child.stdin is not None
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()

    def _dismiss(self) -> None:
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
            self._child.wait(timeout=30)


reaper = Reaper()


def read_until_gone(lines: IO[str]) -> tuple[set[int], set[str]]:
    """Return the processes and directories that are left when the pipe closes."""
    processes: set[int] = set()
    directories: set[str] = set()
    for line in lines:
        verb, _, what = line.rstrip("\n").partition(" ")
        if verb == "guard":
            processes.add(int(what))
        elif verb == "release":
            processes.discard(int(what))
        else:
            directories.add(what)
    return processes, directories


def end_groups(leaders: Iterable[int]) -> None:
    """Ask each group to end, and kill what has not ended after three seconds."""
    left = {leader for leader in leaders if _send(leader, signal.SIGTERM)}
    deadline = time.monotonic() + 3
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {leader for leader in left if _send(leader, 0)}
    for leader in left:
        _send(leader, signal.SIGKILL)


def _send(leader: int, number: int) -> bool:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return False
    return True


if __name__ == "__main__":
    for quiet in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(OSError):
            signal.signal(quiet, signal.SIG_IGN)
    forsaken, litter = read_until_gone(sys.stdin)
    end_groups(forsaken)
    for directory in litter:
        shutil.rmtree(directory, ignore_errors=True)
