"""What the issuer has revoked, heard from it within a second, and how long that may be relied upon."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from ostiary.client.refusals import TokenRefused
from ostiary.client.strict import decode_object

if TYPE_CHECKING:
    import httpx

    from ostiary.client.claims import AccessClaims

log = logging.getLogger(__name__)

BOUND: Final = 5.0
"""Seconds within which a revoked token is refused, or every token is: what the issuer publishes."""

ISSUERS_OWN: Final = 2.0
"""Seconds of that for which the issuer's own view may be old when it vouches for it."""

_PATH: Final = "/api/v1/auth/revocations"
_TIMEOUT: Final = 5.0
_LONGEST_LINE: Final = 256 * 1024
_LONGEST_MEMORY: Final = 24 * 3600.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_REFUSED: Final = frozenset({401, 403, 404})


def steady_seconds() -> float:
    """Return seconds of a clock that nobody sets and that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class Standing:
    """An account, as the issuer told of it last."""

    epoch: int
    permissions: frozenset[str]
    told_at: int
    heard_at: float


@dataclass(slots=True)
class Known:
    """What has been revoked lately; as long as a token could live that it is about."""

    sessions: OrderedDict[str, float] = field(default_factory=OrderedDict)
    accounts: OrderedDict[str, Standing] = field(default_factory=OrderedDict)

    def forget(self, before: float) -> None:
        """Drop what was heard so long ago that no token can be alive which it could refuse."""
        while self.sessions and next(iter(self.sessions.values())) < before:
            self.sessions.popitem(last=False)
        while self.accounts and next(iter(self.accounts.values())).heard_at < before:
            self.accounts.popitem(last=False)


class RevocationFeed:
    """Says of a token whether its session has ended; listens to the issuer in a thread of its own.

    Give it to a `Verifier` or a `ResourceServer` as `revocations`. It begins to
    listen when it is first asked, or at `start`; and begins anew in a child of a
    process that forks.

    Args:
        issuer: The Ostiary's origin, as in the tokens' `iss`.
        credential: The secret of this reader, or a function that returns a token with `revocations:read`.
        bound: Seconds within which a revoked token is refused, or every token is.
        when_blind: What to do past the bound: `refuse` every token, or `accept` those that are not known to be
            revoked, as if there were no feed.
        on_keys: Called when the issuer's keys have changed, until it returns something true; such as a verifier's
            `fetch_keys_blocking`.
        url: Where the feed is; by default at the issuer's own place.
        steady: A clock in seconds that nobody sets.
        transport: How to reach the network instead of httpx's own way.

    Raises:
        ValueError: The address is neither https nor on this machine, or the bound is shorter than the issuer's own.
    """

    def __init__(
        self,
        *,
        issuer: str,
        credential: str | Callable[[], str],
        bound: float = BOUND,
        when_blind: Literal["refuse", "accept"] = "refuse",
        on_keys: Callable[[], object] | None = None,
        url: str | None = None,
        steady: Callable[[], float] = steady_seconds,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = url or issuer.rstrip("/") + _PATH
        parts = urlsplit(self._url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("The address of the feed must begin with https://.")
        if bound < ISSUERS_OWN + 2:
            raise ValueError(
                f"The bound must be {ISSUERS_OWN + 2:.0f} seconds or more: the issuer vouches once a second."
            )
        self._credential = credential
        self._bound = bound
        self._refuses = when_blind == "refuse"
        self.on_keys = on_keys
        self._steady = steady
        self._transport = transport
        self._starting = Lock()
        self._process = 0
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._known = Known()
        self._proven_at = float("-inf")
        self._remember = _LONGEST_MEMORY
        self._last: str | None = None
        self._keys_are_due = False
        self._ready = Event()
        self._stopped = Event()

    def __call__(self, claims: AccessClaims) -> bool:
        """Return whether a token is revoked, from what is known here; touches no network.

        Raises:
            TokenRefused: Nobody can say, as the issuer was not heard for too long, and the choice is to refuse.
        """
        self.start()
        if self.is_revoked(claims):
            return True
        if self._refuses and self.age > self._bound:
            raise TokenRefused("revocations-outdated")
        return False

    def is_revoked(self, claims: AccessClaims) -> bool:
        """Return whether a token is known to be revoked, however old that knowledge is."""
        known = self._known
        if claims.sid in known.sessions:
            return True
        standing = known.accounts.get(claims.sub)
        if standing is None:
            return False
        if claims.epoch < standing.epoch:
            return True
        # A right that was taken back is gone at once: who refreshes gets a token without it.
        return claims.iat <= standing.told_at and not standing.permissions.issuperset(claims.permissions)

    @property
    def age(self) -> float:
        """Seconds for which this view may have missed something; infinite before the first beat."""
        return self._steady() - self._proven_at + ISSUERS_OWN

    def start(self) -> None:
        """Begin to listen, if nobody in this process has; at start, so that the first visitor need not be refused."""
        if self._process == os.getpid():
            return
        with self._starting:
            if self._process == os.getpid():
                return
            self._begin_anew()
            self._process = os.getpid()
            Thread(target=self._listen, args=(self._stopped,), name="ostiary-revocations", daemon=True).start()

    def wait(self, seconds: float = 10.0) -> bool:
        """Begin to listen and wait until everything is heard; return whether."""
        self.start()
        return self._ready.wait(seconds)

    def stop(self) -> None:
        """Stop listening; every token is refused once the view is too old."""
        self._stopped.set()

    def _listen(self, stopped: Event) -> None:
        failures = 0
        while not stopped.is_set():
            try:
                self._hear(stopped)
                failures = 0
            except Exception as failure:  # noqa: BLE001 - whatever it was, the next attempt must come
                failures += 1
                if failures in (1, 10, 100):
                    log.warning("the feed of revocations is not heard: %s (%s)", _words(failure), self._url)
            # Soon at first, for a server that was only replaced; and never all readers at the same moment.
            stopped.wait(min(5.0, 0.1 * 2 ** min(failures, 6)) * (500 + secrets.randbelow(500)) / 1000)

    def _hear(self, stopped: Event) -> None:
        import httpx  # noqa: PLC0415 - 78 ms that only programs with a remote issuer should pay

        secret = self._credential if isinstance(self._credential, str) else self._credential()
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {secret}", "Accept-Encoding": "identity"}
        if self._last is not None:
            headers["Last-Event-ID"] = self._last
        asked_at = self._steady()
        # A read that takes longer than the bound has missed beats: better to dial again.
        timeout = httpx.Timeout(_TIMEOUT, read=max(2.5, self._bound - ISSUERS_OWN))
        with (
            httpx.Client(transport=self._transport, timeout=timeout) as client,
            client.stream("GET", self._url, headers=headers) as answer,
        ):
            if answer.status_code != 200:
                raise FeedRefused(answer.status_code)
            hearing = Hearing(self._known, asked_at)
            for name, data, number in events(answer.iter_raw()):
                if stopped.is_set():
                    return
                self._take(hearing, name, data, number)

    def _take(self, hearing: Hearing, name: str, data: dict[str, object], number: str | None) -> None:
        now = self._steady()
        match name:
            case "reset":
                hearing.known = Known()  # beside the old one, which counts until this one is whole
            case "session":
                hearing.note_session(data, now)
            case "account":
                hearing.note_account(data, now)
            case "keys":
                self._keys_are_due = True
            case "ready":
                remember = data.get("remember")
                if isinstance(remember, int) and remember > 0:
                    self._remember = min(remember * 2.0, _LONGEST_MEMORY)
                self._known = hearing.known
                hearing.is_ready = True
            case "beat" if hearing.is_ready:
                self._proven_at = max(self._proven_at, hearing.proven_at(data, now))
                self._last = number or self._last
                self._known.forget(now - self._remember)
                if self.age <= self._bound:
                    self._ready.set()
                self._renew_keys()

    def _renew_keys(self) -> None:
        if self._keys_are_due and self.on_keys is not None:
            with suppress(Exception):  # the keys' own source says what went wrong; the next beat tries again
                self._keys_are_due = not self.on_keys()


class FeedRefused(Exception):  # noqa: N818 - says what happened
    """The issuer does not let this reader hear; the credential is not good, or not for this."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the answer was {status}")
        self.status = status


class Hearing:
    """One connection: what has been heard on it, and how far its beats may be believed."""

    def __init__(self, known: Known, asked_at: float) -> None:
        self.known = known
        self.is_ready = False
        self._asked_at = asked_at
        self._offset: float | None = None

    def note_session(self, data: dict[str, object], now: float) -> None:
        """Note that a session has ended."""
        session_id = data.get("sid")
        if not isinstance(session_id, str):
            raise ValueError("an event cannot be read")  # noqa: TRY004 - what is not understood is not passed over (D14)
        self.known.sessions[session_id] = now
        self.known.sessions.move_to_end(session_id)

    def note_account(self, data: dict[str, object], now: float) -> None:
        """Note how an account stands."""
        match data:
            case {"sub": str(sub), "epoch": int(epoch), "permissions": list(permissions), "at": int(at)}:
                held = frozenset(one for one in permissions if isinstance(one, str))
                self.known.accounts[sub] = Standing(epoch, held, at, now)
                self.known.accounts.move_to_end(sub)
            case _:
                raise ValueError("an event cannot be read")

    def proven_at(self, data: dict[str, object], now: float) -> float:
        """Return by our own clock when the issuer knew what it vouches for.

        A beat may have waited: in a proxy, or in our own machine while that slept. Its age
        is told by the issuer's steady clock against ours, by the quickest beat
        so far; and the first one was written after we had asked.
        """
        at = data.get("at")
        if not isinstance(at, int):
            raise ValueError("a beat cannot be read")  # noqa: TRY004 - what is wrong is what was sent
        first = self._offset is None
        offset = now - at / 1000
        self._offset = offset if self._offset is None else min(self._offset, offset)
        return self._asked_at if first else min(now, at / 1000 + self._offset)


def events(chunks: Iterable[bytes]) -> Iterator[tuple[str, dict[str, object], str | None]]:
    """Yield name, data and id of each server-sent event.

    Raises:
        ValueError: One is too long, or not what an issuer writes.
    """
    rest, fields = b"", dict[bytes, bytes]()
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise ValueError("a line is too long")
        for line in lines:
            if line:
                name, _, value = line.partition(b": ")
                fields[name] = value
                continue
            data = decode_object(fields.get(b"data", b""))
            if fields and (data is None or b"event" not in fields):
                raise ValueError("an event cannot be read")
            if data is not None:
                number = fields.get(b"id")
                yield fields[b"event"].decode("ascii"), data, number.decode("ascii") if number else None
            fields = {}


def _words(failure: Exception) -> str:
    # An exception's text may hold what was sent; only our own words are known not to.
    if isinstance(failure, FeedRefused):
        hint = ": is its credential a reader's?" if failure.status in _REFUSED else ""
        return f"{failure}{hint}"
    return type(failure).__name__
