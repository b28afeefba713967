"""scrypt in Django's form and in PHC strings."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from ostiary.core.hash_formats.form import decode_base64, malformed

_BLOCKS_OF_ONE_WEIGHT = 45_000
"""N * r * p that costs as much as one default Argon2id hash."""

_DJANGO = re.compile(
    r"scrypt\$(?P<work>[1-9][0-9]{0,9})\$(?P<salt>[!-#%-~]{1,128})"
    r"\$(?P<r>[1-9][0-9]{0,2})\$(?P<p>[1-9][0-9]{0,2})\$(?P<tag>[A-Za-z0-9+/=]{88})"
)
_PHC = re.compile(
    r"\$scrypt\$ln=(?P<ln>[1-9][0-9]?),r=(?P<r>[1-9][0-9]{0,2}),p=(?P<p>[1-9][0-9]{0,2})"
    r"\$(?P<salt>[A-Za-z0-9+/]{2,172})\$(?P<tag>[A-Za-z0-9+/]{22,86})"
)


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """What one scrypt derivation takes (RFC 7914 section 2: N, r, p)."""

    n: int
    r: int
    p: int

    @property
    def weight(self) -> float:
        """CPU time, in default hashes."""
        return self.n * self.r * self.p / _BLOCKS_OF_ONE_WEIGHT

    @property
    def memory_kib(self) -> int:
        """Memory, in KiB: N blocks of 128 * r bytes; the p blocks beside them are small."""
        return max(1, 128 * self.r * self.n // 1024)

    def derive(self, password: bytes, salt: bytes, length: int) -> bytes:
        """Return the derived key; releases the GIL meanwhile.

        Raises:
            MemoryError: The memory cannot be had.
        """
        bound = 128 * self.r * (self.n + self.p) + 1024 * 1024
        return hashlib.scrypt(password, salt=salt, n=self.n, r=self.r, p=self.p, maxmem=bound, dklen=length)


@dataclass(frozen=True, slots=True)
class ScryptHash:
    """One scrypt hash (RFC 7914)."""

    cost: ScryptCost
    salt: bytes = field(repr=False)
    tag: bytes = field(repr=False)

    @property
    def family(self) -> str:
        """`scrypt`."""
        return "scrypt"

    @property
    def weight(self) -> float:
        """CPU time of one check, in default hashes."""
        return self.cost.weight

    @property
    def memory_kib(self) -> int:
        """Memory of one check, in KiB."""
        return self.cost.memory_kib

    def matches(self, password: bytes) -> bool:
        """Say whether these bytes are the password; never if they end in NUL, which HMAC would not see."""
        derived = self.cost.derive(password, self.salt, len(self.tag))
        return hmac.compare_digest(derived, self.tag) and not password.endswith(b"\0")


def parse(stored: str) -> ScryptHash | None:
    """Return the hash in an scrypt string, or None if it is of another family.

    Raises:
        NotImportable: It is malformed.
    """
    if stored.startswith("scrypt$"):
        return _parse_django(stored)
    if not stored.startswith("$scrypt$"):
        return None
    found = _PHC.fullmatch(stored)
    salt = decode_base64(found["salt"], padded=False) if found else None
    tag = decode_base64(found["tag"], padded=False) if found else None
    if found is None or salt is None or tag is None:
        raise malformed("scrypt")
    return ScryptHash(ScryptCost(2 ** int(found["ln"]), int(found["r"]), int(found["p"])), salt, tag)


def _parse_django(stored: str) -> ScryptHash:
    found = _DJANGO.fullmatch(stored)
    tag = decode_base64(found["tag"], padded=True) if found else None
    n = int(found["work"]) if found else 0
    if found is None or tag is None or n < 2 or n & (n - 1):  # RFC 7914 section 2: a power of two
        raise malformed("scrypt")
    cost = ScryptCost(n, int(found["r"]), int(found["p"]))
    return ScryptHash(cost, found["salt"].encode("ascii"), tag)
