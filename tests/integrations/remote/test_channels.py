"""WebSockets: of any ASGI application, and of a Django project with Channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from asgiref.testing import ApplicationCommunicator
from tests.client.issuer import Clocks, Issuer
from tests.integrations.remote.conftest import bearer, cookie, token_of
from tests.integrations.remote.guests import HOST, django_trusts, server_of

from channels.generic.websocket import AsyncJsonWebsocketConsumer  # isort: skip - the project of the tests comes first
from channels.routing import URLRouter
from django.urls import path

from ostiary.integrations import asgi
from ostiary.integrations.django.asgi import OstiaryMiddlewareStack, require

Communicator: Any = ApplicationCommunicator  # which has no types


class Chat(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    async def connect(self) -> None:
        await self.accept()
        identity, user = self.scope["ostiary.identity"], self.scope["user"]
        await self.send_json({"who": identity and identity.username, "user": user and str(user)})


class Late(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Accepts, and asks only then."""

    async def connect(self) -> None:
        await self.accept()
        asgi.current_account(self.scope)


ROUTES = URLRouter(
    [
        path("chat", Chat.as_asgi()),
        path("late", Late.as_asgi()),
        path("desk", cast("Any", require(permission="books:lend")(Chat.as_asgi()))),  # typed for Django's views
    ]
)


@pytest.fixture
def stack(issuer: Issuer, clocks: Clocks) -> Iterator[OstiaryMiddlewareStack]:
    with django_trusts(issuer, clocks):
        yield OstiaryMiddlewareStack(ROUTES)


async def met(app: asgi.App, where: str, headers: dict[str, str]) -> object:
    """Return what the other end says first: a message, or the code by which it closes."""
    raw = [(name.encode(), value.encode()) for name, value in ({"host": "app.example.test"} | headers).items()]
    scope = {"type": "websocket", "path": f"/{where}", "query_string": b"", "headers": raw, "subprotocols": []}
    socket = Communicator(app, scope)
    await socket.send_input({"type": "websocket.connect"})
    assert (await socket.receive_output(5))["type"] == "websocket.accept"
    sent = await socket.receive_output(5)
    if sent["type"] == "websocket.close":
        return sent["code"]
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait(5)
    return sent["text"]


@pytest.mark.parametrize("shown", [bearer(), cookie(origin=HOST), cookie(origin="https://www.example.test")])
async def test_a_socket_knows_who_has_opened_it(stack: asgi.App, shown: dict[str, str]) -> None:
    assert await met(stack, "chat", shown) == '{"who": "mira", "user": "mira"}'
    assert await met(stack, "desk", shown) == '{"who": "mira", "user": "mira"}'


@pytest.mark.parametrize("headers", [{"origin": "https://evil.test"}, {}, {"origin": "null"}])
async def test_a_page_of_another_site_cannot_open_a_socket_by_cookie(stack: asgi.App, headers: dict[str, str]) -> None:
    assert await met(stack, "chat", cookie() | headers) == '{"who": null, "user": null}'
    assert await met(stack, "desk", cookie() | headers) == 4003


async def test_a_socket_is_closed_with_a_code_that_says_why(stack: asgi.App, issuer: Issuer, clocks: Clocks) -> None:
    issuer.status = 500
    assert await met(stack, "desk", {}) == 4001
    assert await met(stack, "late", {}) == 4001
    assert await met(stack, "desk", bearer()) == 1013  # while there are no keys, nobody can say

    issuer.status = 200
    clocks.advance(10)
    assert await met(stack, "desk", bearer(permissions=())) == 4003
    assert await met(stack, "desk", bearer(token_of(aud="other"))) == 4001


async def test_any_asgi_application_has_the_same(issuer: Issuer, clocks: Clocks) -> None:
    app = asgi.OstiaryMiddleware(asgi.require()(ROUTES), server_of(issuer, clocks))

    assert await met(app, "late", cookie(origin="https://evil.test")) == 4003
    assert await met(app, "late", {}) == 4001
