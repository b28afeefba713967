"""HTTP over bare streams: many connections opened first, then all requests at the same moment."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
LONGEST_WAIT = 60.0
LONGEST_IDLE = 5.0
"""The server hangs up on who has dialled and asks nothing for ten seconds; a slow machine takes so long to dial all."""


class Unanswered(Exception):  # noqa: N818 - reads as what it says
    """The server went away before it answered: whether it did what was asked, nobody can say."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as an object."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Line:
    """One kept-alive connection to a server; it dials again where the server has hung up. Keeps no cookies."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._dialled_at, self._has_asked = 0.0, False
        self._turn = asyncio.Lock()  # one request at a time

    async def dial(self) -> None:
        """Connect, if this line is not connected.

        Raises:
            Unanswered: Nobody is there.
        """
        is_old = time.monotonic() - self._dialled_at > LONGEST_IDLE and not self._has_asked
        if self._streams is not None and (is_old or self._streams[0].at_eof()):
            self.hang_up()  # idle for so long that the server has hung up, or is about to
        if self._streams is None:
            self._dialled_at, self._has_asked = time.monotonic(), False
            try:
                self._streams = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError as failure:
                raise Unanswered from failure

    async def ask(
        self, method: str, path: str, body: object = None, *, bearer: str | None = None, wait: float = LONGEST_WAIT,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        """Send a request and return its answer.

        A body that is text is a form, already encoded; anything else goes as JSON.

        Raises:
            Unanswered: The connection broke, or nothing came in time.
        """
        async with self._turn:
            await self.dial()
            assert self._streams is not None
            reader, writer = self._streams
            self._has_asked = True
            try:
                writer.write(_request(self.port, method, path, body, bearer, headers or {}))
                async with asyncio.timeout(wait):  # not wait_for: on Python 3.11 that can swallow a cancellation
                    return await _reply(reader)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as failure:
                self.hang_up()
                raise Unanswered(type(failure).__name__) from failure
            except asyncio.CancelledError:
                self.hang_up()  # an answer still to come would be taken for the next request's
                raise

    async def post(self, path: str, body: object = None, *, bearer: str | None = None) -> Reply:
        """POST under the API's prefix."""
        return await self.ask("POST", f"/api/v1/auth{path}", body, bearer=bearer)

    async def get(self, path: str, *, bearer: str | None = None) -> Reply:
        """GET under the API's prefix."""
        return await self.ask("GET", f"/api/v1/auth{path}", bearer=bearer)

    def hang_up(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def close(self) -> None:
        """Close the connection and wait until it is closed."""
        if self._streams is not None:
            writer = self._streams[1]
            self.hang_up()
            with suppress(OSError):
                await writer.wait_closed()


def _request(port: int, method: str, path: str, body: object, bearer: str | None, headers: Mapping[str, str]) -> bytes:
    is_form = isinstance(body, str)
    content = b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{port}", f"Content-Length: {len(content)}"]
    if content:
        lines.append(f"Content-Type: application/{'x-www-form-urlencoded' if is_form else 'json'}")
    if bearer is not None:
        lines.append(f"Authorization: Bearer {bearer}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + content


async def _reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in head[1:]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}\n{value}" if name in headers else value  # several Set-Cookie, for one
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Reply(int(head[0].split()[1]), headers, body)


async def at_once(deeds: Iterable[Awaitable[T]]) -> list[T]:
    """Do everything at the same moment and return what became of each."""
    return list(await asyncio.gather(*deeds))


async def becomes(status: int, ask: Callable[[], Awaitable[Reply]], *, within: float) -> list[Reply]:
    """Ask again and again until an answer has this status; return the answers before it.

    Raises:
        TimeoutError: None had in `within` seconds.
    """
    before: list[Reply] = []
    async with asyncio.timeout(within):
        while (reply := await ask()).status != status:
            before.append(reply)
    return before


async def heard(ask: Callable[[], Awaitable[Reply]]) -> Reply:
    """Ask again for as long as the answer is to come back later, as programs do of a busy server."""
    while (reply := await ask()).status == 503:  # noqa: ASYNC110 - what is waited for happens elsewhere
        await asyncio.sleep(random.uniform(0.5, 1.5))
    return reply


class Switchboard:
    """Opens lines, and hangs them all up when the test is over."""

    def __init__(self) -> None:
        self._lines: list[Line] = []

    def line(self, port: int) -> Line:
        """Return a line that dials at its first request."""
        self._lines.append(Line(port))
        return self._lines[-1]

    async def lines(self, ports: Iterable[int], each: int = 1) -> list[Line]:
        """Return connected lines, those of different servers alternating."""
        servers = list(ports)
        lines = [self.line(port) for _ in range(each) for port in servers]
        for start in range(0, len(lines), 200):  # no more than a listening queue holds
            await at_once(line.dial() for line in lines[start : start + 200])
        return lines

    async def close(self) -> None:
        """Hang up."""
        await at_once(line.close() for line in self._lines)


def statuses(replies: Iterable[Reply]) -> Counter[int]:
    """Count answers by status."""
    return Counter(reply.status for reply in replies)
