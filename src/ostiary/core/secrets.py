"""Secrets: new ones, their digests, and texts that prove by a MAC that this house wrote them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from ostiary.core.clock import Clock
    from ostiary.core.keyring import Key, KeyRing

SECRET_BYTES = 32  # 256 bits: beyond guessing, so a fast keyed digest is enough (ASVS 6.5.2)
LONGEST_TEXT = 512
_FIELD = re.compile(r"[A-Za-z0-9_-]{1,128}")


def b64(raw: bytes) -> str:
    """Return base64url text without padding (RFC 4648 section 5)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def unb64(text: str) -> bytes:
    """Return the bytes of base64url text without padding.

    Raises:
        ValueError: It is not the one canonical spelling of any bytes.
    """
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


def new_secret() -> str:
    """Return 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_id(now: int) -> str:
    """Return an identifier of 22 URL-safe characters that sorts by time in an index.

    48 bits of milliseconds and 80 random bits: a name, never a secret.
    """
    return b64(now.to_bytes(6) + secrets.token_bytes(10))


def derived(material: bytes, purpose: str) -> bytes:
    """Return a 256-bit key for one purpose from key material (HKDF, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=b"ostiary " + purpose.encode()).derive(material)


class Macs:
    """Writes and reads short texts that carry their own proof: `key.field.field.mac`.

    The purpose is part of the key that makes the MAC, so a text written for one
    purpose proves nothing for another (D10). Reading costs no I/O.
    """

    def __init__(self, ring: KeyRing, clock: Clock) -> None:
        self._ring = ring
        self._clock = clock
        self._derived: dict[tuple[str, str], HMAC] = {}

    def write(self, purpose: str, *fields: str) -> str:
        """Return the fields with their proof, under the current key.

        Raises:
            ValueError: A field holds more than URL-safe characters.
        """
        for text in fields:
            if not _FIELD.fullmatch(text):
                raise ValueError("a field may hold letters, digits, - and _ only")
        key = self._ring.current("mac", self._clock.now())
        return self._text(purpose, key.id, key.material, fields)

    def read(self, purpose: str, text: str, count: int) -> tuple[str, ...] | None:
        """Return the `count` fields of a text that this house wrote for this purpose, else None."""
        if len(text) > LONGEST_TEXT:
            return None
        parts = text.split(".")
        if len(parts) != count + 2:
            return None
        key = self._ring.find("mac", parts[0], self._clock.now())
        if key is None:
            return None
        # The whole text is compared: no second spelling of a valid one is accepted.
        expected = self._text(purpose, key.id, key.material, tuple(parts[1:-1]))
        if not hmac.compare_digest(expected.encode(), text.encode("utf-8", "replace")):
            return None
        return tuple(parts[1:-1])

    def digest(self, purpose: str, text: str) -> bytes:
        """Return the keyed digest under which a secret or a counted name is stored."""
        return self._digest(self._ring.current("index", self._clock.now()), purpose, text)

    def digests(self, purpose: str, text: str) -> list[bytes]:
        """Return every digest under which a secret may be stored, that of the youngest key first."""
        living = self._ring.living("index", self._clock.now())
        return [self._digest(key, purpose, text) for key in reversed(living)]

    def stamp(self, purpose: str, text: str, key_id: str | None = None) -> tuple[str, str] | None:
        """Return the id of a key, and the digest that it gives: for secrets that are stored for years.

        Args:
            purpose: What the secret is for.
            text: The secret.
            key_id: Which key; without it the current one. None comes back where this house has no such key.
        """
        now = self._clock.now()
        key = self._ring.current("apikey", now) if key_id is None else self._ring.find("apikey", key_id, now)
        return None if key is None else (key.id, b64(self._digest(key, purpose, text)))

    def secret(self, purpose: str, subject: str) -> tuple[str, bytes]:
        """Return the id of the current key, and the 256-bit secret that it gives for one purpose and subject.

        For proofs in a form that others define; every process derives the same.
        """
        key = self._ring.current("mac", self._clock.now())
        return key.id, self._secret(key, purpose, subject)

    def find_secret(self, purpose: str, subject: str, key_id: str) -> bytes | None:
        """Return the secret that a key of this id gave for one purpose and subject, or None once it is destroyed."""
        key = self._ring.find("mac", key_id, self._clock.now())
        return None if key is None else self._secret(key, purpose, subject)

    def _secret(self, key: Key, purpose: str, subject: str) -> bytes:
        return self._mac(f"secret {purpose}", key.id, key.material, subject.encode("utf-8", "surrogatepass"))

    def _digest(self, key: Key, purpose: str, text: str) -> bytes:
        return self._mac(purpose, key.id, key.material, text.encode("utf-8", "surrogatepass"))

    def _text(self, purpose: str, key_id: str, material: bytes, fields: tuple[str, ...]) -> str:
        body = f"{key_id}.{'.'.join(fields)}"
        return f"{body}.{b64(self._mac(purpose, key_id, material, body.encode()))}"

    def _mac(self, purpose: str, key_id: str, material: bytes, message: bytes) -> bytes:
        """Return the HMAC-SHA256 of a message; each key is taken in once, and copied: a sixth of the time."""
        keyed = self._derived.get((purpose, key_id))
        if keyed is None:
            keyed = self._derived[purpose, key_id] = HMAC(derived(material, f"mac {purpose}"), SHA256())
        mac = keyed.copy()
        mac.update(message)
        return mac.finalize()


def is_proof(shown: str, secret: bytes, message: bytes) -> bool:
    """Return whether a text is the HMAC-SHA256 of a message in lower-case hexadecimal; takes the same time if not."""
    expected = hmac.digest(secret, message, "sha256").hex()
    return hmac.compare_digest(expected.encode(), shown.encode("utf-8", "replace"))


def plain_digest(text: str) -> bytes:
    """Return SHA-256 of a text, to name it in memory without keeping it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def is_left_half(shown: str, text: str) -> bool:
    """Return whether one text is the left half of the digest of another (OpenID Connect Core 3.1.3.6, `at_hash`).

    The digest is that of the signature's algorithm: SHA-256, or SHA-512 for Ed25519.
    """
    raw = text.encode("utf-8", "surrogatepass")
    halves = (hashlib.sha256(raw).digest()[:16], hashlib.sha512(raw).digest()[:32])
    return any(hmac.compare_digest(b64(half).encode(), shown.encode("utf-8", "replace")) for half in halves)


def challenge_of(verifier: str) -> str:
    """Return the `S256` challenge of a PKCE verifier (RFC 7636 section 4.2)."""
    return b64(plain_digest(verifier))
