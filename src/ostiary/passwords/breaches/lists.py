"""Public lists of breached passwords: `SHA1:COUNT` in a line, as one file or as one for each prefix."""

from __future__ import annotations

import gzip
import re
import zlib
from array import array
from binascii import unhexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 4 << 20
KEY_DIGITS = 16
_GZIP = b"\x1f\x8b"
_PREFIX = re.compile(r"([0-9A-Fa-f]{5})(\.txt)?(\.gz)?")


class NotAList(Exception):  # noqa: N818 - reads as what it says
    """A source is no list of SHA-1 hashes; the message names the line, and never shows it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a list; `prefix` holds the digits that its lines leave out."""

    path: Path
    prefix: bytes
    size: int


def pieces(sources: list[Path]) -> list[Piece]:
    """Return the files of all sources: files as they are, and of folders those that are named by five digits.

    Raises:
        NotAList: A folder holds none.
        OSError: A source cannot be read.
    """
    found: list[Piece] = []
    for source in sources:
        if not source.is_dir():
            found.append(Piece(source, b"", source.stat().st_size))
            continue
        inside = [
            Piece(path, match[1].encode(), path.stat().st_size)
            for path in sorted(source.iterdir())
            if (match := _PREFIX.fullmatch(path.name))
        ]
        if not inside:
            raise NotAList(f"{source} holds no file that is named by five hexadecimal digits, such as 0A1B2.txt")
        found += inside
    return found


def keys_of(piece: Piece, *, at_least: int, read: Callable[[int], None]) -> Iterator[array[int]]:
    """Yield the keys of a file, some 100,000 at a time.

    Args:
        piece: The file; compressed by gzip or not.
        at_least: Passwords that were found less often are left out, and so is padding, whose count is 0.
        read: Called with the bytes of the file that were read so far.

    Raises:
        NotAList: A line is not of the form.
    """
    reader = _Reader(piece, at_least)
    try:
        with piece.path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP
            raw.seek(0)
            file: BinaryIO = gzip.GzipFile(fileobj=raw) if compressed else raw  # type: ignore[assignment]
            rest = b""
            while chunk := file.read(CHUNK_BYTES):
                whole, cut, rest = (rest + chunk).rpartition(b"\n")
                if not cut and len(rest) > CHUNK_BYTES:
                    raise NotAList(f"{piece.path} has no lines")
                yield reader.keys(whole + cut)
                read(raw.tell())
            yield reader.keys(rest)
    except (gzip.BadGzipFile, EOFError, zlib.error):  # by where the damage lies
        raise NotAList(f"{piece.path} is not whole: its compression ends in the middle or was altered") from None


class _Reader:
    def __init__(self, piece: Piece, at_least: int) -> None:
        self._piece = piece
        self._at_least = at_least
        self._line = 0
        kept = KEY_DIGITS - len(piece.prefix)
        rest = (35 if piece.prefix else 40) - kept
        digits = f"([0-9A-Fa-f]{{{kept}}})[0-9A-Fa-f]{{{rest}}}"
        self._quick = re.compile(f"^{digits}:0*[1-9][0-9]*\r?$".encode(), re.MULTILINE)
        self._each = re.compile(f"{digits}(?::([0-9]{{1,18}}))?".encode())

    def keys(self, lines: bytes) -> array[int]:
        """Return the keys of whole lines."""
        count = lines.count(b"\n") + (lines[-1:] not in (b"", b"\n"))
        found: list[bytes] = self._quick.findall(lines) if self._at_least <= 1 else []
        if len(found) != count:
            found = list(self._one_by_one(lines))
        self._line += count
        keys = array("Q")
        prefix = self._piece.prefix
        keys.frombytes(unhexlify(prefix + prefix.join(found) if prefix and found else b"".join(found)))
        keys.byteswap()
        return keys

    def _one_by_one(self, lines: bytes) -> Iterator[bytes]:
        for number, line in enumerate(lines.splitlines(), self._line + 1):
            if not line.strip():
                continue
            match = self._each.fullmatch(line)
            if match is None:
                # The line itself is not shown: whoever gives the wrong file may give one of plain passwords.
                form = "35 hexadecimal digits" if self._piece.prefix else "a SHA-1 of 40 hexadecimal digits"
                raise NotAList(f"{self._piece.path}, line {number}: not {form}, a colon and a count")
            if int(match[2] or 1) >= max(1, self._at_least):
                yield match[1]
