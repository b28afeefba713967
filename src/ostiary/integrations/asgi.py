"""Any ASGI application that trusts an Ostiary elsewhere: put `OstiaryMiddleware` around it, then ask who is calling."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import timedelta
from typing import Any, Final

from ostiary.client.identity import Identity
from ostiary.client.problems import Refusal
from ostiary.client.requirements import Requirement
from ostiary.client.resource import ResourceServer, Visitor
from ostiary.client.strength import Strength
from ostiary.client.visits import Visit

__all__ = [
    "Identity", "OstiaryMiddleware", "Refusal", "ResourceServer", "current_account", "optional_account", "require",
]  # fmt: skip

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

IDENTITY: Final = "ostiary.identity"
"""Where a scope holds the `Identity`, or None for whoever is not signed in."""

GUEST: Final = "ostiary.remote_guest"

NOT_SIGNED_IN, NOT_ALLOWED, TRY_LATER = 4001, 4003, 1013
"""Close codes of WebSockets: two of the house's own (R41), and one of RFC 6455's registry."""


class OstiaryMiddleware:
    """Says in `scope["ostiary.identity"]` who has sent a request, or opens a WebSocket.

    It refuses nobody by itself: a route that needs somebody asks, by
    `current_account` or `require`, and what they raise becomes the answer.

    Args:
        app: The application.
        server: Whose word counts; instead of it, the arguments of `ResourceServer` may be given here.
        redirect_to_sign_in: For applications with pages: a browser is sent to the sign-in page where others get
            a 401.
        settings: As `ResourceServer` has them, such as `issuer="https://login.example.org"`.

    Raises:
        ValueError: A setting cannot be; says what to write.
    """

    def __init__(
        self,
        app: App,
        server: ResourceServer | None = None,
        *,
        redirect_to_sign_in: bool = False,
        **settings: Any,  # noqa: ANN401 - typed where they end up
    ) -> None:
        self.app = app
        self._server = server if server is not None else ResourceServer(**settings)
        self._redirects = redirect_to_sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; what is neither HTTP nor a WebSocket passes untouched."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        visit = Visit.of_scope(scope)
        visitor = await self._server.admit(visit)
        guest = Guest(self._server, visit, visitor, redirects=self._redirects)
        inner = {**scope, IDENTITY: visitor.identity, GUEST: guest}
        doorway = Doorway(guest, receive, send)
        try:
            await self.app(inner, doorway.receive, doorway.send)
        except Refusal as refusal:
            if doorway.is_too_late:
                raise
            await doorway.refuse(refusal)


class Guest:
    """Who is here, and who vouches for them."""

    __slots__ = ("redirects", "server", "visit", "visitor")

    def __init__(self, server: ResourceServer, visit: Visit, visitor: Visitor, *, redirects: bool) -> None:
        self.server = server
        self.visit = visit
        self.visitor = visitor
        self.redirects = redirects


class Doorway:
    """Lets an answer out, and says itself what has become of a request that is refused."""

    def __init__(self, guest: Guest, receive: Receive, send: Send) -> None:
        self._guest = guest
        self._receive = receive
        self._send = send
        self._came: set[str] = set()
        self._went: set[str] = set()

    @property
    def is_too_late(self) -> bool:
        """Whether an answer has begun, or a WebSocket has been closed."""
        return not self._went.isdisjoint({"http.response.start", "websocket.close"})

    async def receive(self) -> Message:
        """Receive a message for the application."""
        message = await self._receive()
        self._came.add(message["type"])
        return message

    async def send(self, message: Message) -> None:
        """Send a message of the application's; what tells of somebody is not stored unless it says how."""
        self._went.add(message["type"])
        if message["type"] == "http.response.start" and self._guest.visitor.identity is not None:
            headers = [*message.get("headers", ())]
            if not any(name.lower() == b"cache-control" for name, _ in headers):
                message = {**message, "headers": [*headers, (b"cache-control", b"no-store")]}
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with a problem document, with the way to the sign-in page, or with a close code."""
        visit = self._guest.visit
        log.info("refused: %s %s (request %s)", refusal.slug, refusal.reason, refusal.request_id)
        if visit.is_socket:
            await self._close(refusal)
            return
        place = self._guest.server.sign_in_page(visit, refusal) if self._guest.redirects else None
        if place is not None:
            await self._answer(303, [("Location", place), ("Cache-Control", "no-store")], b"")
        else:
            await self._answer(refusal.status, refusal.headers(), refusal.body())

    async def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        told = [*headers, ("Content-Length", str(len(body)))]
        raw = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in told]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})
        await self._send({"type": "http.response.body", "body": b"" if self._guest.visit.method == "HEAD" else body})

    async def _close(self, refusal: Refusal) -> None:
        """Accept and close: a browser learns of a close code, and of a refused handshake nothing at all."""
        if "websocket.accept" not in self._went:
            if "websocket.connect" not in self._came and (await self._receive())["type"] != "websocket.connect":
                return  # gone already
            await self._send({"type": "websocket.accept"})
        code = {401: NOT_SIGNED_IN, 503: TRY_LATER}.get(refusal.status, NOT_ALLOWED)
        await self._send({"type": "websocket.close", "code": code, "reason": refusal.slug})


def current_account(scope: Scope) -> Identity:
    """Return who has sent a request.

    Args:
        scope: The ASGI scope; Starlette's `request.scope`, for instance.

    Raises:
        Refusal: Nobody is signed in, or the request could be forged; becomes the answer by itself.
        RuntimeError: There is no `OstiaryMiddleware` around this application.
    """
    return guest_of(scope).visitor.admitted()


def optional_account(scope: Scope) -> Identity | None:
    """Return who has sent a request, or None for a visitor who is not signed in.

    Raises:
        Refusal: A bearer token proves nothing, or the request could be forged.
        RuntimeError: There is no `OstiaryMiddleware` around this application.
    """
    return guest_of(scope).visitor.perhaps()


def require(
    *,
    permission: str | None = None,
    fresh: timedelta | None = None,
    verified: bool = False,
    acr: Strength | None = None,
) -> Callable[[App], App]:
    """Return a decorator for an ASGI application that serves only those who meet this.

    Args:
        permission: They hold this permission.
        fresh: They proved who they are no longer ago.
        verified: Their address is proven.
        acr: They signed in at least so strongly.

    Raises:
        ValueError: Nobody could say who meets that.
    """
    requirement = Requirement(permission=permission, fresh=fresh, verified=verified, acr=acr)

    def around(app: App) -> App:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] in ("http", "websocket"):
                guest = guest_of(scope)
                guest.server.require(guest.visitor, requirement)
            await app(scope, receive, send)

        return guarded

    return around


def guest_of(scope: Scope) -> Guest:
    """Return who is here.

    Raises:
        RuntimeError: There is no `OstiaryMiddleware` around this application.
    """
    guest: Guest | None = scope.get(GUEST)
    if guest is None:
        raise RuntimeError("There is no OstiaryMiddleware around this application: add it where that is made.")
    return guest
