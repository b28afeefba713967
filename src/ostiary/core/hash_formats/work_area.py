"""The Argon2 computation itself, in memory that a hash thread keeps and reuses."""

from __future__ import annotations

import mmap
import sys
import threading
from dataclasses import dataclass
from typing import Any

from argon2.exceptions import HashingError
from argon2.low_level import Type, core, error_to_str, ffi, hash_secret_raw

VERSION = 0x13
"""Argon2 version 1.3, the one of RFC 9106."""

_HUGE_PAGE = 2 * 1024 * 1024
_CLEAR_PASSWORD = 1
"""`ARGON2_FLAG_CLEAR_PASSWORD`: the library wipes our copy once it is absorbed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one Argon2 hash takes (RFC 9106 section 3.1: y, v, m, t, p)."""

    kind: Type
    version: int
    memory_kib: int
    passes: int
    lanes: int


class WorkArea:
    """Memory for one hash at a time, on huge pages, owned by one thread.

    A fresh 19 MiB for each hash costs thousands of page faults; a kept area
    costs none. The library overwrites it with zeros before it gives it back,
    so nothing of one password is left for the next; a core dump leaves it out.
    """

    def __init__(self, memory_kib: int) -> None:
        """Reserve the area; pages are only taken when the first hash writes them.

        Raises:
            OSError: The system grants no such mapping.
            MemoryError: It allows no call-backs (hardened kernels) or has no memory.
        """
        self.size = memory_kib * 1024
        pages = -(-self.size // _HUGE_PAGE) + 1  # one more, to begin on a boundary
        # Private: Python's own default is a shared mapping, which gets no huge pages.
        self._mapping = mmap.mmap(-1, pages * _HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if sys.platform == "linux":
            self._mapping.madvise(mmap.MADV_HUGEPAGE)
            self._mapping.madvise(mmap.MADV_DONTDUMP)
        self._buffer = ffi.from_buffer(self._mapping)
        begin = int(ffi.cast("uintptr_t", self._buffer))
        start = ffi.cast("uint8_t *", -(-begin // _HUGE_PAGE) * _HUGE_PAGE)

        def allocate(memory: Any, size: int) -> int:  # noqa: ARG001, ANN401, RUF100 - the C signature
            memory[0] = start
            return 0

        def keep(memory: Any, size: int) -> None:  # noqa: ANN401 - a C pointer
            """Called instead of free()."""

        self.start = start
        self.allocate = ffi.callback("int(uint8_t **, size_t)", allocate)
        self.free = ffi.callback("void(uint8_t *, size_t)", keep)

    def give_back(self) -> None:
        """Return the pages to the system until the next hash."""
        self._mapping.madvise(mmap.MADV_DONTNEED)


_here = threading.local()


def keep_area(memory_kib: int) -> bool:
    """Give the calling thread an area of its own; say whether there is one now.

    Only on Linux, where it was measured to pay; elsewhere, and where the system
    refuses, each hash takes its memory from the allocator.
    """
    _here.area = None
    if sys.platform == "linux" and _CONTEXT_WORKS:
        try:
            _here.area = WorkArea(memory_kib)
        except (OSError, MemoryError, ValueError):
            return False
    return _here.area is not None


def give_back_area() -> None:
    """Return the pages of the calling thread's area, if it has one."""
    area: WorkArea | None = getattr(_here, "area", None)
    if area is not None:
        area.give_back()


def derive(
    password: bytes, salt: bytes, cost: Cost, length: int, *, secret: bytes = b"", associated: bytes = b""
) -> bytes:
    """Return the Argon2 tag (RFC 9106 section 3); releases the GIL meanwhile.

    All lanes are computed by the calling thread: the pool hands out the cores.

    Args:
        password: Message P.
        salt: Nonce S, 8 bytes or more.
        cost: Variant, version, memory, passes and lanes.
        length: Of the tag, in bytes.
        secret: Key K; not part of a PHC string.
        associated: Data X; not part of a PHC string.

    Raises:
        MemoryError: The memory cannot be had.
        ValueError: The library refuses a parameter.
    """
    if not _CONTEXT_WORKS:
        assert not secret
        assert not associated
        try:
            return hash_secret_raw(
                password, salt, cost.passes, cost.memory_kib, cost.lanes, length, cost.kind, version=cost.version
            )
        except HashingError as error:  # parameters are in bounds, so that memory is what can be short
            raise MemoryError(str(error)) from None
    return _derive_in_context(password, salt, cost, length, secret=secret, associated=associated)


def _derive_in_context(
    password: bytes, salt: bytes, cost: Cost, length: int, *, secret: bytes, associated: bytes
) -> bytes:
    tag = ffi.new("uint8_t[]", length)
    inputs = [ffi.new("uint8_t[]", octets) for octets in (password, salt, secret, associated)]  # kept alive here
    context = ffi.new("argon2_context *")
    context.out, context.outlen = tag, length
    context.pwd, context.pwdlen = inputs[0], len(password)
    context.salt, context.saltlen = inputs[1], len(salt)
    context.secret, context.secretlen = inputs[2], len(secret)
    context.ad, context.adlen = inputs[3], len(associated)
    context.t_cost, context.m_cost = cost.passes, cost.memory_kib
    context.lanes, context.threads = cost.lanes, 1
    context.version, context.flags = cost.version, _CLEAR_PASSWORD
    area: WorkArea | None = getattr(_here, "area", None)
    if area is not None and cost.memory_kib * 1024 <= area.size:
        context.allocate_cbk, context.free_cbk = area.allocate, area.free
    outcome = core(context, cost.kind.value)
    if outcome == _NO_MEMORY:
        raise MemoryError(error_to_str(outcome))
    if outcome != 0:
        raise ValueError(error_to_str(outcome))
    return bytes(ffi.buffer(tag, length))


_NO_MEMORY = -22
"""`ARGON2_MEMORY_ALLOCATION_ERROR`"""


def _context_works() -> bool:
    """Compare the context interface with the ordinary one on a hash of 32 KiB.

    The layout of the context may change with any release of the library; then
    this says no and the ordinary interface serves, at some per cent of speed.
    """
    cost = Cost(Type.ID, VERSION, memory_kib=32, passes=1, lanes=4)
    expected = hash_secret_raw(b"password", b"saltsalt", 1, 32, 4, 16, Type.ID)
    try:
        return _derive_in_context(b"password", b"saltsalt", cost, 16, secret=b"", associated=b"") == expected
    except (AttributeError, TypeError, ValueError, MemoryError):
        return False


_CONTEXT_WORKS = _context_works()
