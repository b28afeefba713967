"""Views ask who is calling, and for more than that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, cast

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase

from ostiary.client.identity import Identity
from ostiary.client.problems import NotPermitted, Refusal
from ostiary.client.requirements import Requirement
from ostiary.client.resource import Visitor
from ostiary.client.strength import Strength
from ostiary.client.visits import Visit
from ostiary.integrations.django.settings import ostiary_settings, resource_server

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[HttpRequest, Arguments], Any]

log = logging.getLogger(__name__)

VISITOR: Final = "_ostiary_visitor"


class OstiaryRequest(HttpRequest):
    """For annotations: a request that `OstiaryMiddleware` has seen.

    Attributes:
        ostiary: Whom a verified credential names, or None.
    """

    ostiary: Identity | None


def visit_of(request: HttpRequest) -> Visit:
    """Return what is to be known of a request."""
    scope = getattr(request, "scope", None)  # from there, as META joins the crumbs of a cookie header by commas
    visit = Visit.of_environ(request.META) if scope is None else Visit.of_scope(scope)
    try:
        return visit.at(request.get_host())
    except DisallowedHost:
        return visit.at("")


def visitor_of(request: HttpRequest) -> Visitor:
    """Return who has sent a request.

    Raises:
        ImproperlyConfigured: `OstiaryMiddleware` has not seen it.
    """
    found: Visitor | None = getattr(request, VISITOR, None)
    if found is None:
        raise ImproperlyConfigured(
            "OstiaryMiddleware has not seen this request: put "
            "'ostiary.integrations.django.middleware.OstiaryMiddleware' into MIDDLEWARE."
        )
    return found


def current_account(request: HttpRequest) -> Identity:
    """Return who has sent a request.

    Raises:
        Refusal: Nobody is signed in, or the request could be forged; the middleware makes the answer of it.
        ImproperlyConfigured: `OstiaryMiddleware` has not seen the request.
    """
    return visitor_of(request).admitted()


def optional_account(request: HttpRequest) -> Identity | None:
    """Return who has sent a request, or None for a visitor who is not signed in.

    Raises:
        Refusal: A bearer token proves nothing, or the request could be forged.
        ImproperlyConfigured: `OstiaryMiddleware` has not seen the request.
    """
    return visitor_of(request).perhaps()


def require(
    *,
    permission: str | None = None,
    fresh: timedelta | None = None,
    verified: bool = False,
    acr: Strength | None = None,
) -> Callable[[View[Arguments]], View[Arguments]]:
    """Return a decorator for views, sync or async, that serve only those who meet this.

    For a class-based view: `method_decorator(require(...), name="dispatch")`.

    Args:
        permission: They hold this permission.
        fresh: They proved who they are no longer ago.
        verified: Their address is proven.
        acr: They signed in at least so strongly.

    Raises:
        ValueError: Nobody could say who meets that.
    """
    requirement = Requirement(permission=permission, fresh=fresh, verified=verified, acr=acr)

    def around(view: View[Arguments]) -> View[Arguments]:
        if iscoroutinefunction(view):

            @wraps(view)
            async def awaited(request: HttpRequest, *args: Arguments.args, **kwargs: Arguments.kwargs) -> object:
                try:
                    resource_server().require(visitor_of(request), requirement)
                    _require_row(await request.auser() if _are_mapped() else None)
                except Refusal as refusal:
                    return answer(request, refusal)
                return await view(request, *args, **kwargs)

            return cast("View[Arguments]", awaited)

        @wraps(view)
        def guarded(request: HttpRequest, *args: Arguments.args, **kwargs: Arguments.kwargs) -> object:
            try:
                resource_server().require(visitor_of(request), requirement)
                _require_row(request.user if _are_mapped() else None)
            except Refusal as refusal:
                return answer(request, refusal)
            return view(request, *args, **kwargs)

        return cast("View[Arguments]", guarded)

    return around


def _are_mapped() -> bool:
    return ostiary_settings().user_field is not None


def _require_row(user: object) -> None:
    """Refuse somebody whom this project has no row for, or an inactive one, where it keeps rows."""
    if user is not None and not getattr(user, "is_authenticated", False):
        raise NotPermitted


def answer(request: HttpRequest, refusal: Refusal) -> HttpResponseBase:
    """Return the answer that a refusal becomes: a problem document, or the way to the sign-in page."""
    log.info("refused: %s %s (request %s)", refusal.slug, refusal.reason, refusal.request_id)
    if ostiary_settings().redirect_to_sign_in:
        place = resource_server().sign_in_page(visit_of(request), refusal)
        if place is not None:
            return HttpResponseRedirect(place, headers={"Cache-Control": "no-store"})
    return HttpResponse(refusal.body(), status=refusal.status, headers=dict(refusal.headers()))
