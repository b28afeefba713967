"""What a session is held by, and when it is renewed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from ostiary.client.api.shapes.common import SignedIn

EARLY_SECONDS: Final = 30.0
"""How long before its end an access token is exchanged, so that none runs out on the way."""

RENEWAL_TIMEOUT: Final = 3.0
"""Seconds to wait in each step of an exchange, so that a second attempt falls into the grace.

The house takes a predecessor for ten seconds and answers with the same successor; later it takes it for a stolen copy
and ends the session (RFC 9700 section 4.14.2).
"""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a session is held by. Secret: whoever has them is signed in.

    Attributes:
        access_token: Shown with each request.
        refresh_token: Exchanged for the next pair, once.
        renew_at: When to exchange it, in seconds since 1970, by this machine's clock.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    renew_at: float

    @classmethod
    def of(cls, signed_in: SignedIn, now: float) -> Self:
        """Return the tokens of an answer that came now; those that live shortly are renewed at half their time."""
        lives = float(signed_in.expires_in)
        return cls(signed_in.access_token, signed_in.refresh_token, now + max(lives / 2, lives - EARLY_SECONDS))
