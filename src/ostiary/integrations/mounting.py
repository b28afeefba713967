"""Puts a house into an application: its lifespan, its paths, its refusals."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import WebSocketRoute

from ostiary.integrations.mounted import Mounted
from ostiary.integrations.porch import GUEST, Guest, Porch, is_house_path
from ostiary.integrations.sockets import SocketGuest

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ostiary.integrations.house import House, Reception

_NOT_MOUNTED = (
    "There is no Ostiary in this application: call mount(app, Ostiary.at(...)), or connect(app, ResourceServer(...)), "
    "where it is made."
)
_PARAMETER = re.compile(r"\{[^}]*\}")
_NO_SOCKET = "This can be asked of requests only, and not of WebSockets."

Expand = Callable[[Iterable[Any]], Iterable[Any]]
"""Turns a router's list into routes that know their `path`."""

_applications: WeakSet[Starlette] = WeakSet()
_open_houses: WeakSet[House] = WeakSet()


class CannotMount(RuntimeError):  # noqa: N818 - reads as the sentence it is
    """The house and the application do not fit together; says why, and what to do."""


Look = Callable[[str, Any], None]
"""Looks at a route of the application, by its path, and raises `CannotMount` if it cannot work."""


def put_into(
    app: Starlette, house: House, *, redirect_to_sign_in: bool, expand: Expand, look: Look | None = None
) -> None:
    """Mount a house, or connect to one elsewhere.

    Args:
        app: The application, before it has started.
        house: The house, or what stands for it.
        redirect_to_sign_in: Whether browsers on their way to a page are sent to the sign-in page.
        expand: Turns a router's list into routes that know their `path`.
        look: What else to see to of each route at start.

    Raises:
        CannotMount: The application has a house, has started, or is not at the root of its host name.
    """
    if app in _applications:
        raise CannotMount("This application has an Ostiary already: call mount or connect once.")
    if app.middleware_stack is not None:
        raise CannotMount("This application has started already: call mount or connect where it is made.")
    root_path: str = getattr(app, "root_path", "")
    if house.app is not None and root_path:
        raise CannotMount(
            "This application has a root_path, and Ostiary's pages and cookies are for the root of a host name: "
            "give the application a host name of its own."
        )
    _applications.add(app)
    mounted = Mounted(house, redirect_to_sign_in)
    _stand_before(app, mounted)
    _live_with(app, mounted, expand, look)
    app.exception_handlers.setdefault(house.reception.refusals, answer_refusal)


def _stand_before(app: Starlette, mounted: Mounted) -> None:
    build = app.build_middleware_stack

    def build_with_porch() -> ASGIApp:
        return Porch(build(), mounted)

    app.build_middleware_stack = build_with_porch  # type: ignore[method-assign]


def _live_with(app: Starlette, mounted: Mounted, expand: Expand, look: Look | None) -> None:
    """Open the house before the application's own lifespan begins, and close it after that has ended."""
    its_own = app.router.lifespan_context

    @asynccontextmanager
    async def around(running: Starlette) -> AsyncIterator[Any]:
        _look_over(app, app.routes, "", expand, mounted, look)
        async with _opened(mounted), its_own(running) as state:
            yield state

    app.router.lifespan_context = around


@asynccontextmanager
async def _opened(mounted: Mounted) -> AsyncIterator[None]:
    house = mounted.house
    if house in _open_houses:
        raise CannotMount("This Ostiary runs in another application of this process: give each one of its own.")
    _open_houses.add(house)
    try:
        await house.open()
        await house.load()
        mounted.is_open = True
        yield
    finally:
        mounted.is_open = False
        _open_houses.discard(house)
        await house.close()


def _look_over(
    app: Starlette, routes: Iterable[Any], above: str, expand: Expand, mounted: Mounted, look: Look | None
) -> None:
    """See that every route can be reached, and that mounted applications answer refusals as this one does."""
    for route in expand(routes):
        path = above + (getattr(route, "path", None) or "")
        if look is not None:
            look(path, route)
        if isinstance(getattr(route, "original_route", route), WebSocketRoute):
            continue  # the porch leaves those to the application, wherever they are
        if mounted.house.app is not None and is_house_path(_PARAMETER.sub("a", path)):
            raise CannotMount(
                f"The route {path} of this application could never be reached: Ostiary answers that path. "
                "Give it another one; docs/guides/mount-in-fastapi.md lists Ostiary's."
            )
        inner = getattr(route, "app", None)
        if isinstance(inner, Starlette):
            inner.exception_handlers.setdefault(mounted.house.reception.refusals, answer_refusal)
        below = getattr(route, "routes", None)
        if below:
            _look_over(app, below, path, expand, mounted, look)


def guest_of(request: HTTPConnection) -> Guest:
    """Return the guest that a request to the application is.

    Raises:
        CannotMount: No house is mounted in the application that serves it.
    """
    guest = request.scope.get(GUEST)
    if not isinstance(guest, Guest):
        raise CannotMount(_NO_SOCKET if isinstance(guest, SocketGuest) else _NOT_MOUNTED)
    return guest


def socket_of(connection: HTTPConnection) -> SocketGuest | None:
    """Return the guest that a WebSocket of the application is; None for a request.

    Raises:
        CannotMount: No house is mounted in the application that serves it.
    """
    if connection.scope["type"] != "websocket":
        return None
    guest = connection.scope.get(GUEST)
    if not isinstance(guest, SocketGuest):
        raise CannotMount(_NOT_MOUNTED)
    return guest


def reception_of(request: HTTPConnection) -> Reception:
    """Return the reception of the house that a request's application holds.

    Raises:
        CannotMount: There is none.
    """
    return (socket_of(request) or guest_of(request)).mounted.house.reception


def wants_page(request: Request, guest: Guest) -> bool:
    """Return whether a browser is on its way to a page of an application that has pages."""
    headers = request.headers
    return (
        guest.mounted.redirect_to_sign_in
        and "authorization" not in headers
        and "text/html" in headers.get("accept", "").lower()
    )


async def answer_refusal(request: HTTPConnection, refusal: Exception) -> Response | None:
    """Answer with a problem document, send a browser to where it signs in or steps up, or close a WebSocket."""
    socket = socket_of(request)
    if socket is not None:
        await socket.refuse(refusal)
        return None
    assert isinstance(request, Request)
    guest = guest_of(request)
    visit = guest.seen(request.scope)
    reception = guest.mounted.house.reception
    place = reception.sign_in_page(visit, refusal) if wants_page(request, guest) else None
    if place is not None:
        return RedirectResponse(place, 303)
    status, body, headers = reception.answer(visit, refusal)
    response = Response(body, status)
    response.raw_headers = headers
    return response
