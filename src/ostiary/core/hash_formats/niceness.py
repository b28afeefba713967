"""The priority of threads that compute for long."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress


def be_nice(niceness: int) -> None:
    """Lower the calling thread's priority and let it take long turns, so that requests go before hashes.

    The priority decides who gets more of the processor, the length of turns who comes first.

    Linux takes a thread's id where POSIX says process; elsewhere the same number
    would be a stranger's process, and the threads keep their priority.
    """
    if sys.platform == "linux":
        from ostiary.core.turns import LONG, ask_for_turns  # noqa: PLC0415 - imported beside requests, not before them

        ask_for_turns(LONG)
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + niceness))
