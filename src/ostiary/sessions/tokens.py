"""Access tokens: what a session's bearer shows with each request (RFC 9068)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.client import ACCESS_TYP, AccessClaims
from ostiary.client.jws import sign
from ostiary.sessions.strength import acr_of

if TYPE_CHECKING:
    from ostiary.accounts import Account
    from ostiary.core.clock import Millis
    from ostiary.keys import Keys
    from ostiary.sessions.queries import Session
    from ostiary.sessions.settings import SessionSettings


LISTS = "/api/v1/auth/status-lists"
LIST_SIZE = 1 << 17
"""Sessions of one status list: enough that asking for it tells nobody whose is meant; 16 KiB before compression."""


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """A signed access token, its id, and how many seconds it lives."""

    token: str
    jti: str
    expires_in: int
    claims: AccessClaims


class Minter:
    """Signs access tokens; the last word on what they say."""

    def __init__(self, keys: Keys, issuer: str, settings: SessionSettings) -> None:
        self._keys = keys
        self._issuer = issuer
        self._settings = settings
        self._lifetime = int(settings.access_lifetime.total_seconds())

    @property
    def issuer(self) -> str:
        """Who signs: the house's origin."""
        return self._issuer

    @property
    def audience(self) -> str:
        """Whom the tokens are for: the issuer itself, unless set."""
        return self._settings.audience or self._issuer

    def mint(self, account: Account, session: Session, now: Millis) -> AccessGrant:
        """Return a new access token for a session, never outliving it, used or idle."""
        claims = self.claims(account, session, now)
        said = claims.to_claims()
        if self._settings.legacy_claims:
            said |= {"user_id": account.id, "token_type": "access"}
        if session.number is not None and self._settings.status_claim:
            said["status"] = {"status_list": self.place_of(session.number)}
        token = sign(said, self._keys.signer(), ACCESS_TYP)
        return AccessGrant(token, claims.jti, max(0, claims.exp - claims.iat), claims)

    def place_of(self, number: int) -> dict[str, object]:
        """Return where the status of a session stands."""
        return {"idx": number % LIST_SIZE, "uri": self.list_address(number // LIST_SIZE)}

    def list_address(self, which: int) -> str:
        """Return the address of a status list."""
        return f"{self._issuer}{LISTS}/{which}"

    def claims(self, account: Account, session: Session, now: Millis) -> AccessClaims:
        """Return what an access token of a session says if it is made now."""
        issued = now // 1000
        methods = tuple(session.methods.split())
        expires = min(issued + self._lifetime, -(-session.idle_ends_at // 1000))
        return AccessClaims(
            iss=self._issuer, sub=account.id, aud=(self.audience,), exp=expires, iat=issued,
            jti=secrets.token_urlsafe(16), sid=session.id, client_id=self._settings.client_id, epoch=account.epoch,
            username=account.username, email=account.email, email_verified=account.email_verified,
            permissions=account.permissions, amr=methods, acr=acr_of(methods),
            auth_time=session.authenticated_at // 1000,
            dbsc=session.bound_at is not None and self._settings.device_bound != "off",
        )  # fmt: skip
