"""A breach service on loopback that speaks the range protocol, well or badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.passwords.lists import sha1

PADDING = 800


Answering = Callable[["RangeService", str], Awaitable[bytes]]
"""How a service answers for a prefix."""


@dataclass
class RangeService:
    """Knows some passwords, and keeps what it was asked."""

    port: int = 0
    known: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    answer: Answering | None = None

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}/range/"

    def lines(self, prefix: str) -> str:
        """Return the rest of each hash that begins so, among padding."""
        padding = [f"{number:035X}:0" for number in range(PADDING)]
        found = [f"{sha1(password)[5:]}:42" for password in self.known if sha1(password).startswith(prefix)]
        return "\r\n".join([*padding[:400], *found, *padding[400:]])

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split()[1]
            self.heads.append(head)
            self.asked.append(path)
            prefix = path.rpartition("/")[2]
            writer.write(await self.answer(self, prefix) if self.answer else plain(self.lines(prefix).encode()))
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def plain(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return an answer as it goes over the wire."""
    more = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n".encode() + body


async def slow(service: RangeService, prefix: str) -> bytes:
    """Answer well, but too late."""
    await asyncio.sleep(30)
    return plain(service.lines(prefix).encode())


async def dripping(service: RangeService, prefix: str) -> bytes:
    """Promise more than ever comes."""
    return plain(service.lines(prefix).encode()).replace(b"Content-Length: ", b"Content-Length: 9")


async def broken(_: RangeService, __: str) -> bytes:
    """Answer with something that is no list of hashes, such as a hotel's sign-in page."""
    return plain(b"<html>Welcome to our network</html>")


async def mixed(service: RangeService, prefix: str) -> bytes:
    """Answer with the right list and a line of something else."""
    return plain(f"{service.lines(prefix)}\r\nnot a hash".encode())


async def empty(_: RangeService, __: str) -> bytes:
    """Answer with nothing, which padding never is."""
    return plain(b"")


async def huge(service: RangeService, prefix: str) -> bytes:
    """Answer with more than anybody should read."""
    return plain((service.lines(prefix) + "\r\n" + "0" * 2_000_000).encode())


async def nonsense(_: RangeService, __: str) -> bytes:
    """Speak no HTTP."""
    return b"\0\0\0 SSH-2.0-OpenSSH\r\n"


async def failing(_: RangeService, __: str) -> bytes:
    """Fail."""
    return plain(b"", "500 Internal Server Error")


async def redirecting(service: RangeService, prefix: str) -> bytes:
    """Send whoever asks to where the answer is."""
    if prefix.startswith("moved-"):
        return plain(service.lines(prefix.removeprefix("moved-")).encode())
    return plain(b"", "302 Found", f"Location: {service.url}moved-{prefix}")


BAD = (slow, dripping, broken, mixed, empty, huge, nonsense, failing, redirecting)


@asynccontextmanager
async def range_service(*known: str) -> AsyncIterator[RangeService]:
    """Run a service that knows these passwords."""
    service = RangeService(known=set(known))
    server = await asyncio.start_server(service._talk, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
