"""How long a thread may keep a processor while others wait: who has just been asked goes before who computes."""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from typing import Final

SHORT: Final = 100_000
"""Of threads that wake up, do a little and sleep again. The shortest turn that Linux grants, in nanoseconds."""

LONG: Final = 100_000_000
"""Of threads that compute: whoever wakes up goes first. The longest turn that Linux grants."""

_SET: Final = {"x86_64": 314, "aarch64": 274}
"""Numbers of `sched_setattr(2)`, for which C libraries have no function of their own; `sched_getattr` is the next."""

_LAYOUT: Final = "IIQiIQQQ"
_RUNTIME: Final = 5


def ask_for_turns(nanoseconds: int) -> bool:
    """Let this thread, and those that it starts from now on, take turns of so long; return whether it may.

    Linux lets whoever runs finish a turn before somebody who wakes up, unless the latter's turns are shorter, and looks
    again only with the next tick of its clock, up to four milliseconds later. Since version 6.12 a thread may choose.
    It gets neither more nor less of the processor by that, only sooner or later.

    Args:
        nanoseconds: From `SHORT` to `LONG`.
    """
    number = _SET.get(platform.machine()) if sys.platform == "linux" else None
    if number is None:
        return False
    syscall = ctypes.CDLL(None).syscall
    size = struct.calcsize(_LAYOUT)
    told = ctypes.create_string_buffer(size)
    if syscall(number + 1, 0, told, size, 0) != 0:
        return False
    attributes = list(struct.unpack(_LAYOUT, told.raw))
    attributes[_RUNTIME] = nanoseconds
    return bool(syscall(number, 0, ctypes.create_string_buffer(struct.pack(_LAYOUT, *attributes), size), 0) == 0)
