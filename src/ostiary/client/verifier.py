"""For programs that trust an Ostiary: is this access token good?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from ostiary.client import jws
from ostiary.client.jwks import KeysUnavailable, RemoteKeys
from ostiary.client.refusals import Reason, TokenRefused
from ostiary.client.status_lists import ListUnavailable
from ostiary.client.tokens import AccessTokens

if TYPE_CHECKING:
    import httpx

    from ostiary.client.claims import AccessClaims
    from ostiary.client.keys import VerifyingKey

_WORTH_FETCHING = frozenset({"unknown-key", "keys-outdated", "revocations-outdated"})
_UNAVAILABLE = (KeysUnavailable, ListUnavailable, TimeoutError)
PATIENCE: Final = 10.0
"""Seconds that whoever shows a token may have to wait for what it takes to judge it."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a token has proven, for something that stays open longer than a request.

    Attributes:
        claims: What it said.
        key: Whose signature proved it.
    """

    claims: AccessClaims
    key: VerifyingKey | None


class Verifier:
    """Checks access tokens of one issuer for one audience.

    Open one at start and keep it: it holds the issuer's keys and remembers
    the tokens that it has seen.

    Args:
        issuer: The Ostiary's origin, exactly as in the tokens' `iss`.
        audience: This program's name in the tokens' `aud`.
        jwks_url: Where the keys are; by default at the issuer's well-known place.
        leeway: Seconds by which this machine's clock may be wrong.
        outage: Seconds for which the keys still count while the issuer cannot be reached.
        cache_size: How many tokens to remember.
        revocations: Says of a token whether it has been revoked: a `RevocationFeed`, `StatusLists`, or any
            function of the claims. Asked each time and never remembered; what it raises goes to the caller.
        clock: The time, in seconds since 1970.
        steady: A clock in seconds that never goes back.
        transport: How to reach the network instead of httpx's own way.

    Raises:
        ValueError: `jwks_url` is neither https nor on this machine.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        jwks_url: str | None = None,
        leeway: float = 0.0,
        outage: float = 3600.0,
        cache_size: int = 10_000,
        revocations: Callable[[AccessClaims], bool] | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._keys = RemoteKeys(
            jwks_url or issuer.rstrip("/") + "/.well-known/jwks.json",
            on_change=self._forget_all,
            outage=outage,
            steady=steady,
            transport=transport,
        )
        self._tokens = AccessTokens(self._keys, issuer, audience, leeway, cache_size)
        self._revoked = revocations
        self._clock = clock
        self._leeway = leeway

    @classmethod
    async def open(
        cls,
        *,
        issuer: str,
        audience: str,
        jwks_url: str | None = None,
        leeway: float = 0.0,
        revocations: Callable[[AccessClaims], bool] | None = None,
    ) -> Self:
        """Return a verifier that has fetched the issuer's keys.

        See the class for the arguments, and for more of them.

        Raises:
            KeysUnavailable: The keys cannot be fetched.
            ValueError: `jwks_url` is neither https nor on this machine.
        """
        verifier = cls(issuer=issuer, audience=audience, jwks_url=jwks_url, leeway=leeway, revocations=revocations)
        await verifier.fetch_keys()
        return verifier

    async def fetch_keys(self) -> bool:
        """Fetch the issuer's keys now, unless that was tried within ten seconds; return whether.

        Raises:
            KeysUnavailable: The keys cannot be fetched.
        """
        return await self._keys.fetch()

    def fetch_keys_blocking(self) -> bool:
        """Do what `fetch_keys` does, in programs without an event loop.

        Raises:
            KeysUnavailable: The keys cannot be fetched.
        """
        return self._keys.fetch_blocking()

    def begin(self) -> None:
        """Begin to fetch the keys, so that the first visitor need not wait for them; does not wait itself."""
        self._renew()

    @property
    def retry_after(self) -> int:
        """Whole seconds until the issuer may be asked again: what to say while its keys cannot be had."""
        return self._keys.retry_after

    def verify(self, token: str) -> AccessClaims:
        """Return what the token says, from what is known here; touches no network.

        Raises:
            TokenRefused: It proves nothing, here and now. With the reason
                `unknown-key` or `keys-outdated`, `verify_async` and
                `verify_blocking` would ask the issuer.
        """
        if self._keys.is_outdated:
            raise TokenRefused("keys-outdated")
        claims = self._tokens.read(token, self._clock())
        if self._revoked is not None and self._revoked(claims):
            raise TokenRefused("revoked")
        return claims

    async def verify_async(self, token: str) -> AccessClaims:
        """Return what the token says; ask the issuer for its keys when that can help.

        A set that is due for renewal is renewed in the background. An unknown
        key id is worth one fetch, but no more than one in ten seconds.

        Raises:
            TokenRefused: It proves nothing, here and now.
        """
        if self._keys.is_overdue:
            with suppress(KeysUnavailable):
                await self._keys.fetch()
        tried: set[Reason] = set()
        while True:
            try:
                claims = self.verify(token)
            except TokenRefused as refusal:
                fetching = self._fetching(token, refusal, tried)
            else:
                self._renew()
                return claims
            if fetching is not None:
                with suppress(*_UNAVAILABLE):
                    await asyncio.wait_for(asyncio.wrap_future(fetching), PATIENCE)

    async def prove_async(self, token: str) -> Proof:
        """Do what `verify_async` does, and return what `look_again` wants.

        Raises:
            TokenRefused: It proves nothing, here and now.
        """
        claims = await self.verify_async(token)
        return Proof(claims, self._keys.find(jws.key_id_of(token)))

    def look_again(self, proof: Proof) -> None:
        """See that what was proven still stands, from what is known here; touches no network itself.

        The token is not needed for that, and so need not be kept. Keys that are
        due are renewed in the background, as nobody else may come by.

        Raises:
            TokenRefused: It has expired or been revoked, its key is gone, or nobody can say.
        """
        self._renew()
        if self._keys.is_outdated:
            raise TokenRefused("keys-outdated")
        key = proof.key
        found = None if key is None else self._keys.find(key.key_id)
        if found is None or (found is not key and found != key):
            raise TokenRefused("unknown-key")
        if not self._clock() < proof.claims.exp + self._leeway:
            raise TokenRefused("expired")
        if self._revoked is not None and self._revoked(proof.claims):
            raise TokenRefused("revoked")

    def verify_blocking(self, token: str) -> AccessClaims:
        """Do what `verify_async` does, in programs without an event loop.

        Threads that need the keys at the same time wait for one fetch.

        Raises:
            TokenRefused: It proves nothing, here and now.
        """
        if self._keys.is_overdue:
            with suppress(KeysUnavailable):
                self._keys.fetch_blocking()
        tried: set[Reason] = set()
        while True:
            try:
                claims = self.verify(token)
            except TokenRefused as refusal:
                fetching = self._fetching(token, refusal, tried)
            else:
                self._renew()
                return claims
            if fetching is not None:
                with suppress(*_UNAVAILABLE):
                    fetching.result(PATIENCE)

    def _fetching(self, token: str, refusal: TokenRefused, tried: set[Reason]) -> Future[None] | None:
        """Return what is being fetched that can help; None if it has just been fetched, so that a second look may do.

        Raises:
            TokenRefused: Nothing can help, or it did not.
        """
        if refusal.reason in tried or refusal.reason not in _WORTH_FETCHING:
            raise refusal
        tried.add(refusal.reason)
        if refusal.reason != "revocations-outdated":
            return self._keys.begin()
        begin: Callable[[AccessClaims], Future[None] | None] | None = getattr(self._revoked, "begin", None)
        if begin is None:
            raise refusal
        return begin(self._tokens.read(token, self._clock()))

    def _renew(self) -> None:
        """Begin to renew a set that is due; nobody waits for that while the known keys count."""
        if self._keys.is_stale:
            self._keys.begin()

    def _forget_all(self) -> None:
        self._tokens.forget_all()
