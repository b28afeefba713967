"""The file of breached passwords: read with three bytes or words a question, and never believed unseen.

Its format is told in docs/decisions/0020-filter-of-breached-passwords.md.
"""

from __future__ import annotations

import hashlib
import os
import struct
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

MAGIC = b"ostiary\xbf"
VERSION = 1
HEADER = struct.Struct("<8sHHIQQ16s")
ROW = struct.Struct("<QQIIII16s")
SEAL_BYTES = 32
MOST_SHARDS = 1 << 20
RESIDENT_BYTES = 1 << 20
"""Files up to this size are held in memory: a question then waits for no disk."""
CHECKED_AT_START = 64 << 20
"""Files up to this size are read whole when they are opened; of larger ones each shard before it first answers."""

Bits = Literal[8, 16]
_M64 = (1 << 64) - 1


class FilterDamaged(Exception):  # noqa: N818 - reads as what it says
    """The file is not, or no longer, what `ostiary breach build` wrote; the message says how it can be seen."""


class Shard(NamedTuple):
    """One binary fuse filter of the file: where it lies and how it is asked.

    The names of the numbers are those of Graf and Lemire, "Binary Fuse
    Filters", ACM JEA 27 (2022).
    """

    seed: int
    offset: int
    entries: int
    segment_length: int
    segment_count_length: int
    array_length: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """What a filter says of itself.

    Attributes:
        bits: Of each fingerprint; a stranger's password is mistaken for a breached one once in 2 to the power of it.
        shards: A power of two; the first bits of a key say which.
        entries: Passwords in it.
        size: Bytes of the file.
        dated: The day of the list that it was built from.
        seal: BLAKE2b of all that the file holds, by way of its table.
    """

    bits: int
    shards: int
    entries: int
    size: int
    dated: str
    seal: bytes


def key_of(text: str) -> int:
    """Return the key of a password: the first 64 bits of its SHA-1, the form in which lists are published.

    SHA-1 protects nothing here: the lists are public.
    """
    digest = hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big")


def shard_digest(content: bytes) -> bytes:
    """Return the digest of one shard's fingerprints."""
    return hashlib.blake2b(content, digest_size=16).digest()


def seal_of(header: bytes, table: bytes) -> bytes:
    """Return the digest of header and table, and through the table's digests of the whole content."""
    return hashlib.blake2b(header + table, digest_size=SEAL_BYTES).digest()


def places(shard: Shard, key: int) -> tuple[int, int, int, int]:
    """Return the fingerprint of a key, and the three places whose XOR it is if the shard holds the key."""
    mixed = (key + shard.seed) & _M64
    mixed = ((mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCD) & _M64
    mixed = ((mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53) & _M64
    mixed ^= mixed >> 33
    mask = shard.segment_length - 1
    first = (mixed * shard.segment_count_length) >> 64
    second = (first + shard.segment_length) ^ ((mixed >> 18) & mask)
    third = (first + 2 * shard.segment_length) ^ (mixed & mask)
    return mixed ^ (mixed >> 32), first, second, third


class Filter:
    """An open file of breached passwords.

    It is read by `pread`, and not mapped into memory: the pages are the
    system's and shared by all processes either way, but a mapped file that
    somebody truncates kills the process with SIGBUS, and a page that has to
    come from the disk would be waited for with Python's lock held.

    Args:
        path: The file.

    Raises:
        FilterDamaged: It is another kind of file, incomplete or altered.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._file)
        try:
            self.facts, self._table = _opened(self._file)
            self._content = self._read(0, self.facts.size) if self.facts.size <= RESIDENT_BYTES else None
            self._seen = bytearray(self.facts.shards)
            self._width = self.facts.bits // 8
            self._shift = 64 - (self.facts.shards.bit_length() - 1)
            if self.facts.size <= CHECKED_AT_START:
                self.check()
        except BaseException:
            self.close()
            raise

    @property
    def is_resident(self) -> bool:
        """Whether a question costs microseconds and no disk."""
        return self._content is not None

    def __contains__(self, key: int) -> bool:
        """Return whether the filter holds a key; of others, it says so of one in 2 to the power of its bits.

        Raises:
            FilterDamaged: The part of the file that knows it was altered.
        """
        number = key >> self._shift
        shard = self._shard(number)
        if not shard.entries:
            return False
        if not self._seen[number]:
            self._check(number, shard)
        fingerprint, *found = places(shard, key)
        width = self._width
        for place in found:
            fingerprint ^= int.from_bytes(self._read(shard.offset + place * width, width), "little")
        return fingerprint & ((1 << self.facts.bits) - 1) == 0

    def check(self) -> None:
        """Read the whole file.

        Raises:
            FilterDamaged: Some of it was altered.
        """
        for number in range(self.facts.shards):
            self._check(number, self._shard(number))

    def close(self) -> None:
        """Let go of the file; happens by itself when nobody holds the filter any more."""
        self._close()

    def _shard(self, number: int) -> Shard:
        seed, offset, entries, length, counted, array, digest = ROW.unpack_from(self._table, number * ROW.size)
        return Shard(seed, offset, entries, length, counted, array, digest)

    def _check(self, number: int, shard: Shard) -> None:
        content = self._read(shard.offset, shard.array_length * self._width)
        if shard_digest(content) != shard.digest:
            raise FilterDamaged(f"part {number} of {self.facts.shards} was altered")
        self._seen[number] = 1

    def _read(self, offset: int, size: int) -> bytes:
        content: bytes | None = getattr(self, "_content", None)
        found = os.pread(self._file, size, offset) if content is None else content[offset : offset + size]
        if len(found) != size:
            raise FilterDamaged("it ends too early")
        return found


def _opened(file: int) -> tuple[Facts, bytes]:
    """Return what a file says of itself and its table of shards, if all of that is as it was written."""
    size = os.fstat(file).st_size
    header = os.pread(file, HEADER.size, 0)
    if len(header) < HEADER.size or header[:8] != MAGIC:
        raise FilterDamaged("it is no filter of breached passwords")
    _, version, bits, shards, entries, stated, dated = HEADER.unpack(header)
    if version != VERSION:
        raise FilterDamaged(f"it has version {version} of the format, and this Ostiary reads version {VERSION}")
    if bits not in (8, 16) or not 1 <= shards <= MOST_SHARDS or shards & (shards - 1):
        raise FilterDamaged("its header was altered")
    if stated != size:
        raise FilterDamaged(f"it has {size:,} bytes, and should have {stated:,}")
    seal = os.pread(file, SEAL_BYTES, HEADER.size)
    table = os.pread(file, shards * ROW.size, HEADER.size + SEAL_BYTES)
    if seal_of(header, table) != seal:
        raise FilterDamaged("its table was altered")
    return Facts(bits, shards, entries, size, dated.rstrip(b"\0").decode("ascii", "replace"), seal), table


def write_head(file: BinaryIO, shards: list[Shard], *, bits: Bits, size: int, dated: str) -> None:
    """Write header, seal and table to the beginning of a file whose shards are written already."""
    header = HEADER.pack(
        MAGIC, VERSION, bits, len(shards), sum(shard.entries for shard in shards), size, dated.encode()
    )
    table = b"".join(
        ROW.pack(
            shard.seed, shard.offset, shard.entries, shard.segment_length, shard.segment_count_length,
            shard.array_length, shard.digest,
        )
        for shard in shards
    )  # fmt: skip
    file.seek(0)
    file.write(header + seal_of(header, table) + table)


def head_size(shards: int) -> int:
    """Return the bytes before the first shard."""
    return HEADER.size + SEAL_BYTES + shards * ROW.size
