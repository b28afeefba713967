"""What every family of password hashes answers, and the bounds that hold for all."""

from __future__ import annotations

import base64
import binascii
from typing import Protocol

MOST_WEIGHT = 100.0
"""The dearest hash that is ever verified, in default Argon2id hashes: below 2 s on a core that takes 20 ms for one."""

MOST_MEMORY_KIB = 512 * 1024
"""The largest memory, in KiB, that one verification may take."""


class NotImportable(ValueError):  # noqa: N818 - reads as the sentence it is
    """A hash that is not taken in; the message says why, without quoting it."""


class PasswordHash(Protocol):
    """One stored hash, parsed and within reach."""

    @property
    def family(self) -> str:
        """Name for messages and metrics, such as `bcrypt`."""

    @property
    def weight(self) -> float:
        """CPU time of one check, in default Argon2id hashes (19 MiB, two passes)."""

    @property
    def memory_kib(self) -> int:
        """Memory that one check takes, in KiB."""

    def matches(self, password: bytes) -> bool:
        """Say whether these bytes are the password; compares in constant time.

        Slow by design: call it in the hash pool only.

        Raises:
            MemoryError: The system has not enough memory for it now.
        """


def malformed(family: str) -> NotImportable:
    """Return the refusal of a string that has a family's prefix but not its shape."""
    return NotImportable(f"The {family} hash is malformed.")


def decode_base64(text: str, *, padded: bool) -> bytes | None:
    """Return the bytes, or None unless `text` is their one canonical base64 form.

    Two spellings of one hash would make "replace it if it is still this one"
    fail, so that padding and unused bits have to be as RFC 4648 section 3 wants.
    """
    whole = text if padded else text + "=" * (-len(text) % 4)
    try:
        decoded = base64.b64decode(whole, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if encode_base64(decoded, padded=padded) == text else None


def encode_base64(octets: bytes, *, padded: bool) -> str:
    """Return standard base64, without padding where a PHC string is meant."""
    text = base64.b64encode(octets).decode("ascii")
    return text if padded else text.rstrip("=")
