"""Firebase's variant of scrypt, in a PHC-like string of our own design."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ostiary.core.hash_formats.form import NotImportable, decode_base64, encode_base64, malformed
from ostiary.core.hash_formats.scrypt import ScryptCost

_KEY_LENGTH = 32
_SHAPE = re.compile(
    r"\$firebase-scrypt\$ln=(?P<ln>[1-9][0-9]?),r=(?P<r>[1-9][0-9]{0,2}),p=(?P<p>[1-9][0-9]?)"
    r",ss=(?P<separator>[A-Za-z0-9+/=]{0,88}),sk=(?P<signer>[A-Za-z0-9+/=]{24,172})"
    r"\$(?P<salt>[A-Za-z0-9+/=]{4,88})\$(?P<tag>[A-Za-z0-9+/=]{24,172})"
)


@dataclass(frozen=True, slots=True)
class FirebaseHash:
    """One hash of a Firebase project.

    scrypt turns password and salt into an AES-256 key; the stored hash is the
    project's signer key under it, in counter mode from zero. Whoever knows the
    password gets the signer key's encryption, and only then.
    """

    cost: ScryptCost
    separator: bytes = field(repr=False)
    signer_key: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    tag: bytes = field(repr=False)

    @property
    def family(self) -> str:
        """`firebase-scrypt`."""
        return "firebase-scrypt"

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
        key = self.cost.derive(password, self.salt + self.separator, _KEY_LENGTH)
        # The key serves this one plaintext, so that a constant counter repeats nothing.
        encryptor = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
        computed = encryptor.update(self.signer_key) + encryptor.finalize()
        return hmac.compare_digest(computed, self.tag) and not password.endswith(b"\0")


def parse(stored: str) -> FirebaseHash | None:
    """Return the hash in a `$firebase-scrypt$` string, or None if it is of another family.

    Raises:
        NotImportable: It is malformed.
    """
    if not stored.startswith("$firebase-scrypt$"):
        return None
    found = _SHAPE.fullmatch(stored)
    if found is None:
        raise malformed("firebase-scrypt")
    names = ("separator", "signer", "salt", "tag")
    separator, signer, salt, tag = (decode_base64(found[name], padded=True) for name in names)
    if separator is None or signer is None or salt is None or tag is None or len(tag) != len(signer):
        raise malformed("firebase-scrypt")
    cost = ScryptCost(2 ** int(found["ln"]), int(found["r"]), int(found["p"]))
    return FirebaseHash(cost, separator, signer, salt, tag)


def from_export(
    *, password_hash: str, salt: str, signer_key: str, salt_separator: str, rounds: int, mem_cost: int
) -> str:
    """Return the string to store for one user of a Firebase export.

    Args:
        password_hash: `passwordHash` of the user; both base64 alphabets are read.
        salt: `salt` of the user.
        signer_key: `base64_signer_key` of the project.
        salt_separator: `base64_salt_separator` of the project.
        rounds: `rounds` of the project.
        mem_cost: `mem_cost` of the project, a base-two logarithm.

    Raises:
        NotImportable: A part is not base64, or the whole is malformed.
    """
    separator, signer, own_salt, tag = map(_read, (salt_separator, signer_key, salt, password_hash))
    stored = f"$firebase-scrypt$ln={mem_cost},r={rounds},p=1,ss={separator},sk={signer}${own_salt}${tag}"
    if parse(stored) is None:  # pragma: no cover - the prefix is ours
        raise malformed("firebase-scrypt")
    return stored


def _read(text: str) -> str:
    standard = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        octets = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise NotImportable("A part of the Firebase hash is not base64.") from None
    return encode_base64(octets, padded=True)
