"""Two processes of an application with WebSockets on one database, and clients of theirs."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.races.peers import ORIGIN, Peers
from tests.services.server_process import ServerProcess
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

CHAT = str(Path(__file__).with_name("chat.py"))
NOT_SIGNED_IN, NOT_ALLOWED, TRY_LATER = 4001, 4003, 1013
SERVERS = ("uvicorn", "granian")


class SocketPeers(Peers):
    """The first process runs on uvicorn, the second on granian."""

    def start(self, count: int = 2) -> None:
        started = [
            ServerProcess(
                self.data, "--server", server, command=CHAT, environment=self.environment, program=Path(sys.executable)
            )
            for server in SERVERS[:count]
        ]
        self.servers += started
        for server in started:
            server.wait_until_ready()


@asynccontextmanager
async def socket_to(
    port: int, path: str = "/echo", *, bearer: str | None = None, cookie: str | None = None,
    origin: str | None = ORIGIN, protocols: Sequence[str] = (),
) -> AsyncIterator[ClientConnection]:  # fmt: skip
    """Open a socket as a page of the house's origin does, unless told otherwise."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    if cookie:
        headers["Cookie"] = f"__Host-access_token={cookie}"
    async with connect(
        f"ws://127.0.0.1:{port}{path}", additional_headers=headers, origin=origin, subprotocols=protocols or None,  # type: ignore[arg-type]
        proxy=None,
    ) as socket:  # fmt: skip
        yield socket


async def code_of(socket: ClientConnection, within: float = 5.0) -> int | None:
    """Wait until a socket closes and return the code; what is said before is passed over."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(within):
            while True:
                await socket.recv()
    return socket.close_code


async def opened(port: int, path: str = "/echo", **shown: Any) -> str | int | None:  # noqa: ANN401
    """Return the first words of a socket, or the code by which it was closed."""
    async with socket_to(port, path, **shown) as socket:
        try:
            async with asyncio.timeout(10):
                return str(await socket.recv())
        except ConnectionClosed:
            return socket.close_code


async def who(socket: ClientConnection) -> tuple[str, list[str], str]:
    """Return username, permissions and session as the application sees them now."""
    await socket.send("who")
    username, permissions, session_id = json.loads(await socket.recv())
    return username, permissions, session_id


class Stubborn:
    """A client that answers no close frame, and goes on sending."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def at(cls, port: int, token: str) -> Stubborn:
        """Open a socket by hand."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = (
            "GET /echo HTTP/1.1", f"Host: localhost:{port}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Authorization: Bearer {token}",
        )  # fmt: skip
        writer.write("\r\n".join((*lines, "", "")).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in answer, answer
        return cls(reader, writer)

    async def say(self, text: str) -> None:
        """Send a frame, whatever was said before."""
        mask = os.urandom(4)
        body = bytes(byte ^ mask[place % 4] for place, byte in enumerate(text.encode()))
        self._writer.write(bytes([0x81, 0x80 | len(body)]) + mask + body)
        await self._writer.drain()

    async def is_told_to_close(self, within: float = 5.0) -> None:
        """Wait for the close frame, or for the end of the connection."""
        with suppress(asyncio.IncompleteReadError):
            async with asyncio.timeout(within):
                while True:
                    first, length = await self.reader.readexactly(2)
                    await self.reader.readexactly(length)  # what is said to this client is short
                    if first & 0x0F == 0x8:
                        return

    def close(self) -> None:
        """Hang up."""
        self._writer.transport.abort()
