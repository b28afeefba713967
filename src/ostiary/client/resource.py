"""An application that trusts an Ostiary elsewhere; every framework's integration asks here."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from ostiary.client.identity import Identity
from ostiary.client.problems import ApiKeyRefused, ForeignOrigin, NotSignedIn, Refusal, SignInTooOld, Unavailable
from ostiary.client.refusals import TokenRefused
from ostiary.client.revocations import RevocationFeed
from ostiary.client.verifier import Proof, Verifier
from ostiary.client.visits import Origins, Visit, sign_in_address

if TYPE_CHECKING:
    import httpx

    from ostiary.client.claims import AccessClaims
    from ostiary.client.requirements import Requirement
    from ostiary.client.visits import Credential

log = logging.getLogger(__name__)

USUAL_COOKIE: Final = "__Host-access_token"
"""The access cookie of a house that shares no cookies with sub-domains."""

_API_KEY: Final = re.compile(r"[a-z][a-z0-9]{1,15}_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}")
"""The form of API keys; no signed token has it."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who has sent a request.

    Attributes:
        identity: Whom a verified credential names, or None.
        refusal: Why it shows something and still names nobody, or None.
        by_cookie: Whether it is the cookie that counts.
    """

    identity: Identity | None = None
    refusal: Refusal | None = None
    by_cookie: bool = False

    def admitted(self) -> Identity:
        """Return who it is.

        Raises:
            Refusal: It shows no credential, or one that proves nothing.
        """
        if self.identity is None:
            raise self.refusal or NotSignedIn()
        return self.identity

    def perhaps(self) -> Identity | None:
        """Return who it is, or None for a stranger, and for a cookie that proves nothing any more.

        Raises:
            Refusal: A bearer token proves nothing: who shows one wants to hear of it. Or nobody can say now.
        """
        if self.refusal is not None and not (self.by_cookie and isinstance(self.refusal, NotSignedIn)):
            raise self.refusal
        return self.identity

    def refused(self, refusal: Refusal) -> Self:
        """Return the same visitor, turned down."""
        return replace(self, identity=None, refusal=refusal)


STRANGER: Final = Visitor()


class ResourceServer:
    """An application that serves what is its own to those whom an Ostiary vouches for (RFC 6749 section 1.1).

    Make one at start and keep it. It fetches the issuer's keys when it first
    needs them, and begins anew in a child of a process that forks.

    Args:
        issuer: The Ostiary's origin, exactly as in the tokens' `iss`.
        audience: This application's name in the tokens' `aud`; the issuer itself, as the house has it by default.
        cookie: Name of the access cookie; None if cookies are not for this application.
        origins: Origins besides its own whose pages may act with its visitors' cookies.
        jwks_url: Where the keys are; by default at the issuer's well-known place.
        leeway: Seconds by which this machine's clock may be wrong.
        outage: Seconds for which the keys still count while the issuer cannot be reached.
        revocations: Says of a token whether it has been revoked; asked each time. A `RevocationFeed` that has no
            `on_keys` of its own tells this server of changed keys, too.
        clock: The time, in seconds since 1970.
        steady: A clock in seconds that never goes back.
        transport: How to reach the network instead of httpx's own way.

    Raises:
        ValueError: One of them cannot be; says what to write.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | None = None,
        cookie: str | None = USUAL_COOKIE,
        origins: Iterable[str] = (),
        jwks_url: str | None = None,
        leeway: float = 0.0,
        outage: float = 3600.0,
        revocations: Callable[[AccessClaims], bool] | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        parts = urlsplit(issuer)
        if f"{parts.scheme}://{parts.netloc}" != issuer or not parts.hostname:
            raise ValueError(f"{issuer!r} is no issuer: write it like https://login.example.org, with no / at the end")
        if cookie == "" or (cookie is not None and set(cookie) & set(" ;,=\t")):
            raise ValueError(f"{cookie!r} is no name of a cookie")
        self.issuer = issuer
        self.cookie = cookie
        self.origins = Origins.of(origins)
        self._clock = clock
        self._feed = revocations if isinstance(revocations, RevocationFeed) else None
        if self._feed is not None and self._feed.on_keys is None:
            self._feed.on_keys = self._fetch_keys

        def new_verifier() -> Verifier:
            return Verifier(
                issuer=issuer, audience=audience or issuer, jwks_url=jwks_url, leeway=leeway, outage=outage,
                revocations=revocations, clock=clock, steady=steady, transport=transport,
            )  # fmt: skip

        self._new_verifier = new_verifier
        self._verifier = new_verifier()
        self._process = os.getpid()

    @property
    def verifier(self) -> Verifier:
        """The verifier of this process: a child must not wait for a fetch that its parent has begun."""
        if self._process != os.getpid():
            self._verifier, self._process = self._new_verifier(), os.getpid()
        return self._verifier

    def begin(self) -> None:
        """Begin to fetch keys and to hear of revocations, so that first visitors need not wait; waits for neither."""
        self.verifier.begin()
        if self._feed is not None:
            self._feed.start()

    async def prove(self, token: str) -> Proof:
        """Return what a token proves, for something that stays open longer than a request.

        Raises:
            Refusal: It proves nothing, or nobody can say.
        """
        if _API_KEY.fullmatch(token):
            raise ApiKeyRefused
        try:
            return await self.verifier.prove_async(token)
        except TokenRefused as refused:
            raise self._refusal_of(refused) from None

    def look_again(self, proof: Proof) -> None:
        """See that what was proven still stands; touches no network.

        Raises:
            Refusal: It does not, or nobody can say.
        """
        try:
            self.verifier.look_again(proof)
        except TokenRefused as refused:
            raise self._refusal_of(refused) from None

    async def admit(self, visit: Visit, *, check_origin: bool = True) -> Visitor:
        """Return who has sent a request.

        Args:
            visit: The request.
            check_origin: Whether to refuse what acts by cookie and is no page of ours; False where the framework
                has its own check against forgery, and it is used.
        """
        credential = visit.credential(self.cookie)
        if credential is None:
            return STRANGER
        if check_origin and self._is_foreign(visit, credential):
            return Visitor(refusal=ForeignOrigin(), by_cookie=True)
        if not credential.is_cookie and _API_KEY.fullmatch(credential.token):
            return Visitor(refusal=ApiKeyRefused())
        try:
            claims = await self.verifier.verify_async(credential.token)
        except TokenRefused as refused:
            return self._turned_away(credential, refused)
        return Visitor(Identity.of(claims), by_cookie=credential.is_cookie)

    def admit_blocking(self, visit: Visit, *, check_origin: bool = True) -> Visitor:
        """Do what `admit` does, in programs without an event loop."""
        credential = visit.credential(self.cookie)
        if credential is None:
            return STRANGER
        if check_origin and self._is_foreign(visit, credential):
            return Visitor(refusal=ForeignOrigin(), by_cookie=True)
        if not credential.is_cookie and _API_KEY.fullmatch(credential.token):
            return Visitor(refusal=ApiKeyRefused())
        try:
            claims = self.verifier.verify_blocking(credential.token)
        except TokenRefused as refused:
            return self._turned_away(credential, refused)
        return Visitor(Identity.of(claims), by_cookie=credential.is_cookie)

    def require(self, visitor: Visitor, requirement: Requirement) -> Identity:
        """Return who a visitor is, if they meet what is asked for.

        Raises:
            Refusal: They do not, or are nobody.
        """
        identity = visitor.admitted()
        self.check(identity, requirement)
        return identity

    def check(self, identity: Identity, requirement: Requirement) -> None:
        """Refuse an identity that does not meet what is asked for, now.

        Raises:
            Refusal: It does not.
        """
        requirement.check(identity, self._clock())

    def sign_in_page(self, visit: Visit, refusal: Refusal) -> str | None:
        """Return where to send a browser instead of refusing it, or None where that would not help it."""
        if not (refusal.can_sign_in and visit.wants_page()):
            return None
        return sign_in_address(self.issuer, visit, once_more=isinstance(refusal, SignInTooOld))

    def _fetch_keys(self) -> bool:
        return self.verifier.fetch_keys_blocking()  # of this process, which may be a child

    def _is_foreign(self, visit: Visit, credential: Credential) -> bool:
        return credential.is_cookie and visit.could_act and not self.origins.has_sent(visit)

    def _turned_away(self, credential: Credential, refused: TokenRefused) -> Visitor:
        return Visitor(refusal=self._refusal_of(refused), by_cookie=credential.is_cookie)

    def _refusal_of(self, refused: TokenRefused) -> Refusal:
        refusal: Refusal
        if refused.reason in ("keys-outdated", "revocations-outdated"):
            refusal = Unavailable(retry_after=self.verifier.retry_after, reason=refused.reason)
        else:
            refusal = NotSignedIn(reason=refused.reason)
        level = logging.DEBUG if refused.reason == "expired" else logging.INFO
        log.log(level, "a token was refused: %s (request %s)", refused.reason, refusal.request_id)
        return refusal
