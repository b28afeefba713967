"""The porch: stands before the application in plain ASGI, and shows the house's own visitors to the house."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ostiary.integrations.mounted import Mounted
from ostiary.integrations.sockets import SocketGuest

if TYPE_CHECKING:
    from ostiary.client.identity import Identity
    from ostiary.integrations.house import App, Message, Receive, Scope, Send, Visit

GUEST = "ostiary.guest"
"""Where a request's guest stands in its scope."""

HOUSE_PREFIXES = ("/auth/", "/api/v1/auth/")
"""Below these everything is the house's, what it has not got included."""

_EXACTLY = (
    "/auth", "/api/v1/auth", "/api/v1/csp-report", "/.well-known/jwks.json", "/.well-known/openid-configuration",
    "/.well-known/change-password",
)  # fmt: skip
HOUSE_PATHS = frozenset(_EXACTLY) | {f"{path}/" for path in _EXACTLY}
"""The house's besides, with and without a slash at the end.

`/`, `/healthz`, `/readyz`, `/metrics`, `/api/v1/openapi.json` and `/dev/...`
stay the application's: it is the application that runs there.
"""

_KEEPERS = "/api/v1/admin/"
_PROVIDER = r"[a-z][a-z0-9_-]{0,31}"
_SHARED = re.compile(
    rf"/accounts/{_PROVIDER}/login(/callback)?/?"
    rf"|{_KEEPERS}(csp-reports|providers(/{_PROVIDER}(/test)?)?|permissions|rights|roles(/[^/]+(/holders)?)?"
    r"|accounts/[^/]+/(rights|(roles|permissions)(/[^/]+)?))/?"
)
"""Where people leave for a provider and come back from it, and what keepers ask; all beside is the application's."""

NOT_OPEN = (
    "Ostiary is not open: the application's lifespan did not run. Servers run it unless told otherwise; in tests "
    "write `with TestClient(app) as client`, or `async with house` around a client that runs no lifespan."
)


def is_house_path(path: str) -> bool:
    """Return whether a decoded path is the house's to answer.

    There is one spelling of each. What is encoded, dotted or doubled in it goes
    to the house, which refuses every second spelling (`web/gate.py`); what
    merely looks alike, as `//auth/account`, is a path of the application's,
    which has no such route.
    """
    if path.startswith(("/accounts/", _KEEPERS)):
        return _SHARED.fullmatch(path) is not None
    return path.startswith(HOUSE_PREFIXES) or path in HOUSE_PATHS


class Guest:
    """One request to the application, of which nothing is known until somebody asks.

    Attributes:
        visit: What the house knows of it, or None while nobody has asked.
        identity: Who it is, once admitted; forgery has been ruled out then.
    """

    __slots__ = ("identity", "mounted", "visit")

    def __init__(self, mounted: Mounted) -> None:
        self.mounted = mounted
        self.visit: Visit | None = None
        self.identity: Identity | None = None

    def seen(self, scope: Scope) -> Visit:
        """Return the visit, made from the scope as the route sees it.

        Not from an earlier one: where a middleware turns a GET into a DELETE,
        it is the DELETE that must be checked.
        """
        visit = self.visit
        if visit is None or visit.method != scope["method"]:
            visit = self.visit = self.mounted.house.reception.visit(scope)
            self.identity = None
        return visit

    def dress(self, message: Message) -> Message:
        """Return the beginning of an answer with what the house has to add to it."""
        assert self.visit is not None
        headers = [*message.get("headers", ()), *self.visit.answers]
        if not any(name == b"cache-control" for name, _ in headers):
            headers.append((b"cache-control", b"no-store"))  # somebody asked who this is: the answer may tell
        return {**message, "headers": headers}


class Porch:
    """Takes the house's paths before any other part of the application sees them.

    A middleware of the application must not reach the house's answers: one that
    compresses would make the pages' CSRF tokens guessable (BREACH), one that
    allows every origin would undo R19, one that rewrites paths would put a
    second spelling before its checks.
    """

    def __init__(self, app: App, mounted: Mounted) -> None:
        self.app = app
        self._mounted = mounted
        self._house = mounted.house.app
        self._reception = mounted.house.reception

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; the lifespan passes untouched."""
        if scope["type"] == "websocket":
            guest = SocketGuest(self._mounted, scope, receive, send)
            await guest.serve(self.app, {**scope, GUEST: guest})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._house is not None and is_house_path(scope["path"]):
            await self._serve(self._house, scope, receive, send)
            return
        visitor = scope[GUEST] = Guest(self._mounted)

        async def dressed(message: Message) -> None:
            if visitor.visit is not None and message["type"] == "http.response.start":
                message = visitor.dress(message)
            await send(message)

        await self.app(scope, receive, dressed)

    async def _serve(self, house: App, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._mounted.require_open()
        except self._reception.refusals as refusal:
            status, body, headers = self._reception.answer(self._reception.visit(scope), refusal)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
            return
        self._reception.look_at_origin(scope)
        await house(scope, receive, send)
