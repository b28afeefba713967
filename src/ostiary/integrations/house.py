"""What an integration needs of a house; `ostiary.wiring.Ostiary` is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from ostiary.client import Requirement
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
    """Receives the visitors of the application: a house's own in this process, or one for a house elsewhere."""

    @property
    def refusals(self) -> type[Exception]:
        """What its verbs raise."""
        ...

    @property
    def access_cookie(self) -> str | None:
        """Name of the access cookie; None if cookies do not count."""
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

    async def refuse_forgery(self, visit: Any, submitted: Callable[[], Awaitable[str | None]]) -> None:  # noqa: ANN401
        """Raise if a request that acts by cookie may be another site's doing; `submitted` reads a form's token."""
        ...

    def csrf_token(self, visit: Any) -> str:  # noqa: ANN401
        """Return the CSRF token for a form."""
        ...

    def require(self, identity: Identity, asked: Requirement) -> None:
        """Raise if an identity does not meet what is asked for."""
        ...

    def sign_in_page(self, visit: Any, refusal: Exception) -> str | None:  # noqa: ANN401
        """Return where to send a browser on its way to a page instead of refusing it, or None."""
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
    """A house, to be mounted; or what stands in an application for one elsewhere."""

    @property
    def app(self) -> App | None:
        """Its ASGI application: API and pages; None if it answers elsewhere."""
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
