"""What an API key looks like: `<prefix>_<id>_<secret><checksum>`. Read without a database, also in anybody's text."""

from __future__ import annotations

import re
import secrets
import string
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ostiary.core.secrets import SECRET_BYTES

ID_LENGTH = 22  # 128 bits in base62: a time to sort by, and chance
SECRET_LENGTH = 43  # 256 bits
CHECKSUM_LENGTH = 6  # 32 bits
LONGEST_PREFIX = 16
PREFIX = rf"[a-z][a-z0-9]{{1,{LONGEST_PREFIX - 1}}}"
"""Small letters only, so that no key begins like a signed token (`eyJ`), and no underscore, so that it ends at one."""

LONGEST = LONGEST_PREFIX + ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH + 2
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY = rf"([0-9A-Za-z]{{{ID_LENGTH}}})_([0-9A-Za-z]{{{SECRET_LENGTH}}})"
_CHECKSUM = rf"([0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
_KEY = re.compile(rf"({PREFIX})_{_BODY}{_CHECKSUM}")
# Looked at from its first underscore: what stands before the prefix may be anything, such as the n of an escaped line
# break in a log. A look ahead, so that one candidate does not swallow the beginning of another.
_CANDIDATE = re.compile(rf"_(?={_BODY}{_CHECKSUM})")
_PREFIX_CHARACTERS = frozenset(string.ascii_lowercase + string.digits)


class KeyName(NamedTuple):
    """What may be said of a key: which one it is, and nothing that opens anything."""

    prefix: str
    id: str

    @property
    def hint(self) -> str:
        """How owners and keepers are told of it."""
        return f"{self.prefix}_{self.id}"


class Found(NamedTuple):
    """A key that lies in a text, and in which line."""

    line: int
    name: KeyName


def new_key(prefix: str, now: int) -> tuple[str, str]:
    """Return the id of a new key and its whole text; 256 random bits of it are the secret."""
    id_ = _base62(int.from_bytes(now.to_bytes(6) + secrets.token_bytes(10)), ID_LENGTH)
    return id_, renewed(prefix, id_)


def renewed(prefix: str, id_: str) -> str:
    """Return the text of a key of this id with a new secret."""
    body = f"{prefix}_{id_}_{_base62(secrets.randbits(8 * SECRET_BYTES), SECRET_LENGTH)}"
    return body + checksum(body)


def read(text: str) -> KeyName | None:
    """Return which key a text says to be, or None where its form or its checksum is wrong; proves nothing."""
    found = _KEY.fullmatch(text)
    if found is None or checksum(text[:-CHECKSUM_LENGTH]) != found[4]:
        return None
    return KeyName(found[1], found[2])


def checksum(body: str) -> str:
    """Return the last characters of a key: CRC-32 of all before them. It tells a key from what looks like one."""
    return _base62(zlib.crc32(body.encode("ascii")), CHECKSUM_LENGTH)


def found_in(chunks: Iterable[bytes]) -> Iterator[Found]:
    """Yield the keys in a text of any length, by whatever prefix: form and checksum decide, and no database is asked.

    One text in four thousand million that has the form passes by chance.
    """
    kept, offset, line, seen = "", 0, 1, -1
    for chunk in chunks:
        text = kept + chunk.decode("latin-1")  # any bytes at all: what a key is made of is ASCII
        for match in _CANDIDATE.finditer(text):
            if offset + match.start() > seen:  # else it was found in the part that is looked at twice
                seen = offset + match.start()
                if (prefix := _prefix_before(text, match)) is not None:
                    yield Found(line + text.count("\n", 0, match.start()), KeyName(prefix, match[1]))
        kept = text[-2 * LONGEST :]  # a key may go on in the next chunk, and its prefix must not be lost
        passed = len(text) - len(kept)
        offset, line = offset + passed, line + text.count("\n", 0, passed)


def _prefix_before(text: str, match: re.Match[str]) -> str | None:
    """Return the prefix with which a candidate's checksum is right, or None."""
    start = end = match.start()
    while start > 0 and end - start < LONGEST_PREFIX and text[start - 1] in _PREFIX_CHARACTERS:
        start -= 1
    for begin in range(start, end - 1):
        prefix = text[begin:end]
        if not prefix[0].isdigit() and checksum(f"{prefix}_{match[1]}_{match[2]}") == match[3]:
            return prefix
    return None


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
