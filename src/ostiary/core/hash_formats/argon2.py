"""Argon2id, Argon2i and Argon2d in PHC strings, also behind Django's prefix."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

from argon2.low_level import Type

from ostiary.core.hash_formats.form import decode_base64, encode_base64, malformed
from ostiary.core.hash_formats.work_area import Cost, derive

DEFAULT_MEMORY_KIB = 19456
DEFAULT_PASSES = 2

_IN_CACHE_KIB = 32 * 1024
_OUT_OF_CACHE = 2.0
"""Above some 32 MiB a block comes from main memory: measured 1.6 to 2.2 times the cost for each KiB and pass."""

_KINDS = {"argon2id": Type.ID, "argon2i": Type.I, "argon2d": Type.D}
_SHAPE = re.compile(
    r"\$(?P<kind>argon2(?:id|i|d))(?:\$v=(?P<version>16|19))?"
    r"\$m=(?P<memory>[1-9][0-9]{0,7}),t=(?P<passes>[1-9][0-9]{0,4}),p=(?P<lanes>[1-9][0-9]{0,2})"
    r"\$(?P<salt>[A-Za-z0-9+/]{11,86})\$(?P<tag>[A-Za-z0-9+/]{16,172})"
)


def weight_of(memory_kib: int, passes: int) -> float:
    """Return the cost of these parameters in default hashes; lanes add none, they only divide it."""
    weight = memory_kib * passes / (DEFAULT_MEMORY_KIB * DEFAULT_PASSES)
    return weight if memory_kib <= _IN_CACHE_KIB else weight * _OUT_OF_CACHE


@dataclass(frozen=True, slots=True)
class Argon2Hash:
    """One Argon2 hash (RFC 9106), of ours or of another system."""

    cost: Cost
    salt: bytes = field(repr=False)
    tag: bytes = field(repr=False)

    @property
    def family(self) -> str:
        """`argon2id`, `argon2i` or `argon2d`."""
        return f"argon2{self.cost.kind.name.lower()}"

    @property
    def weight(self) -> float:
        """CPU time of one check, in default hashes."""
        return weight_of(self.cost.memory_kib, self.cost.passes)

    @property
    def memory_kib(self) -> int:
        """Parameter m."""
        return self.cost.memory_kib

    def matches(self, password: bytes) -> bool:
        """Say whether these bytes are the password."""
        return hmac.compare_digest(derive(password, self.salt, self.cost, len(self.tag)), self.tag)

    def __str__(self) -> str:
        """Return the PHC string; `repr` keeps salt and tag to itself."""
        cost = self.cost
        return (
            f"${self.family}$v={cost.version}$m={cost.memory_kib},t={cost.passes},p={cost.lanes}"
            f"${encode_base64(self.salt, padded=False)}${encode_base64(self.tag, padded=False)}"
        )


def create(password: bytes, salt: bytes, cost: Cost, length: int) -> Argon2Hash:
    """Return the hash of a password; slow by design.

    Raises:
        MemoryError: The memory cannot be had.
    """
    return Argon2Hash(cost, salt, derive(password, salt, cost, length))


def parse(stored: str) -> Argon2Hash | None:
    """Return the hash in a PHC string, or None if it is of another family.

    Raises:
        NotImportable: It is malformed.
    """
    phc = stored.removeprefix("argon2") if stored.startswith("argon2$argon2") else stored
    if not phc.startswith("$argon2"):
        return None
    found = _SHAPE.fullmatch(phc)
    if found is None:
        raise malformed("argon2")
    salt = decode_base64(found["salt"], padded=False)
    tag = decode_base64(found["tag"], padded=False)
    memory_kib, lanes = int(found["memory"]), int(found["lanes"])
    if salt is None or tag is None or memory_kib < 8 * lanes:  # RFC 9106 section 3.1: m >= 8p
        raise malformed("argon2")
    # Strings of the first release carry no version and mean 1.0 (16).
    version = int(found["version"] or 16)
    return Argon2Hash(Cost(_KINDS[found["kind"]], version, memory_kib, int(found["passes"]), lanes), salt, tag)
