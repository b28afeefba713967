"""Ostiary in a FastAPI application: `mount(app, Ostiary.at("data"))`, then depend on `CurrentAccount`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Request, Security
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.routing import iter_route_contexts
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from ostiary.client import STRENGTHS, Strength, reaches
from ostiary.client.identity import Identity
from ostiary.integrations import starlette
from ostiary.integrations.mounting import CannotMount, put_into, reception_of
from ostiary.integrations.rates import Per, rate
from ostiary.integrations.starlette import reauthenticated

if TYPE_CHECKING:
    from ostiary.integrations.house import House

__all__ = [
    "CannotMount", "CsrfToken", "CurrentAccount", "Identity", "OptionalAccount", "VerifiedAccount", "csrf_token",
    "current_account", "fresh", "limit", "mount", "optional_account", "permission", "reauthenticated", "scope",
    "verified_account",
]  # fmt: skip

USUAL_COOKIE = "__Host-access_token"


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
    if house.reception.access_cookie != USUAL_COOKIE:
        _name_cookie(app, house.reception.access_cookie)


class _Shown(SecurityBase):
    """Shows a way to sign in in the OpenAPI document; the account's dependency does the looking."""

    def __init__(self, name: str, model: HTTPBearer | APIKey) -> None:
        self.scheme_name = name
        self.model = model

    async def __call__(self) -> None:
        """Do nothing."""


BEARER = _Shown("bearer", HTTPBearer(description="An access token (a JWT), or an API key."))
COOKIE = _Shown(
    "cookie",
    APIKey(
        **{"in": APIKeyIn.cookie}, name=USUAL_COOKIE,
        description="The cookie of a signed-in browser; other methods than GET need the header X-CSRF-Token as well.",
    ),
)  # fmt: skip


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


async def verified_account(request: HTTPConnection, account: CurrentAccount) -> Identity:
    """Return who is calling, if their address is proven.

    Raises:
        Problem: As `current_account`; 403 while the address is a mere claim.
    """
    reception_of(request).require_proven_address(account)
    return account


VerifiedAccount = Annotated[Identity, Depends(verified_account)]
"""Who is calling, by a proven address; 403 while it is a mere claim."""


async def csrf_token(request: Request) -> str:
    """Return the token for a form's hidden field `csrf_token`, bound to the visitor's session."""
    return await starlette.csrf_token(request)


CsrfToken = Annotated[str, Depends(csrf_token)]
"""What a form repeats in its hidden field `csrf_token`."""


def fresh(*, minutes: float = 10, acr: Strength | None = None) -> Any:  # noqa: ANN401 - stands in an Annotated, or in `dependencies`
    """Return a dependency on a sign-in that is young and strong enough; 401 with the challenge of RFC 9470 without one.

    For an `Annotated`, or for the `dependencies` of a route or a router.

    Args:
        minutes: How long ago it may be.
        acr: How strong it must have been: `aal2` is two factors, `phr` a passkey; None for any.

    Raises:
        ValueError: That is no strength.
    """
    reaches("", acr or STRENGTHS[0])  # said where it is written, and not at the first request

    async def fresh_account(request: HTTPConnection, account: CurrentAccount) -> Identity:
        reception_of(request).require_recent(account, int(minutes * 60), acr)
        return account

    return Depends(fresh_account)


def permission(name: str) -> Any:  # noqa: ANN401 - as above
    """Return a dependency on a permission: `dependencies=[permission("books:lend")]`; 403 without it."""

    async def permitted_account(request: HTTPConnection, account: CurrentAccount) -> Identity:
        reception_of(request).require_permission(account, name)
        return account

    return Depends(permitted_account)


def scope(name: str) -> Any:  # noqa: ANN401 - as above
    """Return a dependency on a scope: an API key must have been made for it (403), people are not bounded by scopes.

    Raises:
        ValueError: No scope is written like this.
    """
    starlette.check_scope(name)  # said where it is written, and not at the first request

    async def scoped_account(request: Request, account: CurrentAccount) -> Identity:
        reception_of(request).require_scope(account, name)
        return account

    return Depends(scoped_account)


def limit(at: str, *, per: Per = "account", name: str) -> Any:  # noqa: ANN401 - as above
    """Return a dependency that counts each request: `dependencies=[limit("10/h", name="reports.make")]`; 429 beyond.

    By account the caller must be signed in; by address or for the whole route nobody need be.

    Raises:
        ValueError: That is no limit.
    """
    rate(at, per=per, name=name)  # said where it is written, and not at the first request

    async def counted_by_account(request: Request, account: CurrentAccount) -> Identity:
        await starlette.limited(request, at, per=per, name=name)
        return account

    async def counted(request: Request) -> None:
        await starlette.limited(request, at, per=per, name=name)

    return Depends(counted_by_account if per == "account" else counted)


def _expanded(routes: Iterable[Any]) -> Iterable[Any]:
    return iter_route_contexts(list(routes))  # those of included routers have their whole path here only


def _name_cookie(app: FastAPI, name: str) -> None:
    describe = app.openapi

    def described() -> dict[str, Any]:
        document = describe()
        shown = document.get("components", {}).get("securitySchemes", {}).get(COOKIE.scheme_name)
        if shown is not None:
            shown["name"] = name
        return document

    app.openapi = described  # type: ignore[method-assign]
