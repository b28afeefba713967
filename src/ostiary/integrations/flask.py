"""A Flask application that trusts an Ostiary elsewhere: `Ostiary(app)`, then `@require()` where somebody is needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, cast

from flask import Flask, Response, current_app, g, redirect, request

from ostiary.client.identity import Identity
from ostiary.client.problems import Refusal
from ostiary.client.requirements import Requirement
from ostiary.client.resource import USUAL_COOKIE, ResourceServer, Visitor
from ostiary.client.strength import Strength
from ostiary.client.visits import Visit

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

__all__ = ["Identity", "Ostiary", "Refusal", "ResourceServer", "current_account", "optional_account", "require"]

Arguments = ParamSpec("Arguments")

log = logging.getLogger(__name__)

EXTENSION = "ostiary"


@dataclass(frozen=True, slots=True)
class _Installed:
    server: ResourceServer
    redirects: bool


class Ostiary:
    """The extension: `g.ostiary` is the `Identity` of whoever has sent a request, or None.

    Settings are read from the application's configuration: `OSTIARY_ISSUER`,
    and if need be `OSTIARY_AUDIENCE`, `OSTIARY_COOKIE`, `OSTIARY_ORIGINS`,
    `OSTIARY_JWKS_URL`, `OSTIARY_LEEWAY`, `OSTIARY_OUTAGE`, `OSTIARY_REVOCATIONS`
    and `OSTIARY_REDIRECT_TO_SIGN_IN`; they mean what `ResourceServer` says.

    Args:
        app: The application, or None to call `init_app` later.
        server: Whose word counts, instead of what the configuration says.

    Raises:
        ValueError: A setting cannot be; says what to write.
    """

    def __init__(self, app: Flask | None = None, server: ResourceServer | None = None) -> None:
        self._server = server
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Join an application.

        Raises:
            ValueError: A setting cannot be; says what to write.
        """
        config = app.config
        server = self._server if self._server is not None else _server_of(config)
        app.extensions[EXTENSION] = _Installed(server, bool(config.get("OSTIARY_REDIRECT_TO_SIGN_IN", False)))
        app.before_request(_look)
        app.after_request(_keep_private)
        app.register_error_handler(Refusal, _answer)


def current_account() -> Identity:
    """Return who has sent this request.

    Raises:
        Refusal: Nobody is signed in, or the request could be forged; becomes the answer by itself.
        RuntimeError: The application has no `Ostiary`.
    """
    return _visitor().admitted()


def optional_account() -> Identity | None:
    """Return who has sent this request, or None for a visitor who is not signed in.

    Raises:
        Refusal: A bearer token proves nothing, or the request could be forged.
        RuntimeError: The application has no `Ostiary`.
    """
    return _visitor().perhaps()


def require(
    *,
    permission: str | None = None,
    fresh: timedelta | None = None,
    verified: bool = False,
    acr: Strength | None = None,
) -> Callable[[Callable[Arguments, Any]], Callable[Arguments, Any]]:
    """Return a decorator for views that serve only those who meet this; it stands below `@app.route`.

    Args:
        permission: They hold this permission.
        fresh: They proved who they are no longer ago.
        verified: Their address is proven.
        acr: They signed in at least so strongly.

    Raises:
        ValueError: Nobody could say who meets that.
    """
    requirement = Requirement(permission=permission, fresh=fresh, verified=verified, acr=acr)

    def around(view: Callable[Arguments, Any]) -> Callable[Arguments, Any]:
        @wraps(view)
        def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResponseReturnValue:
            _installed().server.require(_visitor(), requirement)
            return cast("ResponseReturnValue", current_app.ensure_sync(view)(*args, **kwargs))

        return guarded

    return around


def _look() -> None:
    visitor = _installed().server.admit_blocking(Visit.of_environ(request.environ))
    g.ostiary = visitor.identity
    g._ostiary_visitor = visitor  # noqa: SLF001 - ours, in a place that is for everybody


def _keep_private(response: Response) -> Response:
    """Keep what tells of somebody out of every store, unless the view says how to store it."""
    if g.get("ostiary") is not None and "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response


def _answer(refusal: Refusal) -> ResponseReturnValue:
    log.info("refused: %s %s (request %s)", refusal.slug, refusal.reason, refusal.request_id)
    installed = _installed()
    place = installed.server.sign_in_page(Visit.of_environ(request.environ), refusal) if installed.redirects else None
    if place is not None:
        answer = cast("Response", redirect(place, 303))
        answer.headers["Cache-Control"] = "no-store"
        return answer
    return Response(refusal.body(), refusal.status, refusal.headers())


def _visitor() -> Visitor:
    found: Visitor | None = g.get("_ostiary_visitor")
    if found is None:
        raise RuntimeError("This application has no Ostiary: write Ostiary(app) where it is made.")
    return found


def _installed() -> _Installed:
    found: _Installed | None = current_app.extensions.get(EXTENSION)
    if found is None:
        raise RuntimeError("This application has no Ostiary: write Ostiary(app) where it is made.")
    return found


def _server_of(config: dict[str, Any]) -> ResourceServer:
    issuer = config.get("OSTIARY_ISSUER")
    if not isinstance(issuer, str):
        raise ValueError("set OSTIARY_ISSUER to the address of your Ostiary, such as https://login.example.org")  # noqa: TRY004 - a setting's value
    origins = config.get("OSTIARY_ORIGINS", ())
    return ResourceServer(
        issuer=issuer,
        audience=config.get("OSTIARY_AUDIENCE"),
        cookie=config.get("OSTIARY_COOKIE", USUAL_COOKIE),
        origins=cast("Iterable[str]", (origins,) if isinstance(origins, str) else origins),
        jwks_url=config.get("OSTIARY_JWKS_URL"),
        leeway=config.get("OSTIARY_LEEWAY", 0.0),
        outage=config.get("OSTIARY_OUTAGE", 3600.0),
        revocations=config.get("OSTIARY_REVOCATIONS"),
    )
