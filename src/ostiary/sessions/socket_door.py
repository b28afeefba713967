"""The door for WebSockets: which credential counts, and from whose pages (R41)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from ostiary.client.strict import decode_base64url, decode_object
from ostiary.core.errors import Problem
from ostiary.sessions.errors import NotSignedIn
from ostiary.sessions.guard import Identity
from ostiary.sessions.sockets import Hold
from ostiary.web.reception import identity_of
from ostiary.web.visit import Visit

if TYPE_CHECKING:
    from ostiary.client.identity import Identity as Named
    from ostiary.sessions.binding import DeviceBinding
    from ostiary.sessions.guard import SessionGuard
    from ostiary.sessions.settings import SessionSettings
    from ostiary.sessions.sockets import Sockets
    from ostiary.sessions.tickets import SocketTickets
    from ostiary.web.address import ClientAddress
    from ostiary.web.cookies import Cookies
    from ostiary.web.csrf import Csrf
    from ostiary.web.visit import Scope

NOT_SIGNED_IN, NOT_ALLOWED, TRY_LATER = 4001, 4003, 1013
"""Close codes: two of our own (R41), and one of the registry of RFC 6455."""

CODES: Final = {
    HTTPStatus.UNAUTHORIZED: NOT_SIGNED_IN, HTTPStatus.TOO_MANY_REQUESTS: TRY_LATER,
    HTTPStatus.SERVICE_UNAVAILABLE: TRY_LATER,
}  # fmt: skip

BEARER, TICKET = "ostiary.bearer.", "ostiary.ticket."
"""How sub-protocols begin that carry a credential: browsers let scripts set no other header."""

LONGEST_QUERY: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Proven:
    """Whom a credential names, and the key whose signature says so, if it is one."""

    known: Identity
    key_id: str | None


@dataclass(frozen=True, slots=True)
class SocketDoor:
    """Admits sockets of an application; `ostiary.integrations` asks here and knows no more of the house.

    Attributes:
        refusals: What the verbs here raise.
    """

    guard: SessionGuard
    binding: DeviceBinding
    csrf: Csrf
    cookies: Cookies
    addresses: ClientAddress
    tickets: SocketTickets
    sockets: Sockets
    settings: SessionSettings
    refusals: type[Exception] = Problem

    def visit(self, scope: Scope) -> Visit:
        """Return what is to be known of a handshake, which is a GET whatever the server says of it."""
        return Visit({**scope, "method": "GET"}, self.addresses.of(scope))

    async def admit(
        self, visit: Visit, protocols: list[str], query: bytes, close: Callable[[Exception], None], *, as_page: bool
    ) -> Hold:
        """Return what holds a socket open from here on.

        Args:
            visit: The handshake.
            protocols: The sub-protocols that it offers.
            query: Its query.
            close: Told why when the socket must end.
            as_page: Whether a lapsed access cookie is renewed from the hosted pages' own.

        Raises:
            Problem: The page is foreign (403), nothing proves anything (401), or nobody can say (503).
        """
        self.csrf.check_origin(visit)
        await self.guard.ensure_fresh()
        proven = await self._prove(visit, protocols, query, as_page=as_page)
        hold = Hold(identity_of(proven.known), proven.known, proven.key_id, close)
        self.sockets.hang(hold)
        return hold

    async def reauthenticate(self, hold: Hold, shown: str) -> Named:
        """Let an open socket go on by a new token or ticket of the same person; return who it is.

        Raises:
            Problem: It proves nothing, or names somebody else; the socket stays as it was.
        """
        # A handshake's cookies are as old as the socket: a session that is bound to a device shows a ticket.
        bare = Visit({"type": "websocket", "method": "GET", "path": "/", "headers": []}, None)
        proven = await (self._by_token(bare, shown) if "." in shown else self._by_ticket(bare, shown))
        self.sockets.move(hold, proven.known, proven.key_id)
        return hold.identity

    def let_go(self, hold: Hold) -> None:
        """Forget a socket that has closed."""
        self.sockets.let_go(hold)

    def code(self, refusal: Exception) -> tuple[int, str]:
        """Return close code and reason of a refusal."""
        assert isinstance(refusal, Problem)
        return CODES.get(HTTPStatus(refusal.status), NOT_ALLOWED), refusal.slug

    async def _prove(self, visit: Visit, protocols: list[str], query: bytes, *, as_page: bool) -> Proven:
        """Return what the first credential that proves anything names: the cookie's first."""
        if visit.bearer is not None:
            return await self._by_token(visit, visit.bearer)  # whoever can send a header shows nothing else
        for look in self._looks(visit, protocols, query, as_page=as_page):
            try:
                return await look
            except Problem as refusal:
                if refusal.status != HTTPStatus.UNAUTHORIZED:
                    raise
        raise NotSignedIn

    def _looks(self, visit: Visit, protocols: list[str], query: bytes, *, as_page: bool) -> Iterator[Awaitable[Proven]]:
        # Pages of other sites open sockets with our cookies, and say whose they are: without that no cookie counts.
        if b"origin" in visit.headers:
            yield self._by_cookie(visit, as_page=as_page)
        for protocol in protocols:
            if protocol.startswith(BEARER):
                yield self._by_token(visit, protocol.removeprefix(BEARER))
            elif protocol.startswith(TICKET):
                yield self._by_ticket(visit, protocol.removeprefix(TICKET))
        asked = _asked(query)
        if "ticket" in asked:
            yield self._by_ticket(visit, asked["ticket"])
        if "access_token" in asked and self.settings.socket_query_token:
            yield self._by_token(visit, asked["access_token"])

    async def _by_cookie(self, visit: Visit, *, as_page: bool) -> Proven:
        known = await (self.guard.admit_page(visit) if as_page else self.guard.admit(visit))
        assert isinstance(known, Identity)  # a cookie is no API key
        renewed = bool(visit.answers)  # by the pages' own cookie and the database: then no signature has proved it
        token = None if renewed else self.cookies.read(visit, "access")
        return Proven(known, key_of(token) if token else None)

    async def _by_token(self, visit: Visit, token: str) -> Proven:
        known = await self.guard.trusted(token)
        if self.binding.misses(visit, known.claims):
            raise NotSignedIn
        return Proven(known, key_of(token))

    async def _by_ticket(self, visit: Visit, ticket: str) -> Proven:
        return Proven(await self.tickets.spend(visit.caller(), ticket), None)


def key_of(token: str) -> str | None:
    """Return the id of the key that signed a token which was verified."""
    header = decode_object(decode_base64url(token.partition(".")[0]) or b"")
    named = header.get("kid") if header else None
    return named if isinstance(named, str) else None


def _asked(query: bytes) -> dict[str, str]:
    """Return what a query names once; of two with one name neither counts."""
    if len(query) > LONGEST_QUERY:
        return {}
    found: dict[str, str] = {}
    doubled: set[str] = set()
    for name, value in parse_qsl(query.decode("latin-1")):
        if name in found:
            doubled.add(name)
        found[name] = value
    return {name: value for name, value in found.items() if name not in doubled}
