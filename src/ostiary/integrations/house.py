"""What an integration needs of a house; `ostiary.wiring.Ostiary` is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from ostiary.client import Strength
from ostiary.client.identity import Identity
from ostiary.integrations.rates import Rate

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Visit(Protocol):
    """One request, as the house has understood it."""

    @property
    def method(self) -> str:
        """Its method."""
        ...

    @property
    def bearer(self) -> str | None:
        """Not None if it shows an Authorization header; then its cookies do not count."""
        ...

    @property
    def answers(self) -> list[tuple[bytes, bytes]]:
        """Headers that the answer shall carry."""
        ...


class Reception(Protocol):
    """Receives the visitors of the application, by the rules of the house's own routes."""

    @property
    def refusals(self) -> type[Exception]:
        """What its verbs raise."""
        ...

    @property
    def access_cookie(self) -> str:
        """Name of the access cookie."""
        ...

    def visit(self, scope: Scope) -> Any:  # noqa: ANN401 - a Visit; what the house has more of it is its own affair
        """Return what is to be known of an HTTP request."""
        ...

    def look_at_origin(self, scope: Scope) -> None:
        """Warn once if the house is about to refuse the application's own page as foreign."""
        ...

    async def admit(self, visit: Any, *, as_page: bool) -> Identity:  # noqa: ANN401
        """Return whom the request's credential names, or raise."""
        ...

    async def find(self, visit: Any, *, as_page: bool) -> Identity | None:  # noqa: ANN401
        """Return whom the request's credential names, or None for a visitor without one."""
        ...

    def refuse_foreign_page(self, visit: Any) -> None:  # noqa: ANN401
        """Raise if another site's page has sent the request."""
        ...

    def refuse_forgery(self, visit: Any, submitted: str | None) -> None:  # noqa: ANN401
        """Raise if the request acts by cookie and does not repeat its CSRF token."""
        ...

    def csrf_token(self, visit: Any) -> str:  # noqa: ANN401
        """Return the CSRF token for a form."""
        ...

    def require_recent(self, identity: Identity, seconds: int, acr: Strength | None = None) -> None:
        """Raise if the sign-in is longer ago, or not as strong as is asked."""
        ...

    def require_proven_address(self, identity: Identity) -> None:
        """Raise if the address is a mere claim."""
        ...

    def require_permission(self, identity: Identity, name: str) -> None:
        """Raise if the account has not got the permission."""
        ...

    def require_scope(self, identity: Identity, name: str) -> None:
        """Raise if an API key was not made for that."""
        ...

    async def spend(self, visit: Any, identity: Identity | None, rate: Rate) -> None:  # noqa: ANN401
        """Count a request on one of the application's own limits, or raise."""
        ...

    def unavailable(self) -> Exception:
        """Return what to answer while the house is not open."""
        ...

    def answer(self, visit: Any, refusal: Exception) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:  # noqa: ANN401
        """Return status, body and headers of the answer that a refusal becomes."""
        ...


class Hold(Protocol):
    """What holds one socket open."""

    @property
    def identity(self) -> Identity:
        """Whom it belongs to, as the account is now."""
        ...


class SocketDoor(Protocol):
    """Admits sockets, and closes each when its session ends."""

    @property
    def refusals(self) -> type[Exception]:
        """What its verbs raise."""
        ...

    def visit(self, scope: Scope) -> Any:  # noqa: ANN401 - a Visit
        """Return what is to be known of a handshake."""
        ...

    async def admit(
        self,
        visit: Any,  # noqa: ANN401
        protocols: list[str],
        query: bytes,
        close: Callable[[Exception], None],
        *,
        as_page: bool,
    ) -> Any:  # noqa: ANN401 - a Hold
        """Return what holds a socket open, or raise; `close` is told when it must end."""
        ...

    async def reauthenticate(self, hold: Any, shown: str) -> Identity:  # noqa: ANN401
        """Let a socket go on by a new proof of the same person, or raise."""
        ...

    def let_go(self, hold: Any) -> None:  # noqa: ANN401
        """Forget a socket that has closed."""
        ...

    def code(self, refusal: Exception) -> tuple[int, str]:
        """Return close code and reason of a refusal."""
        ...


class House(Protocol):
    """A house, to be mounted."""

    @property
    def app(self) -> App:
        """Its ASGI application: API and pages."""
        ...

    @property
    def reception(self) -> Reception:
        """Who receives the application's visitors."""
        ...

    @property
    def socket_door(self) -> SocketDoor:
        """Where its WebSockets come in."""
        ...

    async def open(self) -> None:
        """Begin to work."""
        ...

    async def load(self) -> None:
        """Load all of `app` now, and not with the first request for it."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...

    async def is_ready(self) -> bool:
        """Return whether it could answer a request safely now."""
        ...
