"""bcrypt in modular crypt strings, also behind Django's two prefixes."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field

import bcrypt

from ostiary.core.hash_formats.form import malformed

LONGEST_PASSWORD = 72
"""Bytes that bcrypt absorbs; what follows would not count."""

_WEIGHT_OF_A_ROUND = 0.0033  # bcrypt has no short cut: measured at 2^10 and 2^12
# The last characters of salt and digest hold 2 and 4 bits only; other spellings of them are refused.
_SHAPE = re.compile(
    r"\$2[aby]\$(?P<rounds>0[4-9]|[12][0-9]|3[01])"
    r"\$(?P<salt>[./A-Za-z0-9]{21}[.Oeu])(?P<digest>[./A-Za-z0-9]{30}[.CGKOSWaeimquy26])"
)
_PLAIN = "bcrypt$"
_DIGESTED = "bcrypt_sha256$"


@dataclass(frozen=True, slots=True)
class BcryptHash:
    """One bcrypt hash.

    Attributes:
        rounds: Base-two logarithm of the number of key expansions.
        salt: 22 characters of bcrypt's own base64.
        digest: 31 characters of the same.
        digested: True where the password is absorbed as hexadecimal SHA-256
            (Django's `bcrypt_sha256`), which lifts the bound on its length.
    """

    rounds: int
    salt: str = field(repr=False)
    digest: str = field(repr=False)
    digested: bool

    @property
    def family(self) -> str:
        """`bcrypt`."""
        return "bcrypt"

    @property
    def weight(self) -> float:
        """CPU time of one check, in default hashes."""
        return weight_of(self.rounds)

    @property
    def memory_kib(self) -> int:
        """The size of its tables."""
        return 4

    def matches(self, password: bytes) -> bool:
        """Say whether these bytes are the password, in its whole length.

        Never true for more than 72 bytes (SP 800-63B-4 section 3.1.1.2: no
        truncation), nor with a NUL: bcrypt repeats its key with one NUL after
        it, so that `a` and `a NUL a` share a digest. Those are refused after the
        work, lest the clock tell which form is stored.
        """
        key = hashlib.sha256(password).hexdigest().encode("ascii") if self.digested else password
        refused = len(key) > LONGEST_PASSWORD or b"\0" in key
        computed = bcrypt.hashpw(key[:LONGEST_PASSWORD], f"$2b${self.rounds:02}${self.salt}".encode("ascii"))
        same = hmac.compare_digest(computed[-31:], self.digest.encode("ascii"))
        return same and not refused


def weight_of(rounds: int) -> float:
    """Return the cost of so many rounds in default hashes."""
    return _WEIGHT_OF_A_ROUND * (1 << rounds)


def create(secret: bytes, rounds: int) -> str:
    """Return a bcrypt string for a secret of at most 72 bytes; slow by design.

    Raises:
        ValueError: It is longer: what follows would not count.
    """
    if len(secret) > LONGEST_PASSWORD:
        raise ValueError("bcrypt absorbs 72 bytes: hash the secret first")
    return bcrypt.hashpw(secret, bcrypt.gensalt(rounds)).decode("ascii")


def parse(stored: str) -> BcryptHash | None:
    """Return the hash in a bcrypt string, or None if it is of another family.

    The old variants `$2$` and `$2x$` are not taken in: each computes something
    else for letters outside ASCII.

    Raises:
        NotImportable: It is malformed.
    """
    if not stored.startswith(("$2", _PLAIN, _DIGESTED)):
        return None
    digested = stored.startswith(_DIGESTED)
    found = _SHAPE.fullmatch(stored.removeprefix(_DIGESTED if digested else _PLAIN))
    if found is None:
        raise malformed("bcrypt")
    return BcryptHash(int(found["rounds"]), found["salt"], found["digest"], digested)
