"""A Django REST framework API that trusts an Ostiary elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, NotAuthenticated
from rest_framework.permissions import BasePermission

from ostiary.client.identity import Identity
from ostiary.client.problems import CsrfTokenMissing, NotPermitted, NotSignedIn, Refusal
from ostiary.client.requirements import Requirement
from ostiary.client.resource import Visitor
from ostiary.client.strength import Strength
from ostiary.integrations.django.asking import VISITOR, visit_of
from ostiary.integrations.django.forgery import is_forged
from ostiary.integrations.django.settings import ostiary_settings, resource_server
from ostiary.integrations.django.users import RemoteUser

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

__all__ = ["Identity", "OstiaryAuthentication", "Refused", "exception_handler", "require"]


class Refused(APIException):
    """A refusal as the REST framework knows them.

    Its own handler answers with the right status and headers, and the problem
    document as ordinary JSON; `exception_handler` here says that it is one.

    Attributes:
        refusal: The refusal.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__()
        self.refusal = refusal
        self.status_code = refusal.status
        self.detail = refusal.document()  # type: ignore[assignment]
        self.auth_header = refusal.www_authenticate()
        self.wait = refusal.retry_after


class OstiaryAuthentication(BaseAuthentication):
    """Reads bearer tokens and the access cookie; `request.user` is the user, `request.auth` the `Identity`.

    With `OstiaryMiddleware` or without. A request that acts by cookie passes
    Django's own check against forgery, as the framework's session
    authentication has it.
    """

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        """Return who has sent a request, or None for a stranger, and for a cookie that has lapsed.

        Raises:
            Refused: A bearer token proves nothing, the request could be forged, or nobody can say now.
        """
        visitor = visitor_of(request._request)  # noqa: SLF001 - as the framework's own classes do
        try:
            identity = visitor.perhaps()
        except Refusal as refusal:
            raise Refused(refusal) from None
        if identity is None:
            return None
        return _user_of(request._request, identity), identity  # noqa: SLF001 - as above

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge for whoever has shown nothing, or a cookie that has lapsed."""
        refusal = visitor_of(request._request).refusal or NotSignedIn()  # noqa: SLF001 - as above
        return refusal.www_authenticate() or 'Bearer realm="ostiary"'


def require(
    *,
    permission: str | None = None,
    fresh: timedelta | None = None,
    verified: bool = False,
    acr: Strength | None = None,
) -> type[BasePermission]:
    """Return a permission class: `permission_classes = [require(permission="books:lend")]`.

    Args:
        permission: The account holds this permission.
        fresh: They proved who they are no longer ago.
        verified: Their address is proven.
        acr: They signed in at least so strongly.

    Raises:
        ValueError: Nobody could say who meets that.
    """
    requirement = Requirement(permission=permission, fresh=fresh, verified=verified, acr=acr)

    class Required(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:
            visitor = visitor_of(request._request)  # noqa: SLF001 - as above
            try:
                resource_server().require(visitor, requirement)
            except Refusal as refusal:
                raise Refused(refusal) from None
            if not isinstance(request.auth, Identity):  # another class has let somebody else in
                raise Refused(NotPermitted())
            return True

    return Required


def exception_handler(exc: Exception, context: Any) -> Any:  # noqa: ANN401 - the framework's form
    """Answer refusals as `application/problem+json`, and everything else as the framework does.

    For the setting `EXCEPTION_HANDLER`.
    """
    # Not at the head of the file: the framework's views import the classes that its settings name, this file's.
    from rest_framework.views import exception_handler as usual_handler  # noqa: PLC0415
    from rest_framework.views import set_rollback  # noqa: PLC0415

    request = context.get("request")
    if isinstance(exc, NotAuthenticated) and request is not None and _is_ours(request):
        exc = Refused(visitor_of(request._request).refusal or NotSignedIn())  # noqa: SLF001 - as above
    if not isinstance(exc, Refused):
        return usual_handler(exc, context)
    set_rollback()
    found = exc.refusal
    return HttpResponse(found.body(), status=found.status, headers=dict(found.headers()))


def _is_ours(request: Any) -> bool:  # noqa: ANN401 - the framework's request
    return any(isinstance(found, OstiaryAuthentication) for found in request.authenticators or ())


def visitor_of(request: HttpRequest) -> Visitor:
    """Return who has sent a request; asked once, by the middleware or by whichever class comes first."""
    found: Visitor | None = getattr(request, VISITOR, None)
    if found is None:
        found = resource_server().admit_blocking(visit_of(request), check_origin=False)
        if found.by_cookie and found.identity is not None and is_forged(request):
            found = found.refused(CsrfTokenMissing())
        setattr(request, VISITOR, found)
    return found


def _user_of(request: HttpRequest, identity: Identity) -> Any:  # noqa: ANN401 - a project's own user
    if ostiary_settings().user_field is None:
        return RemoteUser(identity)
    from ostiary.integrations.django.mapping import row_of  # noqa: PLC0415 - wants the project's models

    user = row_of(request, identity).find()
    if not user.is_authenticated:
        raise Refused(NotPermitted())
    return cast("Any", user)
