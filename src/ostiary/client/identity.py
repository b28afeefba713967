"""Somebody who has proven who they are, as an application sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from ostiary.client.strength import Strength, reaches

if TYPE_CHECKING:
    from ostiary.client.claims import AccessClaims


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a verified credential names, whatever its kind.

    Attributes:
        id: The account's id: the only name to know somebody by, and to keep beside what is theirs.
        username: Public name; for display, it may change hands.
        email: The address, or empty.
        email_verified: Whether the address is proven. Never trust one that is not (D4).
        full_name: What they like to be called, or empty; clean text, to be escaped like any other.
        session_id: The session that the credential hangs on; empty for an API key.
        permissions: What the account may do; by a credential that is bounded by scopes, what that was made for as well.
        amr: How the person signed in (RFC 8176).
        acr: How strong that was: `aal1`, `aal2` or `phr`.
        auth_time: When they last proved who they are, in seconds since 1970; 0 is never.
        key_id: The API key that was shown, or None.
        scopes: What that was made for, or what a program was granted; None for a person, who is not bounded.
    """

    id: str
    username: str
    session_id: str
    email: str = ""
    email_verified: bool = False
    full_name: str = ""
    permissions: tuple[str, ...] = ()
    amr: tuple[str, ...] = ()
    acr: str = ""
    auth_time: int = 0
    key_id: str | None = None
    scopes: tuple[str, ...] | None = None

    @classmethod
    def of(cls, claims: AccessClaims) -> Self:
        """Return what an access token alone says; its names are as old as the token."""
        scopes = tuple(claims.scope.split()) if claims.scope else None
        permissions = tuple(held for held in claims.permissions if scopes is None or held in scopes)
        return cls(
            id=claims.sub, username=claims.username, email=claims.email, email_verified=claims.email_verified,
            session_id=claims.sid, permissions=permissions, amr=claims.amr, acr=claims.acr,
            auth_time=claims.auth_time, scopes=scopes,
        )  # fmt: skip

    def may(self, permission: str) -> bool:
        """Return whether the account holds a permission, by its exact name."""
        return permission in self.permissions

    def reaches(self, acr: Strength) -> bool:
        """Return whether the sign-in was at least so strong; behind an API key there is none.

        Raises:
            ValueError: That is no strength.
        """
        return reaches(self.acr, acr) and self.key_id is None
