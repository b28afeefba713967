"""Django's own check against forgery, for whatever acts by the access cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponseForbidden
from django.middleware.csrf import CsrfViewMiddleware

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


class _Check(CsrfViewMiddleware):
    """The same check, which says no and leaves the answer to others."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponseForbidden:
        return HttpResponseForbidden(reason)


def _no_view(_: HttpRequest) -> HttpResponse:
    raise AssertionError("the check calls no view")


def is_forged(request: HttpRequest) -> bool:
    """Return whether an unsafe request does not repeat its CSRF token, or comes from a foreign page.

    Asked for views as well that Django's middleware spares (`csrf_exempt`, and
    every view of the REST framework): those are spared because they believe no
    cookie, and this one is about a cookie. A request that has passed is not
    checked again by Django's middleware.
    """
    check = _Check(_no_view)
    check.process_request(request)
    return check.process_view(request, _no_view, (), {}) is not None
