"""Builds the file of breached passwords from public lists of any size, with little memory."""

from __future__ import annotations

import contextlib
import os
import tempfile
from array import array
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from ostiary.passwords.breaches.filter import Bits, Facts, Filter, Shard, head_size, places, shard_digest, write_head
from ostiary.passwords.breaches.lists import NotAList, keys_of, pieces

SHARD_ENTRIES = 1 << 18
"""Entries of a shard at most, if keys fall evenly: 600 KB, built in a fifth of a second, checked in one millisecond."""

PILES = 256  # one for each first byte of a key: each an open file
PROBED = 1000  # entries of each shard that are looked up again in the way in which servers do
LEAST_TRIALS, MOST_TRIALS = 100_000, 1_000_000

Tell = Callable[[str, int, int], None]


def build(
    sources: list[Path], out: Path, *, bits: Bits = 16, at_least: int = 1, dated: str | None = None,
    tell: Tell = lambda *_: None,
) -> Facts:  # fmt: skip
    """Build a filter from lists, and put it in the place of `out` in one step.

    Memory is bounded by some shards; the keys lie in temporary files beside
    `out`, 8 bytes each. Whoever reads the old file goes on reading it.

    Args:
        sources: Files and folders of lists, in any order, with repetitions.
        out: The filter.
        bits: Of each fingerprint.
        at_least: Leaves out passwords that were found less often.
        dated: The day of the list, as 2026-11-22; of itself, the newest change of a source.
        tell: Called with a stage, what is done and the whole of it.

    Raises:
        NotAList: A source is no such list, or nothing is left of it.
        OSError: Files cannot be read or written.
    """
    out = out.absolute()
    day = dated or _newest(sources)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
        aside = Path(folder) / "filter"
        piles = _sorted_out(sources, Path(folder), at_least, tell)
        if not sum(piles):
            raise NotAList("the sources hold no password that was found so often")
        with aside.open("wb") as file:
            _write(file, Path(folder), piles, bits, day, tell)
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(0o644)  # public knowledge, read by whichever user serves
        with contextlib.closing(Filter(aside)) as made:
            facts = made.facts
        aside.replace(out)
    _sync_folder(out.parent)
    return facts


def measure(built: Filter, *, trials: int | None = None) -> tuple[int, int]:
    """Return how many of how many random keys, which are on no list, the filter takes for breached ones."""
    number = trials or min(MOST_TRIALS, max(LEAST_TRIALS, built.facts.entries))
    keys = array("Q", os.urandom(8 * number))
    return sum(key in built for key in keys), number


def _newest(sources: list[Path]) -> str:
    newest = max(piece.path.stat().st_mtime for piece in pieces(sources))
    return datetime.fromtimestamp(newest, UTC).date().isoformat()


def _sorted_out(sources: list[Path], folder: Path, at_least: int, tell: Tell) -> list[int]:
    """Put the keys of all sources on piles by their first byte; return how many lie on each."""
    counts = [0] * PILES
    todo = pieces(sources)
    total, before = sum(piece.size for piece in todo), 0
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context((folder / f"{pile:02x}").open("wb")) for pile in range(PILES)]
        for piece in todo:
            start = before

            def read(position: int, start: int = start) -> None:
                tell("reading", start + position, total)

            for keys in keys_of(piece, at_least=at_least, read=read):
                for pile, some in _by_pile(keys):
                    counts[pile] += len(some)
                    some.tofile(files[pile])
            before += piece.size
    tell("reading", total, total)
    return counts


def _by_pile(keys: array[int]) -> Iterator[tuple[int, array[int]]]:
    """Yield keys by their first byte; of a large list in order, as most are, a chunk has one."""
    if keys and min(keys) >> 56 == max(keys) >> 56:
        yield keys[0] >> 56, keys
        return
    for pile, some in groupby(keys, key=lambda key: key >> 56):
        yield pile, array("Q", some)


def _write(file: BinaryIO, folder: Path, piles: list[int], bits: Bits, day: str, tell: Tell) -> None:
    depth = max(0, (-(-sum(piles) // SHARD_ENTRIES) - 1).bit_length())
    total = 1 << depth
    offset = head_size(total)
    file.seek(offset)
    shards: list[Shard] = []
    for keys in _by_shard(folder, depth):
        shard, content = _shard(keys, bits, offset)
        file.write(content)
        offset += len(content)
        shards.append(shard)
        tell("building", len(shards), total)
    write_head(file, shards, bits=bits, size=offset, dated=day)


def _by_shard(folder: Path, depth: int) -> Iterator[array[int]]:
    """Yield the keys of each shard: of several piles together, or of a part of one."""
    together, apart = max(1, PILES >> depth), max(1, (1 << depth) // PILES)
    for first in range(0, PILES, together):
        keys = array("Q")
        for pile in range(first, first + together):
            path = folder / f"{pile:02x}"
            with path.open("rb") as file:
                keys.fromfile(file, path.stat().st_size // 8)
            path.unlink()
        if apart == 1:
            yield keys
            continue
        parts = [array("Q") for _ in range(apart)]
        shift = 64 - depth
        for key in keys:
            parts[(key >> shift) & (apart - 1)].append(key)
        del keys
        yield from parts


def _shard(keys: array[int], bits: Bits, offset: int) -> tuple[Shard, bytes]:
    """Return one shard and its fingerprints; the same keys always make the same."""
    if not keys:
        return Shard(0, offset, 0, 1, 0, 0, shard_digest(b"")), b""
    ordered = array("Q", [key for key, _ in groupby(sorted(keys))])
    # The library's own door hashes every key once more, one by one: keys are hashes already.
    from pyfusefilter._xorfilter import ffi, lib  # noqa: PLC0415 - servers only read

    made = ffi.new(f"binary_fuse{bits}_t *")
    allocate, populate, free = (getattr(lib, f"binary_fuse{bits}_{verb}") for verb in ("allocate", "populate", "free"))
    if not allocate(len(ordered), made):
        raise MemoryError
    try:
        if not populate(ffi.from_buffer("uint64_t[]", ordered), len(ordered), made):
            raise RuntimeError("a shard could not be built")
        content = bytes(ffi.buffer(made.Fingerprints, made.ArrayLength * bits // 8))
        shard = Shard(
            made.Seed, offset, len(ordered), made.SegmentLength, made.SegmentCountLength, made.ArrayLength,
            shard_digest(content),
        )  # fmt: skip
    finally:
        free(made)
    _prove(shard, content, ordered, bits)
    return shard, content


def _prove(shard: Shard, content: bytes, keys: array[int], bits: Bits) -> None:
    """Look some keys up as a server will: a library that builds otherwise one day must not pass unnoticed."""
    fingerprints = array("B" if bits == 8 else "H", content)
    for key in keys[:: max(1, len(keys) // PROBED)]:
        fingerprint, first, second, third = places(shard, key)
        fingerprint ^= fingerprints[first] ^ fingerprints[second] ^ fingerprints[third]
        if fingerprint & ((1 << bits) - 1):
            raise RuntimeError("the library builds filters that this version of Ostiary does not read")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
