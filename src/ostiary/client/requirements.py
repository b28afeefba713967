"""What more than a credential a route may ask for: the same words in every framework."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ostiary.client.problems import AddressNotProven, NotPermitted, ScopeMissing, SignInTooOld, SignInTooWeak
from ostiary.client.strength import STRENGTHS

if TYPE_CHECKING:
    from ostiary.client.identity import Identity
    from ostiary.client.strength import Strength

_SCOPE = re.compile(r"[a-z][a-z0-9-]*(:[a-z][a-z0-9-]*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What an identity must be able to show.

    Attributes:
        permission: It holds this permission, by its exact name; a credential that is bounded by scopes was made for
            it as well.
        scope: A credential that is bounded by scopes was made for this; people are not bounded.
        fresh: It proved who it is no longer ago than this.
        verified: Its address is proven (D4).
        acr: It signed in at least so strongly: `aal1`, `aal2` or `phr`.

    Raises:
        ValueError: Nobody could say who meets that.
    """

    permission: str | None = None
    scope: str | None = None
    fresh: timedelta | None = None
    verified: bool = False
    acr: Strength | None = None

    def __post_init__(self) -> None:
        if self.permission == "":
            raise ValueError("a permission has a name")
        if self.scope is not None and not _SCOPE.fullmatch(self.scope):
            raise ValueError(f"{self.scope!r} is no scope: write small letters, digits, - and :, such as books:lend")
        if self.fresh is not None and self.fresh < timedelta(seconds=1):
            raise ValueError("fresh is a time that may have passed: a second or more")
        if self.acr is not None and self.acr not in STRENGTHS:
            raise ValueError(f"acr is one of {', '.join(STRENGTHS)}")

    @property
    def max_age(self) -> int | None:
        """Seconds that a sign-in may be old, in the word of OpenID Connect and RFC 9470; None for any."""
        return None if self.fresh is None else int(self.fresh.total_seconds())

    def check(self, identity: Identity, now: float) -> None:
        """Refuse an identity that does not meet this.

        Args:
            identity: Whom a verified credential names.
            now: Seconds since 1970.

        Raises:
            ScopeMissing: The credential was not made for that.
            NotPermitted: The permission is missing.
            AddressNotProven: The address is a mere claim.
            SignInTooOld: The sign-in is too long ago.
            SignInTooWeak: It is too weak.
        """
        for name in (self.permission, self.scope):
            if name is not None and identity.scopes is not None and name not in identity.scopes:
                raise ScopeMissing(name)
        if self.permission is not None and not identity.may(self.permission):
            raise NotPermitted
        if self.verified and not identity.email_verified:
            raise AddressNotProven
        if self.fresh is not None and now - identity.auth_time > self.fresh.total_seconds():
            raise SignInTooOld(max_age=self.max_age, acr=self.acr)
        if self.acr is not None and not identity.reaches(self.acr):
            raise SignInTooWeak(max_age=self.max_age, acr=self.acr)
