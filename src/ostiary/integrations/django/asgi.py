"""WebSockets of a Django project, in the manner of Channels: `OstiaryMiddlewareStack(URLRouter([...]))`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.client.problems import NotPermitted
from ostiary.integrations.asgi import IDENTITY, OstiaryMiddleware, guest_of, require
from ostiary.integrations.django.mapping import Row
from ostiary.integrations.django.settings import ostiary_settings, resource_server
from ostiary.integrations.django.users import RemoteUser

if TYPE_CHECKING:
    from ostiary.integrations.asgi import App, Receive, Scope, Send

__all__ = ["OstiaryMiddlewareStack", "require"]


class OstiaryMiddlewareStack:
    """Says in `scope["ostiary.identity"]` and `scope["user"]` who opens a WebSocket.

    By the setting `OSTIARY`, and with `CSRF_TRUSTED_ORIGINS` as the pages that
    may besides the project's own. HTTP requests are Django's own affair: give
    them to `get_asgi_application()`.

    Args:
        app: What serves WebSockets, such as Channels' `URLRouter`.

    Raises:
        ImproperlyConfigured: A setting cannot be; says what to write.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._outer = OstiaryMiddleware(self._with_user, resource_server())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await self._outer(scope, receive, send)

    async def _with_user(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity = scope.get(IDENTITY)
        if identity is None:
            user = scope.get("user")  # somebody else's to say
        elif ostiary_settings().user_field is None:
            user = RemoteUser(identity)
        else:
            user = await Row(None, identity).afind()
            if not user.is_authenticated:  # no row, or an inactive one
                guest = guest_of(scope)
                guest.visitor = guest.visitor.refused(NotPermitted())
                scope = {**scope, IDENTITY: None}
        await self._app({**scope, "user": user}, receive, send)
