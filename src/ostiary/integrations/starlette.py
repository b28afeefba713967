"""Ostiary in a Starlette application: `mount` one, or `connect` to one elsewhere, then ask who is calling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection, Request

from ostiary.client.identity import Identity
from ostiary.client.requirements import Requirement
from ostiary.client.resource import ResourceServer
from ostiary.client.revocations import RevocationFeed
from ostiary.client.strength import Strength
from ostiary.integrations.elsewhere import Elsewhere
from ostiary.integrations.mounting import CannotMount, guest_of, put_into, reception_of, socket_of, wants_page
from ostiary.integrations.rates import Per, rate

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from ostiary.integrations.house import House, Reception, Visit

__all__ = [
    "CannotMount", "Identity", "ResourceServer", "RevocationFeed", "connect", "csrf_token", "current_account",
    "limited", "mount", "optional_account", "reauthenticated", "require",
]  # fmt: skip

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_TOKEN_HEADERS = ("x-csrf-token", "x-csrftoken")
TOKEN_FIELD = "csrf_token"  # noqa: S105 - a field's name


def mount(app: Starlette, house: House, *, redirect_to_sign_in: bool = False) -> None:
    """Put a house into an application.

    The house opens before the application's own lifespan begins and closes
    after it has ended. It answers its own paths before any middleware of the
    application (`/auth/...`, `/api/v1/auth/...` and some well-known ones); all
    others pass, and WebSockets too.

    Args:
        app: The application, before it has started.
        house: Such as `Ostiary.at("data")`.
        redirect_to_sign_in: For applications with pages: a browser stays signed in there as long as on the
            house's own pages, and is sent to the sign-in page where others get a 401.

    Raises:
        CannotMount: The application has a house, has started, or is not at the root of its host name. At start:
            a route of the application lies on a path of the house.
    """
    put_into(app, house, redirect_to_sign_in=redirect_to_sign_in, expand=list)


def connect(app: Starlette, server: ResourceServer, *, redirect_to_sign_in: bool = False) -> None:
    """Let an application trust an Ostiary elsewhere; everything else is asked as with a mounted one.

    What differs is said at the start, or written in docs/guides/fastapi-remote.md: an identity is as old as its
    token, API keys are refused, nothing is counted, and cookies act from the application's own pages only.

    Args:
        app: The application, before it has started.
        server: Whose word counts: `ResourceServer(issuer="https://login.example.org")`.
        redirect_to_sign_in: For applications with pages: a browser is sent to the Ostiary's sign-in page where
            others get a 401.

    Raises:
        CannotMount: The application has an Ostiary, or has started.
    """
    put_into(app, Elsewhere(server), redirect_to_sign_in=redirect_to_sign_in, expand=list)


async def current_account(request: HTTPConnection) -> Identity:
    """Return who is calling, by bearer token, API key or cookie; or who has opened a WebSocket.

    A request that acts by cookie and could change something must repeat the
    CSRF token, in the header `X-CSRF-Token` or the form field `csrf_token`. A WebSocket
    must come from a page of an origin of ours; once somebody asked, it ends with its session.

    Raises:
        Problem: Nobody is signed in (401), or the request could be forged (403); becomes the answer by itself.
        CannotMount: There is no house in this application.
    """
    socket = socket_of(request)
    if socket is not None:
        return await socket.admitted()
    assert isinstance(request, Request)
    guest = guest_of(request)
    visit = guest.seen(request.scope)
    if guest.identity is None:
        await guest.mounted.require_open()
        reception = guest.mounted.house.reception
        identity = await reception.admit(visit, as_page=wants_page(request, guest))
        await _refuse_forgery(request, reception, visit)
        guest.identity = identity
    return guest.identity


async def optional_account(request: Request) -> Identity | None:
    """Return who is calling, or None for a visitor who is not signed in.

    Raises:
        Problem: As `current_account`; also for a bearer token that proves nothing.
        CannotMount: There is no house in this application.
    """
    guest = guest_of(request)
    visit = guest.seen(request.scope)
    if guest.identity is None:
        await guest.mounted.require_open()
        reception = guest.mounted.house.reception
        identity = await reception.find(visit, as_page=wants_page(request, guest))
        if identity is not None:
            await _refuse_forgery(request, reception, visit)
        guest.identity = identity
    return guest.identity


async def reauthenticated(websocket: HTTPConnection, shown: str) -> Identity:
    """Let an open WebSocket go on by a new access token or ticket of the same person, and return who it is.

    Raises:
        Problem: It proves nothing, or names somebody else; the socket stays as it was if the application goes on.
        CannotMount: There is no house in this application.
    """
    socket = socket_of(websocket)
    if socket is None:
        raise CannotMount("Only a WebSocket can be proven anew.")
    return await socket.reauthenticated(shown)


def require(
    *,
    permission: str | None = None,
    scope: str | None = None,
    fresh: timedelta | None = None,
    verified: bool = False,
    acr: Strength | None = None,
) -> Callable[[HTTPConnection], Awaitable[Identity]]:
    """Return what says who is calling, if they meet all of this: `account = await lender(request)`.

    Make it once, beside the route: what cannot be is said there.

    Args:
        permission: Their account holds this permission; an API key must have been made for it as well (403).
        scope: An API key must have been made for this (403); people are not bounded by scopes.
        fresh: They proved who they are no longer ago (401 with the challenge of RFC 9470; 403 for an API key).
        verified: Their address is proven (403).
        acr: They signed in at least so strongly: `aal2` is two factors, `phr` a passkey (as `fresh`).

    Raises:
        ValueError: Nobody could say who meets that.
    """
    asked = Requirement(permission=permission, scope=scope, fresh=fresh, verified=verified, acr=acr)

    async def required_account(request: HTTPConnection) -> Identity:
        identity = await current_account(request)
        reception_of(request).require(identity, asked)
        return identity

    return required_account


async def limited(request: Request, at: str, *, per: Per = "account", name: str) -> Identity | None:
    """Count this request on a limit of the application's own, exactly and across processes.

    Args:
        request: The request.
        at: Such as `10/h`, `100/min`, `3/15min`.
        per: Each account's own counter (the caller must be signed in then), each client address's, or one for all.
        name: Of the counters; what shares it shares them.

    Returns:
        Who is calling, where it is counted by account.

    Raises:
        Problem: It is used up (429, with `Retry-After` and `RateLimit`); as `current_account`, by account.
        ValueError: That is no limit.
    """
    wanted = rate(at, per=per, name=name)
    identity = await current_account(request) if per == "account" else None
    guest = guest_of(request)
    visit = guest.seen(request.scope)
    await guest.mounted.require_open()
    await guest.mounted.house.reception.spend(visit, identity, wanted)
    return identity


async def csrf_token(request: Request) -> str:
    """Return the token for a form's hidden field `csrf_token`, bound to the visitor's session.

    Raises:
        CannotMount: There is no house in this application.
    """
    guest = guest_of(request)
    visit = guest.seen(request.scope)
    await guest.mounted.require_open()
    return guest.mounted.house.reception.csrf_token(visit)


async def _refuse_forgery(request: Request, reception: Reception, visit: Visit) -> None:
    if visit.method not in _SAFE and visit.bearer is None:
        await reception.refuse_forgery(visit, partial(_submitted, request))


async def _submitted(request: Request) -> str | None:
    """Return the token that a form repeats, or None where a header is to do so."""
    if any(name in request.headers for name in _TOKEN_HEADERS):
        return None
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _FORMS:
        return None
    found = (await request.form()).get(TOKEN_FIELD)
    return found if isinstance(found, str) else ""
