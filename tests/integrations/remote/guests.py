"""One small application in each framework, all with the same routes, in front of a scripted issuer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Protocol
from unittest.mock import patch

import flask
import httpx
from fastapi import FastAPI
from tests.client.forging import AUDIENCE, ISSUER
from tests.client.issuer import Clocks, Issuer
from tests.integrations.remote import django_project
from werkzeug.test import Client

from django.core.handlers.asgi import ASGIHandler  # isort: skip - the project comes first
from django.core.handlers.wsgi import WSGIHandler
from django.test.utils import override_settings

from ostiary.client import ResourceServer
from ostiary.integrations import asgi
from ostiary.integrations import fastapi as fastapi_integration
from ostiary.integrations import flask as flask_integration
from ostiary.integrations.django import settings as django_settings

HOST = "https://app.example.test"
TEN_MINUTES = timedelta(minutes=10)


@dataclass(frozen=True)
class Answer:
    """What a client got.

    Attributes:
        headers: By lower-case name.
    """

    status: int
    headers: dict[str, str] = field(repr=False)
    text: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever it is
        return json.loads(self.text)


class Guest(Protocol):
    """An application that trusts an issuer; each route says whom it takes somebody for."""

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: object) -> Answer: ...


@dataclass(frozen=True)
class Wsgi:
    app: Any
    below: str = ""

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:  # noqa: ANN401 - the client's own
        client = Client(self.app, use_cookies=False)
        found = client.open(self.below + path, method=method, headers=headers, base_url=HOST, **more)
        return Answer(found.status_code, {name.lower(): value for name, value in found.headers.items()}, found.text)


@dataclass(frozen=True)
class Asgi:
    app: Any
    below: str = ""

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:  # noqa: ANN401 - as above
        async def asked() -> Answer:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url=HOST) as client:
                raw = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
                found = await client.request(method, self.below + path, headers=raw, **more)
                return Answer(found.status_code, dict(found.headers), found.text)

        return asyncio.run(asked())


def server_of(issuer: Issuer, clocks: Clocks) -> ResourceServer:
    return ResourceServer(
        issuer=ISSUER, audience=AUDIENCE, jwks_url=issuer.url, clock=clocks.clock, steady=clocks.steady,
        origins=["https://www.example.test"],
    )  # fmt: skip


@contextmanager
def django_trusts(issuer: Issuer, clocks: Clocks, **more: object) -> Iterator[None]:
    """Let the project of the tests trust this issuer, by these clocks, until the block ends."""
    clocked = partial(ResourceServer, clock=clocks.clock, steady=clocks.steady)
    chosen = {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS_URL": issuer.url, **more}
    with patch.object(django_settings, "ResourceServer", clocked), override_settings(OSTIARY=chosen):
        yield


def flask_app(server: ResourceServer, **config: object) -> flask.Flask:
    app = flask.Flask("guest")
    app.config.update(config)
    flask_integration.Ostiary(app, server)

    def hello() -> dict[str, object]:
        return {"who": flask_integration.current_account().username}

    def perhaps() -> dict[str, object]:
        found = flask_integration.optional_account()
        return {"who": found.username if found else None}

    def public() -> dict[str, object]:
        return {"who": flask.g.ostiary.username if flask.g.ostiary else None}

    wanted = {
        "/who": {}, "/act": {}, "/lend": {"permission": "books:lend"}, "/fresh": {"fresh": TEN_MINUTES},
        "/proven": {"verified": True}, "/strong": {"acr": "aal2"},
    }  # fmt: skip
    for path, asked in wanted.items():
        view = flask_integration.require(**asked)(hello)  # type: ignore[arg-type]
        app.add_url_rule(path, path, view, methods=["GET", "POST"])
    app.add_url_rule("/raises", "raises", hello)
    app.add_url_rule("/perhaps", "perhaps", perhaps)
    app.add_url_rule("/public", "public", public, methods=["GET", "POST"])
    return app


def asgi_app(server: ResourceServer, **more: Any) -> asgi.OstiaryMiddleware:  # noqa: ANN401 - as the middleware has them
    async def told(send: asgi.Send, who: str | None) -> None:
        body = json.dumps({"who": who}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    async def hello(scope: asgi.Scope, _: asgi.Receive, send: asgi.Send) -> None:
        await told(send, asgi.current_account(scope).username)

    async def perhaps(scope: asgi.Scope, _: asgi.Receive, send: asgi.Send) -> None:
        found = asgi.optional_account(scope)
        await told(send, found.username if found else None)

    async def public(scope: asgi.Scope, _: asgi.Receive, send: asgi.Send) -> None:
        found = scope["ostiary.identity"]
        await told(send, found.username if found else None)

    require = asgi.require
    found: dict[str, asgi.App] = {
        "/who": require()(hello), "/act": require()(hello), "/lend": require(permission="books:lend")(hello),
        "/fresh": require(fresh=TEN_MINUTES)(hello), "/proven": require(verified=True)(hello),
        "/strong": require(acr="aal2")(hello), "/perhaps": perhaps, "/public": public, "/raises": hello,
    }  # fmt: skip

    async def routed(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await found[scope["path"]](scope, receive, send)

    return asgi.OstiaryMiddleware(routed, server, **more)


def fastapi_app(server: ResourceServer) -> FastAPI:
    app = FastAPI()
    fastapi_integration.connect(app, server)
    require = fastapi_integration.require

    async def hello(account: fastapi_integration.CurrentAccount) -> dict[str, object]:
        return {"who": account.username}

    async def perhaps(visitor: fastapi_integration.OptionalAccount) -> dict[str, object]:
        return {"who": visitor.username if visitor else None}

    async def public() -> dict[str, object]:
        return {"who": None}

    for path, asked in {
        "/who": require(), "/act": require(), "/lend": require(permission="books:lend"), "/raises": require(),
        "/fresh": require(fresh=TEN_MINUTES), "/proven": require(verified=True), "/strong": require(acr="aal2"),
    }.items():  # fmt: skip
        app.add_api_route(path, hello, methods=["GET", "POST"], dependencies=[asked])
    app.add_api_route("/perhaps", perhaps)
    app.add_api_route("/public", public, methods=["GET", "POST"])
    return app


def guest_of(framework: str, issuer: Issuer, clocks: Clocks) -> Guest:
    """Return the application in a framework; those of Django want `django_trusts` around them."""
    if framework == "flask":
        return Wsgi(flask_app(server_of(issuer, clocks)))
    if framework in ("asgi", "fastapi"):
        build = asgi_app if framework == "asgi" else fastapi_app
        return Asgi(build(server_of(issuer, clocks)))
    return django_guest(framework)


def django_guest(framework: str) -> Guest:
    match framework:
        case "django":
            return Wsgi(WSGIHandler())
        case "django under asgi":
            return Asgi(ASGIHandler(), "/async")
        case "rest framework":
            return Wsgi(WSGIHandler(), "/rest")
        case "rest framework alone":
            alone = [name for name in django_project.SETTINGS["MIDDLEWARE"] if name != django_project.OURS]
            with override_settings(MIDDLEWARE=alone):
                return Wsgi(WSGIHandler(), "/rest")
    raise AssertionError(framework)


FRAMEWORKS = ("asgi", "django", "django under asgi", "fastapi", "flask", "rest framework", "rest framework alone")
