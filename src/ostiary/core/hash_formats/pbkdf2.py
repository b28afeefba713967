"""PBKDF2 in Django's form and in PHC strings."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from ostiary.core.hash_formats.form import decode_base64, malformed

ITERATIONS_OF_ONE_WEIGHT = {"sha1": 80_000, "sha256": 75_000, "sha512": 33_000}
"""Iterations that cost as much as one default Argon2id hash, where the processor has SHA instructions."""

_DJANGO = re.compile(
    r"pbkdf2_(?P<digest>sha1|sha256)\$(?P<iterations>[1-9][0-9]{0,8})\$(?P<salt>[!-#%-~]{1,128})\$(?P<tag>[A-Za-z0-9+/=]{28,44})"
)
_PHC = re.compile(
    r"\$pbkdf2-(?P<digest>sha1|sha256|sha512)\$i=(?P<iterations>[1-9][0-9]{0,8})"
    r"\$(?P<salt>[A-Za-z0-9+/]{2,172})\$(?P<tag>[A-Za-z0-9+/]{22,86})"
)


@dataclass(frozen=True, slots=True)
class Pbkdf2Hash:
    """One PBKDF2 hash (RFC 8018 section 5.2).

    Attributes:
        digest: Name of the hash function under HMAC.
        iterations: Count c.
        salt: Octets S.
        tag: Derived key.
    """

    digest: str
    iterations: int
    salt: bytes = field(repr=False)
    tag: bytes = field(repr=False)

    @property
    def family(self) -> str:
        """Such as `pbkdf2-sha256`."""
        return f"pbkdf2-{self.digest}"

    @property
    def weight(self) -> float:
        """CPU time of one check, in default hashes; each block of the tag repeats all iterations."""
        blocks = -(-len(self.tag) // hashlib.new(self.digest).digest_size)
        return blocks * self.iterations / ITERATIONS_OF_ONE_WEIGHT[self.digest]

    @property
    def memory_kib(self) -> int:
        """Next to nothing."""
        return 1

    def matches(self, password: bytes) -> bool:
        """Say whether these bytes are the password.

        A password that ends in NUL never is: HMAC fills its key up with NULs,
        so that it would share a tag with the same password without (RFC 2104 section 2).
        """
        derived = hashlib.pbkdf2_hmac(self.digest, password, self.salt, self.iterations, len(self.tag))
        return hmac.compare_digest(derived, self.tag) and not password.endswith(b"\0")


def parse(stored: str) -> Pbkdf2Hash | None:
    """Return the hash in a PBKDF2 string, or None if it is of another family.

    Raises:
        NotImportable: It is malformed.
    """
    if stored.startswith("pbkdf2_"):
        return _parse_django(stored)
    if not stored.startswith("$pbkdf2"):
        return None
    found = _PHC.fullmatch(stored)
    salt = decode_base64(found["salt"], padded=False) if found else None
    tag = decode_base64(found["tag"], padded=False) if found else None
    if found is None or salt is None or tag is None:
        raise malformed("pbkdf2")
    return Pbkdf2Hash(found["digest"], int(found["iterations"]), salt, tag)


def _parse_django(stored: str) -> Pbkdf2Hash:
    found = _DJANGO.fullmatch(stored)
    tag = decode_base64(found["tag"], padded=True) if found else None
    # Django's tag is exactly one block, its salt the text as it stands.
    if found is None or tag is None or len(tag) != hashlib.new(found["digest"]).digest_size:
        raise malformed("pbkdf2")
    return Pbkdf2Hash(found["digest"], int(found["iterations"]), found["salt"].encode("ascii"), tag)
