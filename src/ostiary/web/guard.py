"""What doors need to know of credentials: who looks at them, and what they find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ostiary.web.standing import Bearing

if TYPE_CHECKING:
    from ostiary.client import Strength
    from ostiary.web.visit import Visit


class SignedIn(Bearing, Protocol):
    """Whom a credential names, once it is verified."""

    @property
    def account_id(self) -> str:
        """The account."""
        ...

    @property
    def session_id(self) -> str:
        """The session that the credential hangs on; empty for an API key."""
        ...

    @property
    def key_id(self) -> str | None:
        """The API key, where it is one."""
        ...

    @property
    def is_confined(self) -> bool:
        """Whether it is good from some networks only."""
        ...

    @property
    def auth_time(self) -> int:
        """When the person last proved who they are, in seconds since 1970."""
        ...

    @property
    def acr(self) -> str:
        """How strong that proof was."""
        ...


class Guard(Protocol):
    """Looks at credentials; the sessions' room keeps the real one."""

    async def ensure_fresh(self) -> None:
        """See that memory may be trusted.

        Raises:
            Problem: It cannot be proven fresh: refuse (D14).
        """
        ...

    async def identify(self, visit: Visit, *, keys: bool = False) -> SignedIn | None:
        """Return whom the request's credential names, or None if it shows none.

        Args:
            visit: The request.
            keys: Whether API keys are accepted here; everywhere else they are refused.

        Raises:
            Problem: It shows one that proves nothing, or is not accepted.
        """
        ...

    async def admit(self, visit: Visit, *, keys: bool = False) -> SignedIn:
        """Return whom the request's credential names; `keys` as for `identify`.

        Raises:
            Problem: It shows none, one that proves nothing, or one that is not accepted.
        """
        ...

    async def admit_page(self, visit: Visit) -> SignedIn:
        """As `admit`, for hosted pages, whose own cookie outlives the access token.

        Raises:
            Problem: Neither proves anything.
        """
        ...

    def shows_credential(self, visit: Visit) -> bool:
        """Return whether the request shows what may be a credential; proves nothing."""
        ...

    async def session_to_end(self, visit: Visit) -> str | None:
        """Return the session that a sign-out is about, or None."""
        ...

    def named_session(self, visit: Visit) -> str | None:
        """Return the session that the request's cookies genuinely name, alive or not."""
        ...

    def device_of(self, visit: Visit) -> str | None:
        """Return the device that a genuine device cookie names."""
        ...


class Factors(Protocol):
    """Knows what an account can show; the front desk keeps the real one."""

    async def highest(self, account_id: str) -> Strength:
        """Return how strong a sign-in to an account can be, as it is now."""
        ...
