"""An issuer's public keys, fetched rarely and believed for a bounded time."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ostiary.client.keys import KeyRefused, VerifyingKey
from ostiary.client.strict import decode_object

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

SPACING: Final = 10.0
"""Seconds between two fetches, whatever arrives in between."""

_MAX_BODY: Final = 256 * 1024
_MAX_KEYS: Final = 100
_LIFETIME: Final = 300.0
_SHORTEST, _LONGEST = 60.0, 24 * 3600.0
_OVERDUE: Final = 60.0
_TIMEOUT: Final = 5.0
_PATIENCE: Final = 2 * _TIMEOUT  # httpx counts each read: a slow drip would last for ever
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}  # a bound on bytes must bound the text
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})\"?(?:$|[,\s])", re.IGNORECASE)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class KeysUnavailable(Exception):  # noqa: N818 - says what happened
    """The issuer's keys could not be fetched; the message says what went wrong."""


class RemoteKeys:
    """The key set of an issuer (RFC 7517 section 5), as a key source.

    The set is fresh for as long as `Cache-Control: max-age` says, within a
    minute and a day. After that it still counts for `outage` seconds, while
    new attempts are made; then it counts no more (D14: fail closed).

    Threads and event loops may share one. A fetch runs in a thread of its own,
    and whoever needs it meanwhile waits for that one.

    Args:
        url: Where the set is published; https, or http to this machine.
        on_change: Called when a key has gone or changed.
        outage: Seconds for which a set that cannot be renewed still counts.
        steady: A clock in seconds that never goes back.
        transport: How to reach the network instead of httpx's own way.

    Raises:
        ValueError: Somebody between here and that URL could exchange the keys.
    """

    def __init__(
        self,
        url: str,
        *,
        on_change: Callable[[], None],
        outage: float = 3600.0,
        steady: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("The address of the keys must begin with https://.")
        self._url = url
        self._on_change = on_change
        self._outage = outage
        self._steady = steady
        self._transport = transport
        self._keys: dict[str, VerifyingKey] = {}
        self._fresh_until = self._usable_until = self._next_fetch = float("-inf")
        self._deciding = Lock()
        self._fetching: Future[None] | None = None

    def find(self, key_id: str) -> VerifyingKey | None:
        """Return the key of that id as far as is known; fetches nothing."""
        return self._keys.get(key_id)

    @property
    def is_stale(self) -> bool:
        """Whether it is time to fetch the set again."""
        return self._steady() >= self._fresh_until

    @property
    def is_overdue(self) -> bool:
        """Whether the set should have been renewed a minute ago and nobody has tried since, for want of visitors.

        Then it is worth waiting for: a key that was withdrawn meanwhile must
        not be believed once more, only because nobody came by. While the
        issuer cannot be reached, attempts go on and nobody waits.
        """
        now = self._steady()
        return now >= self._fresh_until + _OVERDUE and now >= self._next_fetch - SPACING + _OVERDUE

    @property
    def is_outdated(self) -> bool:
        """Whether the set is too old to be believed."""
        return self._steady() >= self._usable_until

    @property
    def retry_after(self) -> int:
        """Whole seconds until the next fetch may begin, and at least one."""
        wait = self._next_fetch - self._steady()
        return max(1, math.ceil(wait)) if math.isfinite(wait) else 1

    async def fetch(self) -> bool:
        """Fetch the set unless that was tried a moment ago; return whether it was fetched.

        Callers at the same time share one fetch, and a caller who leaves does
        not end it for the others.

        Raises:
            KeysUnavailable: The set could not be fetched.
        """
        fetching = self.begin()
        if fetching is None:
            return False
        try:
            await asyncio.wait_for(asyncio.wrap_future(fetching), _PATIENCE)
        except (KeysUnavailable, TimeoutError) as error:
            raise _unavailable(error) from None
        return True

    def fetch_blocking(self) -> bool:
        """Do what `fetch` does, in programs without an event loop.

        Raises:
            KeysUnavailable: The set could not be fetched.
        """
        fetching = self.begin()
        if fetching is None:
            return False
        try:
            fetching.result(_PATIENCE)
        except (KeysUnavailable, TimeoutError) as error:
            raise _unavailable(error) from None
        return True

    def begin(self) -> Future[None] | None:
        """Return the fetch that is under way or starts now; None if it is too early for one.

        A flood of invented key ids must not become a flood of fetches. One
        that is not done when the next may begin is given up.
        """
        with self._deciding:
            now = self._steady()
            if now < self._next_fetch:
                return self._fetching if self._fetching is not None and not self._fetching.done() else None
            self._next_fetch = now + SPACING
            fetching = self._fetching = Future[None]()
            fetching.set_running_or_notify_cancel()  # from here on nobody who waits can cancel it for the others
        try:
            Thread(target=self._carry_out, args=(fetching,), name="ostiary-keys", daemon=True).start()
        except RuntimeError as error:  # the interpreter is shutting down
            fetching.set_exception(_unavailable(error))
        return fetching

    def _carry_out(self, fetching: Future[None]) -> None:
        try:
            self._accept(fetching, *self._ask())
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            failure = _unavailable(error)
            log.warning("%s (%s)", failure, self._url)
            fetching.set_exception(failure)
        else:
            fetching.set_result(None)

    def _ask(self) -> tuple[int, Mapping[str, str], bytes]:
        import httpx  # noqa: PLC0415 - 78 ms that only programs with a remote issuer should pay

        give_up_at = time.monotonic() + _PATIENCE
        body = b""
        with (
            httpx.Client(transport=self._transport, timeout=_TIMEOUT) as client,
            client.stream("GET", self._url, headers=_HEADERS) as answer,
        ):
            for chunk in answer.iter_raw():
                body += chunk
                if len(body) > _MAX_BODY:
                    raise KeysUnavailable("The keys cannot be used: the answer is too long.")
                if time.monotonic() > give_up_at:
                    raise TimeoutError
            return answer.status_code, answer.headers, body

    def _accept(self, fetching: Future[None], status: int, headers: Mapping[str, str], body: bytes) -> None:
        if status != 200:  # a redirect too: the keys come from where we were told
            raise KeysUnavailable(f"The keys cannot be fetched: the answer was {status}.")
        found = parse(body)
        with self._deciding:
            if self._fetching is not fetching:
                raise TimeoutError  # given up long ago: a later answer may be here already
            now = self._steady()
            before, self._keys = self._keys, found
            self._fresh_until = now + _lifetime(headers.get("cache-control", ""))
            self._usable_until = self._fresh_until + self._outage
        if any(found.get(key_id) != key for key_id, key in before.items()):
            self._on_change()


def parse(body: bytes) -> dict[str, VerifyingKey]:
    """Return the usable keys of a JWKS by id.

    Keys for other purposes and algorithms are left out (RFC 7517 section 5),
    and so are both of two keys with one id.

    Raises:
        KeysUnavailable: It is no JWKS, or holds no key for us.
    """
    document = decode_object(body)
    entries = document.get("keys") if document is not None else None
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise KeysUnavailable("The keys cannot be used: the answer is no key set.")
    found: dict[str, VerifyingKey] = {}
    ambiguous: set[str] = set()
    for entry in entries:
        key = _usable(entry)
        if key is None:
            continue
        if key.key_id in found:
            ambiguous.add(key.key_id)
        found[key.key_id] = key
    usable = {key_id: key for key_id, key in found.items() if key_id not in ambiguous}
    if not usable:
        raise KeysUnavailable("The keys cannot be used: none is for verifying signatures with what we know.")
    return usable


def _usable(entry: object) -> VerifyingKey | None:
    if not isinstance(entry, dict):
        return None
    try:
        return VerifyingKey.from_jwk(entry)
    except KeyRefused:
        return None


def _lifetime(cache_control: str) -> float:
    told = _MAX_AGE.search(cache_control)
    return min(max(float(told[1]), _SHORTEST), _LONGEST) if told else _LIFETIME


def _unavailable(error: BaseException) -> KeysUnavailable:
    """Return a new exception that says the same: those who wait in other threads raise one each."""
    if isinstance(error, KeysUnavailable):
        return KeysUnavailable(*error.args)
    return KeysUnavailable(f"The keys cannot be fetched: {type(error).__name__}.")
