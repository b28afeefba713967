"""One request, as the edge has understood it; what every door looks at."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from ostiary.core.caller import Caller

if TYPE_CHECKING:
    from ostiary.web.languages import Languages
    from ostiary.web.traffic import Traffic

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LONGEST_AGENT = 400
_process = secrets.token_hex(4)
_numbers = itertools.count(secrets.randbelow(1 << 20))


class Visit:
    """What the edge knows of one request; kept in `scope["ostiary"]`.

    Attributes:
        query: What stands behind the path, as it was sent.
        headers: By lower-case name; of a header sent twice the last value, and its name in `doubled`.
        address: Client address in canonical text, or None where unknown.
        answers: Headers that the answer shall carry whatever shape it takes, such as cookies.
        is_answered: Whether the answer has begun.
        traffic: Counts this request, if it is one to the house itself.
        is_counted: Whether it was counted for an account that it has proven.
        languages: What letters of this house are written in, if the request is one to the house itself.
        lane_methods: What the fast lane answers at this path; the rest of the house says so in `Allow`.
        nonce: For this answer's Content-Security-Policy.
    """

    __slots__ = (
        "_cookies", "_nonce", "address", "answers", "device_id", "doubled", "headers", "identity", "is_answered",
        "is_counted", "lane_methods", "languages", "method", "path", "query", "request_id", "traffic",
    )  # fmt: skip

    def __init__(self, scope: Scope, address: str | None) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        headers: dict[bytes, bytes] = dict(scope["headers"])
        self.doubled: frozenset[bytes] = frozenset()
        if len(headers) != len(scope["headers"]):
            seen: set[bytes] = set()
            self.doubled = frozenset(name for name, _ in scope["headers"] if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            if b"cookie" in self.doubled:  # RFC 9113 section 8.2.3: over HTTP/2 browsers send crumbs
                headers[b"cookie"] = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
        self.headers = headers
        self.address = address
        self.request_id = f"{_process}{next(_numbers):08x}"
        self.answers: list[tuple[bytes, bytes]] = []
        self.is_answered = self.is_counted = False
        self.traffic: Traffic | None = None
        self.languages: Languages | None = None
        self.lane_methods: frozenset[str] | set[str] = frozenset()
        self.device_id: str | None = None
        self.identity: Any = None
        self._cookies: dict[str, str] | None = None
        self._nonce: str | None = None

    @property
    def nonce(self) -> str:
        """A value that this answer's scripts and policy share, and nobody can guess."""
        if self._nonce is None:
            self._nonce = secrets.token_urlsafe(16)
        return self._nonce

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies by name; of two with one name neither counts, and none beside an Authorization header.

        A request that shows a bearer token is exempt from the CSRF check, so it
        must not be able to act by cookie.
        """
        return {} if b"authorization" in self.headers else self.every_cookie

    @property
    def every_cookie(self) -> dict[str, str]:
        """Cookies by name, those beside an Authorization header too: for what proves something and names nobody."""
        if self._cookies is None:
            raw = self.headers.get(b"cookie")
            self._cookies = {} if raw is None else parsed_cookies(raw)
        return self._cookies

    @property
    def bearer(self) -> str | None:
        """The token of an `Authorization: Bearer` header, "" if it is another or a broken one, None without."""
        raw = self.headers.get(b"authorization")
        if raw is None:
            return None
        if b"authorization" in self.doubled:
            return ""
        scheme, _, token = raw.partition(b" ")
        return token.decode("latin-1") if scheme.lower() == b"bearer" else ""

    def header(self, name: bytes) -> str | None:
        """Return a header's text, or None."""
        raw = self.headers.get(name)
        return None if raw is None else raw.decode("latin-1")

    def caller(self, account_id: str | None = None, session_id: str | None = None, key_id: str | None = None) -> Caller:
        """Return who asks, for units and the journal."""
        agent = self.headers.get(b"user-agent", b"").replace(b"\0", b"")  # which PostgreSQL cannot store
        language = self.languages.asked_for(self.headers.get(b"accept-language")) if self.languages else None
        return Caller(
            self.request_id, self.address, agent[:LONGEST_AGENT].decode("latin-1") if agent else None, account_id,
            session_id, self.device_id, language, key_id=key_id,
        )  # fmt: skip


def parsed_cookies(raw: bytes) -> dict[str, str]:
    """Return the cookies of a header by name, leaving out each name that comes twice (RFC 6265)."""
    found: dict[str, str] = {}
    doubled: list[str] = []
    for part in raw.decode("latin-1").split(";"):
        name, equals, value = part.strip(" \t").partition("=")  # only these: a token has one spelling
        if equals:
            if name in found:
                doubled.append(name)
            found[name] = value
    for name in doubled:
        found.pop(name, None)
    return found


def visit_of(scope: Scope) -> Visit:
    """Return the visit that the gate has put into a request's scope."""
    visit: Visit = scope["ostiary"]
    return visit
