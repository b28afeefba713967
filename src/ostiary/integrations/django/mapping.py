"""The row of a project's own user model that an identity stands for, read once a request and only if asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import sync_to_async
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser

from ostiary.integrations.django.backends import OstiaryBackend

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ostiary.client.identity import Identity


ROW: Final = "_ostiary_row"


class Row:
    """Finds it when it is first asked for."""

    __slots__ = ("_found", "_identity", "_request")

    def __init__(self, request: HttpRequest | None, identity: Identity) -> None:
        self._request = request
        self._identity = identity
        self._found: Any = None

    def find(self) -> Any:  # noqa: ANN401 - a project's own user
        """Return the user, or Django's `AnonymousUser` where this project knows nobody of that id."""
        if self._found is None:
            self._found = backend().user_for(self._request, self._identity) or AnonymousUser()
        return self._found

    async def afind(self) -> Any:  # noqa: ANN401 - as above
        """Do the same for a view with an event loop."""
        return self._found or await sync_to_async(self.find)()


def row_of(request: HttpRequest, identity: Identity) -> Row:
    """Return the row of whoever has sent a request, for all that ask for it."""
    found: Row | None = getattr(request, ROW, None)
    if found is None:
        found = Row(request, identity)
        setattr(request, ROW, found)
    return found


def backend() -> OstiaryBackend:
    """Return the project's own kind of backend, if `AUTHENTICATION_BACKENDS` names one."""
    ours = (found for found in auth.get_backends() if isinstance(found, OstiaryBackend))
    return next(ours, None) or OstiaryBackend()
