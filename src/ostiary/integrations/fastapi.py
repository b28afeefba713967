"""Ostiary in a FastAPI application: `mount` one, or `connect` to one elsewhere, then depend on `CurrentAccount`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Request, Security, params
from fastapi.routing import iter_route_contexts
from starlette.requests import HTTPConnection

from ostiary.client.identity import Identity
from ostiary.client.requirements import Requirement
from ostiary.client.resource import ResourceServer
from ostiary.client.revocations import RevocationFeed
from ostiary.client.strength import Strength
from ostiary.integrations import starlette
from ostiary.integrations.described import BEARER, COOKIE, LIMITS, REQUIREMENTS, Asked, describe
from ostiary.integrations.elsewhere import COUNTS_NOTHING, Elsewhere
from ostiary.integrations.mounting import CannotMount, put_into, reception_of
from ostiary.integrations.rates import Per, rate
from ostiary.integrations.starlette import reauthenticated

if TYPE_CHECKING:
    from ostiary.integrations.house import House

__all__ = [
    "CannotMount", "CsrfToken", "CurrentAccount", "Identity", "OptionalAccount", "ResourceServer", "RevocationFeed",
    "VerifiedAccount", "connect", "csrf_token", "current_account", "limit", "mount", "optional_account",
    "reauthenticated", "require",
]  # fmt: skip


def mount(app: FastAPI, house: House, *, redirect_to_sign_in: bool = False) -> None:
    """Put a house into an application; see `ostiary.integrations.starlette.mount`.

    Args:
        app: The application, before it has started.
        house: Such as `Ostiary.at("data")`.
        redirect_to_sign_in: Whether browsers on their way to a page are sent to the sign-in page.

    Raises:
        CannotMount: The application has a house, has started, or is not at the root of its host name. At start:
            a route of the application lies on a path of the house.
    """
    put_into(app, house, redirect_to_sign_in=redirect_to_sign_in, expand=_expanded)
    describe(app, house.reception.access_cookie)


def connect(app: FastAPI, server: ResourceServer, *, redirect_to_sign_in: bool = False) -> None:
    """Let an application trust an Ostiary elsewhere; see `ostiary.integrations.starlette.connect`.

    Args:
        app: The application, before it has started.
        server: Whose word counts: `ResourceServer(issuer="https://login.example.org")`.
        redirect_to_sign_in: Whether browsers on their way to a page are sent to the Ostiary's sign-in page.

    Raises:
        CannotMount: The application has an Ostiary, or has started. At start: a route has a `limit`, and nothing
            is counted here.
    """
    house = Elsewhere(server)
    put_into(app, house, redirect_to_sign_in=redirect_to_sign_in, expand=_expanded, look=_refuse_limit)
    describe(app, house.reception.access_cookie)


async def current_account(
    request: HTTPConnection, _bearer: Annotated[None, Security(BEARER)], _cookie: Annotated[None, Security(COOKIE)]
) -> Identity:
    """Return who is calling, or has opened a WebSocket; see `ostiary.integrations.starlette.current_account`.

    Raises:
        Problem: Nobody is signed in (401), or the request could be forged (403).
        CannotMount: There is no house in this application.
    """
    return await starlette.current_account(request)


async def optional_account(
    request: Request, _bearer: Annotated[None, Security(BEARER)], _cookie: Annotated[None, Security(COOKIE)]
) -> Identity | None:
    """Return who is calling, or None for a visitor who is not signed in.

    Raises:
        Problem: The request could be forged (403), or its bearer token proves nothing (401).
        CannotMount: There is no house in this application.
    """
    return await starlette.optional_account(request)


CurrentAccount = Annotated[Identity, Depends(current_account)]
"""Who is calling; 401 without a credential that proves it."""

OptionalAccount = Annotated[Identity | None, Depends(optional_account)]
"""Who is calling, or None."""


def require(
    *,
    permission: str | None = None,
    scope: str | None = None,
    fresh: timedelta | None = None,
    verified: bool = False,
    acr: Strength | None = None,
) -> params.Depends:
    """Return a dependency on somebody who meets all of this.

    For an `Annotated`, where it gives who is calling, or for the `dependencies`
    of a route, a router or the application.

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

    async def required_account(request: HTTPConnection, account: CurrentAccount) -> Identity:
        reception_of(request).require(account, asked)
        return account

    REQUIREMENTS[required_account] = asked
    return params.Depends(required_account)


VerifiedAccount = Annotated[Identity, require(verified=True)]
"""Who is calling, by a proven address; 403 while it is a mere claim."""


async def csrf_token(request: Request) -> str:
    """Return what a form repeats in its hidden field `csrf_token`; empty where the house is elsewhere."""
    return await starlette.csrf_token(request)


CsrfToken = Annotated[str, Depends(csrf_token)]
"""What a form repeats in its hidden field `csrf_token`."""


def limit(at: str, *, per: Per = "account", name: str) -> params.Depends:
    """Return a dependency that counts each request: `dependencies=[limit("10/h", name="reports.make")]`; 429 beyond.

    By account the caller must be signed in; by address or for the whole route nobody need be.
    It counts in the house's database, and so wants a mounted house.

    Raises:
        ValueError: That is no limit.
    """
    rate(at, per=per, name=name)  # said where it is written, and not at the first request

    async def counted_by_account(request: Request, account: CurrentAccount) -> Identity:
        await starlette.limited(request, at, per=per, name=name)
        return account

    async def counted(request: Request) -> None:
        await starlette.limited(request, at, per=per, name=name)

    call = counted_by_account if per == "account" else counted
    LIMITS.add(call)
    return params.Depends(call)


def _expanded(routes: Iterable[Any]) -> Iterable[Any]:
    return iter_route_contexts(list(routes))  # those of included routers have their whole path here only


def _refuse_limit(path: str, route: Any) -> None:  # noqa: ANN401 - any kind of route
    if Asked.by(route).counts:
        raise CannotMount(f"The route {path} cannot be served as it is: {COUNTS_NOTHING}")
