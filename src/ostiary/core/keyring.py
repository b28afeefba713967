"""The keys that this process holds in memory, each at its point of a published life (D8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from ostiary.core.clock import Millis
from ostiary.core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ostiary.core.clock import Clock

Purpose = Literal["signing", "mac", "index", "data", "journal", "checkpoint", "pepper", "apikey"]
State = Literal["published", "active", "retiring", "destroyed"]

PURPOSES: dict[Purpose, str] = {
    "signing": "access tokens (asymmetric; the public half is in the JWKS)",
    "mac": "refresh tokens, page sessions, device cookies and CSRF tokens",
    "index": "digests under which single-use secrets and counted names are stored",
    "data": "sealing of personal data and of other keys",
    "journal": "the heads of the journal's strands",
    "checkpoint": "signed checkpoints and exports of the journal (asymmetric; `ostiary journal public-key`)",
    "pepper": "password hashes, where the keeper wants a pepper (SP 800-63B-4 section 3.1.1.2)",
    "apikey": "digests of API keys, which may live for years",
}


class KeyMissing(Unavailable):
    """No key of a needed purpose is alive (D14: closed)."""

    slug = "key-missing"
    title = "The service is not ready to answer safely. Please try again."


class Key(msgspec.Struct, frozen=True):
    """One key and its timeline, in milliseconds since 1970.

    Published keys are known to every process and every client before the
    first use; retiring ones still prove what they made; destroyed ones prove nothing.
    """

    id: str
    purpose: str
    algorithm: str
    material: bytes
    published_at: Millis
    activates_at: Millis
    retires_at: Millis | None
    expires_at: Millis | None

    def __repr__(self) -> str:
        return f"Key({self.id}, {self.purpose})"

    def state(self, now: Millis) -> State:
        """Return where in its life this key is."""
        if self.expires_at is not None and self.expires_at <= now:
            return "destroyed"
        if self.retires_at is not None and self.retires_at <= now:
            return "retiring"
        return "active" if self.activates_at <= now else "published"


async def _nothing() -> None:
    """There is nobody to ask."""


class KeyRing:
    """Every living key by purpose and id; replaced whole when the stored ones change."""

    def __init__(self) -> None:
        self._by_purpose: dict[str, list[Key]] = {}
        self._by_id: dict[tuple[str, str], Key] = {}
        self.version = 0
        self.refill: Callable[[], Awaitable[None]] = _nothing
        """Reads the stored keys anew; for who meets a key that this process has not heard of yet."""

    def replace(self, keys: list[Key]) -> None:
        """Hold these keys and no others."""
        by_purpose: dict[str, list[Key]] = {}
        for key in sorted(keys, key=lambda key: (key.activates_at, key.id)):
            by_purpose.setdefault(key.purpose, []).append(key)
        self._by_purpose = by_purpose
        self._by_id = {(key.purpose, key.id): key for key in keys}
        self.version += 1

    def current(self, purpose: Purpose, now: Millis) -> Key:
        """Return the youngest active key.

        Raises:
            KeyMissing: None is active.
        """
        for key in reversed(self._by_purpose.get(purpose, [])):
            if key.state(now) == "active":
                return key
        raise KeyMissing(purpose)

    def find(self, purpose: Purpose, key_id: str, now: Millis) -> Key | None:
        """Return the key of this id that may prove something, or None.

        A published key counts: another process's clock may run ahead of ours.
        """
        key = self._by_id.get((purpose, key_id))
        return None if key is None or key.state(now) == "destroyed" else key

    def living(self, purpose: Purpose, now: Millis) -> list[Key]:
        """Return every key of a purpose that is not destroyed, oldest first."""
        return [key for key in self._by_purpose.get(purpose, []) if key.state(now) != "destroyed"]


class RingPeppers:
    """Peppers for the hasher: what old hashes were made with is found, whether or not new ones get any."""

    def __init__(self, ring: KeyRing, clock: Clock, *, wanted: bool) -> None:
        self._ring = ring
        self._clock = clock
        self._wanted = wanted

    def current(self) -> tuple[str, bytes] | None:
        """Return id and secret of the pepper for new hashes, or None if none is wanted."""
        if not self._wanted:
            return None
        key = self._ring.current("pepper", self._clock.now())
        return key.id, key.material

    def find(self, key_id: str) -> bytes | None:
        """Return the pepper of an id, or None."""
        key = self._ring.find("pepper", key_id, self._clock.now())
        return key.material if key else None
