"""WebSockets of an application whose Ostiary is elsewhere: by a token, as long as that is good (R41)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from tests.client.forging import AUDIENCE, ISSUER, NOW
from tests.client.issuer import Clocks, Issuer
from tests.integrations.remote.conftest import KEY, token_of
from tests.integrations.sockets.peers import (
    NOT_ALLOWED,
    NOT_SIGNED_IN,
    TRY_LATER,
    code_of,
    opened,
    socket_to,
)
from tests.races.peers import ORIGIN
from tests.services.ports import free_port

from ostiary.client import AccessClaims, SigningKey, TokenRefused
from ostiary.integrations.fastapi import (
    CurrentAccount,
    ResourceServer,
    connect,
    current_account,
    reauthenticated,
    require,
)


@dataclass
class Served:
    """A running application, and what is revoked."""

    port: int
    ended: set[str] = field(default_factory=set)
    is_heard: bool = True

    def revoked(self, claims: AccessClaims) -> bool:
        if not self.is_heard:
            raise TokenRefused("revocations-outdated")
        return claims.sid in self.ended


def app_of(server: ResourceServer) -> FastAPI:
    app = FastAPI()
    connect(app, server)

    @app.websocket("/echo")
    async def echo(socket: WebSocket, account: CurrentAccount) -> None:
        await socket.accept()
        await socket.send_text(account.username)
        async for text in socket.iter_text():
            if text.startswith("again "):
                now = await reauthenticated(socket, text.removeprefix("again "))
                await socket.send_text(now.session_id)
            else:
                await socket.send_text((await current_account(socket, None, None)).session_id)

    @app.websocket("/lenders", dependencies=[require(permission="books:lend")])
    async def lenders(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(json.dumps([socket.scope["subprotocols"], "ostiary" in str(socket.headers)]))

    @app.websocket("/deaf")
    async def deaf(socket: WebSocket, account: CurrentAccount) -> None:
        await socket.accept()
        while True:  # never reads: the end must reach it all the same
            await socket.send_text(account.username)
            await asyncio.sleep(0.02)

    return app


@pytest.fixture
async def served(issuer: Issuer, clocks: Clocks) -> AsyncIterator[Served]:
    """The application on uvicorn, in this loop."""
    found = Served(free_port())
    server = ResourceServer(
        issuer=ISSUER, audience=AUDIENCE, jwks_url=issuer.url, clock=clocks.clock, steady=clocks.steady,
        origins=[ORIGIN], revocations=found.revoked,
    )  # fmt: skip
    running = uvicorn.Server(uvicorn.Config(app_of(server), port=found.port, log_level="error", proxy_headers=False))
    serving = asyncio.create_task(running.serve())
    while not running.started:  # noqa: ASYNC110 - as its own run() does
        await asyncio.sleep(0.01)
    yield found
    running.should_exit = True
    await serving


async def test_a_token_opens_one_from_our_pages_and_from_programs(served: Served) -> None:
    port, token = served.port, token_of()
    assert await opened(port, cookie=token) == "mira"
    assert await opened(port, bearer=token, origin=None) == "mira"
    assert await opened(port, protocols=["ostiary", f"ostiary.bearer.{token}"]) == "mira"
    # What carries a secret is not shown to the application, which may log it.
    shown = await opened(port, "/lenders", protocols=["ostiary", f"ostiary.bearer.{token}", "chat.v1"])
    assert shown == '[["chat.v1"], false]'

    worthless: list[dict[str, Any]] = [
        {}, {"cookie": "nonsense"}, {"bearer": token[:-4] + "AAAA"}, {"bearer": token_of(aud="https://other.test")},
        {"cookie": token, "bearer": "nonsense"}, {"cookie": token, "origin": None},
        {"path": f"/echo?access_token={token}"}, {"path": "/echo?ticket=x"}, {"protocols": ["ostiary.ticket.x"]},
        {"protocols": ["ostiary", "ostiary.bearer."]}, {"bearer": token_of(exp=NOW)},
    ]  # fmt: skip
    for shown_one in worthless:
        assert await opened(port, **shown_one) == NOT_SIGNED_IN, shown_one
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        for credential in ({"cookie": token}, {"bearer": token}, {"protocols": ["ostiary", f"ostiary.bearer.{token}"]}):
            assert await opened(port, origin=origin, **credential) == NOT_ALLOWED, (origin, credential)
    assert await opened(port, "/lenders", bearer=token_of(permissions=())) == NOT_ALLOWED


async def test_it_ends_with_the_token(served: Served, clocks: Clocks) -> None:
    async with (
        socket_to(served.port, bearer=token_of()) as socket,
        socket_to(served.port, bearer=token_of(exp=NOW + 60)) as first,
    ):
        assert await socket.recv() == await first.recv() == "mira"
        clocks.advance(61)
        assert await code_of(first, 2.0) == NOT_SIGNED_IN
        await socket.send("who")
        assert await socket.recv() == "ses_1"


@pytest.mark.parametrize("path", ["/echo", "/deaf"])
async def test_it_ends_when_the_session_is_revoked_and_others_stay(served: Served, path: str) -> None:
    async with (
        socket_to(served.port, path, bearer=token_of()) as ends,
        socket_to(served.port, bearer=token_of(sid="ses_2")) as stays,
    ):
        await ends.recv()
        await stays.recv()
        begun = time.monotonic()
        served.ended.add("ses_1")
        assert await code_of(ends, 2.0) == NOT_SIGNED_IN
        assert time.monotonic() - begun < 1
        await stays.send("who")
        assert await stays.recv() == "ses_2"
    assert await opened(served.port, bearer=token_of()) == NOT_SIGNED_IN


async def test_nobody_stays_where_nobody_can_say(served: Served, issuer: Issuer, clocks: Clocks) -> None:
    lasting = token_of(exp=NOW + 10**6)
    async with socket_to(served.port, bearer=lasting) as socket:
        await socket.recv()
        served.is_heard = False
        assert await code_of(socket, 2.0) == TRY_LATER
        assert await opened(served.port, bearer=lasting) == TRY_LATER
        served.is_heard = True
    async with socket_to(served.port, bearer=lasting) as socket:
        await socket.recv()
        issuer.status = 500
        clocks.advance(301)  # the keys are due; they still count for an hour
        await asyncio.sleep(0.2)
        await socket.send("who")
        assert await socket.recv() == "ses_1"
        clocks.advance(3600)
        assert await code_of(socket, 2.0) == TRY_LATER


async def test_a_key_that_is_gone_closes_what_it_has_proven(served: Served, issuer: Issuer, clocks: Clocks) -> None:
    lasting = token_of(exp=NOW + 10**6)
    async with socket_to(served.port, bearer=lasting) as socket:
        await socket.recv()
        issuer.publish(KEY, SigningKey.generate("ES256", "another"))
        clocks.advance(301)
        await asyncio.sleep(0.3)
        await socket.send("who")
        assert await socket.recv() == "ses_1"  # a rotation that leaves the old key is none of its business
        issuer.publish(SigningKey.generate("ES256", "another"))
        clocks.advance(301)
        assert await code_of(socket, 3.0) == NOT_SIGNED_IN


async def test_it_goes_on_by_a_new_token_and_never_changes_hands(served: Served, clocks: Clocks) -> None:
    async with socket_to(served.port, bearer=token_of(exp=NOW + 60)) as socket:
        await socket.recv()
        await socket.send(f"again {token_of(sid='ses_9')}")
        assert await socket.recv() == "ses_9"
        clocks.advance(61)
        await asyncio.sleep(0.2)
        await socket.send("who")
        assert await socket.recv() == "ses_9"
        await socket.send(f"again {token_of(sub='acc_8')}")
        assert await code_of(socket, 2.0) == NOT_SIGNED_IN
