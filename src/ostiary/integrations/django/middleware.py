"""The middleware that says who has sent a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.apps import apps
from django.utils.functional import SimpleLazyObject

from ostiary.client.problems import CsrfTokenMissing, Refusal
from ostiary.client.visits import SAFE_METHODS
from ostiary.integrations.django.asking import VISITOR, answer, visit_of, visitor_of
from ostiary.integrations.django.forgery import is_forged
from ostiary.integrations.django.settings import ostiary_settings, resource_server
from ostiary.integrations.django.users import RemoteUser

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from ostiary.client.identity import Identity
    from ostiary.client.resource import Visitor

NextStep = Callable[["HttpRequest"], "HttpResponseBase | Awaitable[HttpResponseBase]"]


class OstiaryMiddleware:
    """Puts the `Identity` of whoever has sent a request into `request.ostiary`, and a user into `request.user`.

    Stands behind Django's `AuthenticationMiddleware`, whose users keep their
    place for requests that show nothing of an Ostiary.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: NextStep) -> None:
        resource_server()  # a setting that cannot be is named when the server starts
        self._next: Any = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
            self.process_view = self._process_view  # type: ignore[method-assign] # spares every request a thread

    def __call__(self, request: HttpRequest) -> Any:  # noqa: ANN401 - an answer, or one to be awaited
        """Serve one request."""
        if self._is_async:
            return self._serve(request)
        seat(request, resource_server().admit_blocking(visit_of(request), check_origin=False))
        return _private(request, self._next(request))

    async def _serve(self, request: HttpRequest) -> HttpResponseBase:
        seat(request, await resource_server().admit(visit_of(request), check_origin=False))
        return _private(request, await self._next(request))

    def process_view(self, request: HttpRequest, *_: object) -> Any:  # noqa: ANN401 - None, or what is awaited for it
        """Take the word of a cookie back, where the request could be another site's doing."""
        if _must_be_checked(request) and is_forged(request):
            unseat(request)

    async def _process_view(self, request: HttpRequest, *_: object) -> None:
        if _must_be_checked(request) and await sync_to_async(is_forged)(request):  # it may read the body
            unseat(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Make an answer of a refusal that a view has raised."""
        return answer(request, exception) if isinstance(exception, Refusal) else None


def seat(request: HttpRequest, visitor: Visitor) -> None:
    """Say in a request who has sent it.

    A header that was refused makes nobody of the request, also where a session
    of Django's would name somebody: a broken token is not made good by a
    cookie. The Ostiary's own cookie comes unasked, and one that proves nothing
    here leaves such a session alone. A project without Django's
    `AuthenticationMiddleware` has a user all the same.
    """
    setattr(request, VISITOR, visitor)
    request.ostiary = visitor.identity  # type: ignore[attr-defined]
    if visitor.identity is not None:
        if not visitor.by_cookie:
            # A page cannot make a browser send that header without asking first (CORS): Django need not check.
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # noqa: SLF001 - Django's switch
        _be(request, visitor.identity)
    elif not hasattr(request, "user") or (visitor.refusal is not None and not visitor.by_cookie):
        _be_nobody(request)


def unseat(request: HttpRequest) -> None:
    """Make nobody of a request that another site's page may have sent."""
    seat(request, visitor_of(request).refused(CsrfTokenMissing()))
    _be_nobody(request)


def _be(request: HttpRequest, identity: Identity) -> None:
    if ostiary_settings().user_field is None:
        user = RemoteUser(identity)
        request.user = user  # type: ignore[assignment]
        request.auser = _always(user)  # type: ignore[assignment]
        return
    from ostiary.integrations.django.mapping import row_of  # noqa: PLC0415 - wants the project's models

    row = row_of(request, identity)
    request.user = SimpleLazyObject(row.find)  # type: ignore[assignment]
    request.auser = row.afind


def _be_nobody(request: HttpRequest) -> None:
    if not apps.is_installed("django.contrib.auth"):
        return
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415 - only where it is installed

    nobody = AnonymousUser()
    request.user = nobody
    request.auser = _always(nobody)  # type: ignore[assignment]


def _always(user: object) -> Callable[[], Awaitable[object]]:
    async def known() -> object:
        return user

    return known


def _must_be_checked(request: HttpRequest) -> bool:
    visitor = visitor_of(request)
    return visitor.identity is not None and visitor.by_cookie and request.method not in SAFE_METHODS


def _private(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Keep what tells of somebody out of every store, unless the view says how to store it."""
    if visitor_of(request).identity is not None and not response.has_header("Cache-Control"):
        response["Cache-Control"] = "no-store"
    return response
