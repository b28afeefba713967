"""Access tokens read once and remembered by their digest."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from threading import Lock

from ostiary.client import jws
from ostiary.client.claims import ACCESS_TYP, AccessClaims, check
from ostiary.client.refusals import TokenRefused


class AccessTokens:
    """Reads access tokens, with a memory for those whose signature was right.

    A client shows the same token with each request, and a signature costs
    fifty times a look-up. What is remembered is that a token was signed and
    what it said; expiry is looked at every time, and revocation is the
    caller's to look at every time. Refusals are not remembered, so nobody can
    fill the memory without a key. Threads may share one.

    Args:
        keys: Whose signatures count. When one of them stops counting, say so
            with `forget_all`.
        issuer: Who must have issued the tokens.
        audience: Whom they must be for.
        leeway: Seconds by which our clock may be wrong.
        cache_size: How many tokens to remember; 0 for none. Some 1.3 kB each.
    """

    __slots__ = ("_audience", "_epoch", "_issuer", "_keys", "_leeway", "_lock", "_seen", "_size")

    def __init__(
        self,
        keys: jws.KeySource,
        issuer: str,
        audience: str,
        leeway: float = 0.0,
        cache_size: int = 10_000,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._size = cache_size
        self._seen: OrderedDict[bytes, AccessClaims] = OrderedDict()
        self._epoch = 0  # counts the calls of forget_all
        self._lock = Lock()

    def read(self, token: str, now: float) -> AccessClaims:
        """Return what the token says.

        Args:
            token: The text of the token, from anybody.
            now: Seconds since 1970.

        Raises:
            TokenRefused: It proves nothing, here and now.
        """
        if len(token) > jws.MAX_TOKEN or not token.isascii():
            raise TokenRefused("form")
        digest = sha256(token.encode("ascii")).digest()  # a look into our memory must not yield tokens
        with self._lock:
            claims = self._seen.get(digest)
            if claims is not None and now < claims.exp + self._leeway:
                self._seen.move_to_end(digest)
                return claims
            epoch = self._epoch
        if claims is not None:
            self._drop(digest)
            raise TokenRefused("expired")
        claims = check(
            jws.read(token, self._keys, ACCESS_TYP),
            issuer=self._issuer,
            audience=self._audience,
            now=now,
            leeway=self._leeway,
        )
        self._keep(digest, claims, epoch)
        return claims

    def forget_all(self) -> None:
        """Check every token afresh: the keys have changed.

        A verdict that another thread is just coming to is not remembered
        either, as it may rest on a key that is gone by now.
        """
        with self._lock:
            self._epoch += 1
            self._seen.clear()

    def _keep(self, digest: bytes, claims: AccessClaims, epoch: int) -> None:
        with self._lock:
            if epoch != self._epoch or self._size <= 0:
                return
            self._seen[digest] = claims
            if len(self._seen) > self._size:
                self._seen.popitem(last=False)

    def _drop(self, digest: bytes) -> None:
        with self._lock:
            self._seen.pop(digest, None)
