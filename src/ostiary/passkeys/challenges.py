"""Challenges of passkeys: issued without a write, good once, for one purpose, for one session or browser."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ostiary.core.clock import millis
from ostiary.core.secrets import Macs, new_id, new_secret
from ostiary.passkeys import queries

if TYPE_CHECKING:
    from ostiary.core.clock import Clock, Millis
    from ostiary.core.db import Unit

REGISTRATION, SIGN_IN = "passkey registration challenge", "passkey sign-in challenge"
SECOND_FACTOR, STEP_UP = "passkey second-factor challenge", "passkey step-up challenge"
BROWSER = "passkey browser"
LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Issued:
    """A challenge of this house that is still good, as far as its text tells: it may be used up already."""

    digest: bytes
    expires_at: Millis


class Challenges:
    """Writes and reads challenges that carry their own proof.

    Each sign-in page asks for one, so that asking must cost no write; only using one up does.
    """

    def __init__(self, macs: Macs, clock: Clock) -> None:
        self._macs = macs
        self._clock = clock

    def issue(self, purpose: str, bound_to: str) -> bytes:
        """Return a challenge with 256 random bits, for five minutes.

        Args:
            purpose: `REGISTRATION`, `SIGN_IN`, `SECOND_FACTOR` or `STEP_UP`.
            bound_to: The session, the browser or the attempt that alone can answer it, by its id.
        """
        expires_at = self._clock.now() + millis(LIFETIME)
        return self._macs.write(purpose, new_secret(), str(expires_at), bound_to).encode("ascii")

    def read(self, purpose: str, text: str, bound_to: str) -> Issued | None:
        """Return what is known of a challenge, or None if it is not ours, too old, or of somebody else."""
        fields = self._macs.read(purpose, text, 3)
        if fields is None or fields[2] != bound_to or int(fields[1]) <= self._clock.now():
            return None
        return Issued(hashlib.sha256(text.encode("ascii")).digest(), int(fields[1]))

    async def spend(self, unit: Unit, challenge: Issued) -> bool:
        """Use a challenge up; False if it was, also by somebody at the same moment."""
        return bool(await unit.run(queries.SPEND, digest=challenge.digest, expires_at=challenge.expires_at))

    def new_browser(self) -> str:
        """Return what a browser's cookie holds, so that a challenge can be bound to it."""
        return self._macs.write(BROWSER, new_id(self._clock.now()))

    def browser_in(self, cookie: str | None) -> str | None:
        """Return the id in a browser's cookie, or None."""
        fields = self._macs.read(BROWSER, cookie, 1) if cookie else None
        return fields[0] if fields else None
