"""What more than a credential a route may ask for: the same words in every framework."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ostiary.client.problems import AddressNotProven, NotPermitted, SignInTooOld
from ostiary.client.strength import STRENGTHS

if TYPE_CHECKING:
    from ostiary.client.identity import Identity
    from ostiary.client.strength import Strength


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What an identity must be able to show.

    Attributes:
        permission: It holds this permission, by its exact name.
        fresh: It proved who it is no longer ago than this.
        verified: Its address is proven (D4).
        acr: It signed in at least so strongly: `aal1`, `aal2` or `phr`.

    Raises:
        ValueError: Nobody could say who meets that.
    """

    permission: str | None = None
    fresh: timedelta | None = None
    verified: bool = False
    acr: Strength | None = None

    def __post_init__(self) -> None:
        if self.permission == "":
            raise ValueError("a permission has a name")
        if self.fresh is not None and self.fresh <= timedelta(0):
            raise ValueError("fresh is a time that may have passed: more than none")
        if self.acr is not None and self.acr not in STRENGTHS:
            raise ValueError(f"acr is one of {', '.join(STRENGTHS)}")

    def check(self, identity: Identity, now: float) -> None:
        """Refuse an identity that does not meet this.

        Args:
            identity: Whom a verified credential names.
            now: Seconds since 1970.

        Raises:
            NotPermitted: The permission is missing.
            AddressNotProven: The address is a mere claim.
            SignInTooOld: The sign-in is too long ago, or too weak.
        """
        if self.permission is not None and not identity.may(self.permission):
            raise NotPermitted
        if self.verified and not identity.email_verified:
            raise AddressNotProven
        if self.fresh is not None and now - identity.auth_time > self.fresh.total_seconds():
            raise SignInTooOld(max_age=int(self.fresh.total_seconds()))
        if self.acr is not None and not identity.reaches(self.acr):
            raise SignInTooOld(acr=self.acr)
