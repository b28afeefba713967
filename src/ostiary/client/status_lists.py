"""What the issuer has revoked, looked up in its status lists: the pull path, for who cannot listen to its feed.

The form is that of the IETF's Token Status List (draft-ietf-oauth-status-list-17), as JWT.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final, Literal

from ostiary.client import jws
from ostiary.client.claims import CLOCK_SKEW
from ostiary.client.jwks import KeysUnavailable, RemoteKeys
from ostiary.client.refusals import TokenRefused
from ostiary.client.revocations import ISSUERS_OWN, steady_seconds
from ostiary.client.strict import decode_base64url

if TYPE_CHECKING:
    import httpx

    from ostiary.client.claims import AccessClaims

log = logging.getLogger(__name__)

BOUND: Final = 60.0
"""Seconds within which a revoked token is refused, or every token is."""

SHORTEST_BOUND: Final = 45.0
"""What the issuer publishes: its `ttl`, caches on the way, and the age of its own view."""

TYP: Final = "statuslist+jwt"
SPACING: Final = 1.0
"""Seconds between two fetches of one list, whatever arrives in between."""

_TTL: Final = 30.0
_TIMEOUT: Final = 5.0
_PATIENCE: Final = 2 * _TIMEOUT  # httpx counts each read: a slow drip would last for ever
_LONGEST: Final = 512 * 1024
_LARGEST: Final = 2**20
_MOST_LISTS: Final = 1000
_LAST_TIME: Final = 2**53
_BITS: Final = (1, 2, 4, 8)


class ListUnavailable(Exception):  # noqa: N818 - says what happened
    """A status list could not be had; the message says why."""


@dataclass(frozen=True, slots=True)
class StatusList:
    """One list as it was written.

    Attributes:
        bits: Of each status: 1, 2, 4 or 8.
        octets: All of them, the first in the lowest bits.
        written_at: From when on it may have missed something, by our steady clock.
        due_at: When it is to be fetched again.
    """

    bits: int
    octets: bytes
    written_at: float
    due_at: float

    def is_revoked(self, place: int) -> bool:
        """Return whether a status is another than `VALID` (section 7.1).

        Raises:
            TokenRefused: The list has no such place: such a token must be refused (section 8.3).
        """
        at = place * self.bits
        if at // 8 >= len(self.octets):
            raise TokenRefused("claims")
        return (self.octets[at // 8] >> (at % 8)) & ((1 << self.bits) - 1) != 0


@dataclass(slots=True)
class _Shelf:
    """Where a list stands, and the fetch that is under way or was the last."""

    found: StatusList | None = None
    fetching: Future[None] | None = None
    next_fetch: float = field(default=float("-inf"))
    failures: int = 0


class StatusLists:
    """Says of a token whether its session has ended, by the list that the token names.

    Give it to a `Verifier` or a `ResourceServer` as `revocations`. A list is fetched with the first token that names
    it, for which `verify_async` and `verify_blocking` wait, and renewed in the background as long as tokens ask. It
    wants `sessions.status_claim` set at the issuer. A `RevocationFeed` hears sooner, and of rights as well.

    Args:
        issuer: The Ostiary's origin, as in the tokens' `iss`.
        bound: Seconds within which a revoked token is refused, or every token is.
        when_blind: What to do with a token past the bound, or one that names no list: `refuse` it, or `accept` it as
            if there were no lists.
        jwks_url: Where the issuer's keys are; by default at its well-known place.
        clock: The time, in seconds since 1970: how old a list was when it came is told by its `iat`.
        steady: A clock in seconds that nobody sets.
        transport: How to reach the network instead of httpx's own way.

    Raises:
        ValueError: The issuer is neither https nor on this machine, or the bound is shorter than what it publishes.
    """

    def __init__(
        self,
        *,
        issuer: str,
        bound: float = BOUND,
        when_blind: Literal["refuse", "accept"] = "refuse",
        jwks_url: str | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = steady_seconds,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if bound < SHORTEST_BOUND:
            raise ValueError(f"The bound must be {SHORTEST_BOUND:.0f} seconds or more: lists are written for that.")
        self._issuer = issuer
        self._below = issuer.rstrip("/") + "/"
        self._bound = bound
        self._refuses = when_blind == "refuse"
        self._keys = RemoteKeys(
            jwks_url or f"{self._below}.well-known/jwks.json", on_change=self._forget_all, steady=steady,
            transport=transport,
        )  # fmt: skip
        self._clock = clock
        self._steady = steady
        self._transport = transport
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()
        self._deciding = Lock()

    def __call__(self, claims: AccessClaims) -> bool:
        """Return whether a token is revoked, from what is known here; waits for no network.

        Raises:
            TokenRefused: Nobody can say, and the choice is to refuse; or the token names no place that there is.
        """
        if claims.status_list is None:
            return self._cannot_say()
        shelf, now = self._shelf(claims), self._steady()
        found = shelf.found
        if found is None or now >= found.due_at:
            self.begin(claims)
        if found is not None and found.is_revoked(claims.status_list.idx):
            return True  # however old: nobody is signed in again in an ended session
        if found is None or now - found.written_at > self._bound:
            return self._cannot_say()
        return False

    def begin(self, claims: AccessClaims) -> Future[None] | None:
        """Return the fetch of a token's list that is under way or starts now; None if there is nothing to fetch.

        A fetch that is not done when it should have given up, as in a child of a process that forked, counts no more.
        """
        if claims.status_list is None:
            return None
        shelf, uri = self._shelf(claims), claims.status_list.uri
        with self._deciding:
            now = self._steady()
            is_under_way = shelf.fetching is not None and not shelf.fetching.done()
            if now < shelf.next_fetch + (_PATIENCE if is_under_way else 0.0):
                return shelf.fetching if is_under_way else None
            shelf.next_fetch = now + SPACING
            fetching = shelf.fetching = Future[None]()
            fetching.set_running_or_notify_cancel()  # whoever waits cannot cancel it for the others
        try:
            Thread(target=self._carry_out, args=(uri, shelf, fetching), name="ostiary-status", daemon=True).start()
        except RuntimeError as error:  # the interpreter is shutting down
            fetching.set_exception(ListUnavailable(type(error).__name__))
        return fetching

    def _cannot_say(self) -> bool:
        if self._refuses:
            raise TokenRefused("revocations-outdated")
        return False

    def _shelf(self, claims: AccessClaims) -> _Shelf:
        place = claims.status_list
        if place is None or not place.uri.startswith(self._below):
            raise TokenRefused("claims")  # what a token names is asked for at its issuer's only
        with self._deciding:
            shelf = self._shelves.setdefault(place.uri, _Shelf())
            self._shelves.move_to_end(place.uri)
            if len(self._shelves) > _MOST_LISTS:
                self._shelves.popitem(last=False)
            return shelf

    def _forget_all(self) -> None:
        """Forget every list: what a key has signed that is gone proves nothing."""
        with self._deciding:
            self._shelves.clear()

    def _carry_out(self, uri: str, shelf: _Shelf, fetching: Future[None]) -> None:
        try:
            found = self._fetch(uri)
            with self._deciding:
                if shelf.found is None or found.written_at >= shelf.found.written_at:
                    shelf.found = found  # caches on the way may give an older one after a younger one
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            known = isinstance(error, (ListUnavailable, KeysUnavailable, TokenRefused))
            failure = ListUnavailable(str(error) if known else type(error).__name__)
            shelf.failures += 1
            if shelf.failures in (1, 10, 100):
                log.warning("a status list cannot be had: %s (%s)", failure, uri)
            fetching.set_exception(failure)
        else:
            shelf.failures = 0
            fetching.set_result(None)

    def _fetch(self, uri: str) -> StatusList:
        if self._keys.is_stale:
            with suppress(KeysUnavailable):
                self._keys.fetch_blocking()  # a list must not count any longer than the key that signed it
        if self._keys.is_outdated:
            raise KeysUnavailable("The issuer's keys are too old to be believed.")
        asked_at, asked = self._steady(), self._clock()
        token = self._ask(uri)
        try:
            claims = jws.read(token, self._keys, TYP, longest=_LONGEST)
        except TokenRefused as refusal:
            if refusal.reason != "unknown-key":
                raise
            self._keys.fetch_blocking()
            claims = jws.read(token, self._keys, TYP, longest=_LONGEST)
        return self._read(claims, uri, asked_at, asked)

    def _ask(self, uri: str) -> str:
        import httpx  # noqa: PLC0415 - 78 ms that only programs with a remote issuer should pay

        give_up_at, body = time.monotonic() + _PATIENCE, b""
        headers = {"Accept": f"application/{TYP}", "Accept-Encoding": "identity"}
        with (
            httpx.Client(transport=self._transport, timeout=_TIMEOUT) as client,
            client.stream("GET", uri, headers=headers) as answer,
        ):
            if answer.status_code != 200:  # a redirect too: a list comes from where the token says
                raise ListUnavailable(f"the answer was {answer.status_code}")
            for chunk in answer.iter_raw():
                body += chunk
                if len(body) > _LONGEST:
                    raise ListUnavailable("the answer is too long")
                if time.monotonic() > give_up_at:
                    raise ListUnavailable("the answer takes too long")
        return body.decode("ascii").strip()

    def _read(self, claims: dict[str, object], uri: str, asked_at: float, asked: float) -> StatusList:
        """Return what a signed list says (section 8.3)."""
        match claims:
            case {
                "iss": self._issuer, "sub": str(sub), "iat": int(iat), "exp": int(exp),
                "status_list": {"bits": int(bits), "lst": str(lst)},
            } if sub == uri and bits in _BITS and 0 <= iat < exp < _LAST_TIME:  # fmt: skip
                octets = inflated(lst)
            case _:
                raise ListUnavailable("it is not the list that was asked for")
        # By a clock that is behind, every list would seem younger than it is.
        if asked >= exp or iat > asked + CLOCK_SKEW:
            raise ListUnavailable("it has expired, or is of a time to come; is this machine's clock right?")
        told = claims.get("ttl")
        ttl = float(told) if isinstance(told, int) and not isinstance(told, bool) and told > 0 else _TTL
        age = max(0.0, asked - iat) + ISSUERS_OWN
        return StatusList(bits, octets, asked_at - age, asked_at + min(ttl, self._bound / 2))


def inflated(text: str) -> bytes:
    """Return the statuses of a list, as bytes (section 4.1).

    Raises:
        ListUnavailable: It is not zlib data in base64url, or more than any list holds.
    """
    data = decode_base64url(text)
    if data is None:
        raise ListUnavailable("it is no status list")
    reading = zlib.decompressobj()
    try:
        octets = reading.decompress(data, _LARGEST)
    except zlib.error:
        raise ListUnavailable("it is no status list") from None
    if not reading.eof or reading.unconsumed_tail or reading.unused_data:
        raise ListUnavailable("it is cut off, or too large")
    return octets
