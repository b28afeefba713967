"""The priority of threads that compute for long."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress


def be_nice(niceness: int) -> None:
    """Lower the calling thread's priority, so that requests go before hashes.

    Linux takes a thread's id where POSIX says process; elsewhere the same number
    would be a stranger's process, and the threads keep their priority.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + niceness))
