"""What an access token says, and when it may be believed (RFC 9068, RFC 8725)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from ostiary.client.refusals import TokenRefused

ACCESS_TYP: Final = "at+jwt"
"""The `typ` of access tokens (RFC 9068 section 2.1)."""

CLOCK_SKEW: Final = 10.0
"""Seconds that the issuer's clock may be ahead of ours (FAPI 2.0 Security Profile 5.3.2.1)."""

_LAST_TIME: Final = 2**53  # the integers that every JSON parser agrees upon (RFC 8259 section 6)


class StatusPlace(msgspec.Struct, frozen=True):
    """Where the status of a token stands: its number in a status list, and that list's address."""

    idx: int
    uri: str


class Status(msgspec.Struct, frozen=True):
    """What the `status` claim says that we understand (Token Status List, section 6)."""

    status_list: StatusPlace | UnsetType = UNSET


class AccessClaims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of an access token that was checked.

    Times are whole seconds since 1970 (UTC).

    Attributes:
        iss: The Ostiary that issued it: its origin.
        sub: The account's id; with `iss` the only name to know somebody by.
        aud: Whom it is for; one or more names.
        exp: From this second on it is worthless.
        iat: When it was issued.
        jti: The token's own id.
        sid: The session it hangs on; empty where none stands behind it (a machine's).
        client_id: The program it was issued to.
        epoch: The account's epoch. A token of an earlier one is dead (D13).
        username: Public name; for display, it may change hands.
        email: The address, or empty.
        email_verified: Whether the address is proven. Never trust one that is not (D4).
        permissions: What the account may do.
        amr: How the person signed in (RFC 8176).
        acr: How strong that was: `aal1`, `aal2` or `phr`; empty in tokens of before it was said.
        auth_time: When they last proved who they are; 0 is never.
        scope: What was granted to the program, parted by spaces.
        dbsc: Whether the session is bound to a device. At the issuer such a token counts only beside the cookie
            that the device renews; elsewhere it says no more than that.
        status: Where a status list says whether it is revoked, if the issuer keeps lists; see `StatusLists`.
    """

    iss: str
    sub: str
    aud: tuple[str, ...]
    exp: int
    iat: int
    jti: str
    sid: str
    client_id: str
    epoch: int
    username: str = ""
    email: str = ""
    email_verified: bool = False
    permissions: tuple[str, ...] = ()
    amr: tuple[str, ...] = ()
    acr: str = ""
    auth_time: int = 0
    scope: str = ""
    dbsc: bool = False
    status: Status | UnsetType = UNSET

    @property
    def status_list(self) -> StatusPlace | None:
        """Where the status stands, if the issuer keeps lists."""
        return self.status.status_list or None if self.status else None

    def to_claims(self) -> dict[str, object]:
        """Return what `jws.sign` wants; `check` reads it back as the same claims."""
        claims: dict[str, object] = msgspec.structs.asdict(self)
        for name in ("acr", "scope", "dbsc", "status"):
            if not claims[name]:
                del claims[name]
        if len(self.aud) == 1:
            claims["aud"] = self.aud[0]
        claims["type"] = "access"
        return claims


def check(claims: Mapping[str, object], *, issuer: str, audience: str, now: float, leeway: float = 0.0) -> AccessClaims:
    """Return the claims if this is a valid access token for this audience, now.

    Claims that are not known are ignored.

    Args:
        claims: The payload of a token whose signature is right.
        issuer: Who must have issued it, compared exactly.
        audience: Who we are; must be among `aud`.
        now: Seconds since 1970.
        leeway: Seconds by which our clock may be wrong.

    Raises:
        TokenRefused: With the first reason found.
    """
    if claims.get("type") != "access":
        raise TokenRefused("type")
    found = _convert(claims)
    if found.iss != issuer:
        raise TokenRefused("issuer")
    if audience not in found.aud:
        raise TokenRefused("audience")
    if not now < found.exp + leeway:  # RFC 7519 section 4.1.4; in this form a clock that says NaN refuses
        raise TokenRefused("expired")
    latest = now + leeway + CLOCK_SKEW
    # A sign-in that lies in the future would count as fresh for ever (RFC 9470).
    if found.iat > latest or found.auth_time > latest or _not_before(claims) > latest:
        raise TokenRefused("not-yet-valid")
    return found


def _convert(claims: Mapping[str, object]) -> AccessClaims:
    aud = claims.get("aud")
    found = None
    try:
        # Strict: True is no integer, "1" no number, and null is not the same as absent.
        found = msgspec.convert({**claims, "aud": (aud,)} if isinstance(aud, str) else claims, AccessClaims)
    except msgspec.ValidationError:
        found = None
    # Raised out here, as the other exception could quote what it choked on.
    if found is None or not _is_sensible(found):
        raise TokenRefused("claims")
    return found


def _is_sensible(claims: AccessClaims) -> bool:
    named = claims.sub and claims.jti and claims.client_id and all(claims.aud)
    timed = 0 <= claims.iat < claims.exp < _LAST_TIME and 0 <= claims.auth_time < _LAST_TIME
    placed = claims.status_list is None or 0 <= claims.status_list.idx < _LAST_TIME
    return bool(named) and timed and placed and 0 <= claims.epoch < _LAST_TIME


def _not_before(claims: Mapping[str, object]) -> int:
    not_before = claims.get("nbf", 0)
    if isinstance(not_before, bool) or not isinstance(not_before, int):
        raise TokenRefused("claims")
    return not_before
