"""Where `login_required` sends people: on to the Ostiary's sign-in page, if that can help them."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_safe

from ostiary.client.problems import CsrfTokenMissing, NotPermitted, Refusal
from ostiary.client.visits import sign_in_address
from ostiary.integrations.django.asking import visit_of, visitor_of
from ostiary.integrations.django.settings import resource_server

if TYPE_CHECKING:
    from django.http import HttpRequest


log = logging.getLogger(__name__)


def _sign_in(request: HttpRequest) -> HttpResponse:
    visitor = visitor_of(request)
    refusal: Refusal | None = visitor.refusal
    if visitor.identity is not None:
        refusal = NotPermitted()  # sent here by `permission_required`, or because there is no row for them
    if refusal is not None and not refusal.can_sign_in:
        return HttpResponse(refusal.body(), status=refusal.status, headers=dict(refusal.headers()))
    visit = replace(visit_of(request), path=_following(request))
    place = sign_in_address(resource_server().issuer, visit)
    return HttpResponseRedirect(place, headers={"Cache-Control": "no-store"})


def _following(request: HttpRequest) -> str:
    """Return the path to come back to, without its query: the sign-in page goes on to plain paths only."""
    asked = request.GET.get("next", "/")
    if not url_has_allowed_host_and_scheme(asked, allowed_hosts={request.get_host()}):
        return "/"
    return urlsplit(asked).path or "/"


sign_in: Any = login_not_required(require_safe(_sign_in))
"""For `LOGIN_URL = "ostiary:sign-in"`.

A browser that signing in cannot help is not sent on: it would come back, be
sent on again, and so for ever. It gets the refusal instead: the account is
signed in and may not do this, the token is for another audience, the keys
cannot be had.
"""


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer what Django's check against forgery refuses as a problem document; for `CSRF_FAILURE_VIEW`."""
    refusal = CsrfTokenMissing(reason=reason)
    log.info("refused: %s %s (request %s)", refusal.slug, reason, refusal.request_id)
    return HttpResponse(refusal.body(), status=refusal.status, headers=dict(refusal.headers()))
