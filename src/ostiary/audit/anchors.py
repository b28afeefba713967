"""Places outside the house that keep checkpoints: a file, an object store, a log server."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from ostiary.core.clock import Millis, iso

if TYPE_CHECKING:
    from ostiary.core.outbound import Outbound

WITHIN_SECONDS = 10.0
LOG_AUDIT, NOTICE = 13, 5
"""Facility and severity of RFC 5424 section 6.2.1."""


class AnchorFailed(Exception):  # noqa: N818 - reads as what it says
    """The place did not take the checkpoint; it is tried again."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """Brings checkpoints to where the house cannot take them back.

    Args:
        outbound: Makes the requests, to addresses that it has judged.
        token: The bearer token of the `https` anchors, if they want one.
        host: How the house calls itself to log servers.
    """

    outbound: Outbound
    token: str | None
    host: str

    async def deliver(self, anchor: str, jws: str, at: Millis) -> None:
        """Bring one checkpoint to one anchor; doing it twice does no harm.

        Raises:
            AnchorFailed: It was not taken.
            OSError: The file or the log server is out of reach.
            OutboundRefused: The house does not go to that address.
            OutboundFailed: No whole answer in time.
        """
        parts = urlsplit(anchor)
        match parts.scheme:
            case "file":
                await asyncio.to_thread(_append, unquote(parts.path), jws)
            case "syslog":
                await self._datagram(parts, self._message(jws, at))
            case "syslog+tcp":
                await self._stream(parts, self._message(jws, at))
            case _:
                await self._put(f"{anchor.rstrip('/')}/{_stamp(at)}.jws", jws)

    async def _put(self, url: str, jws: str) -> None:
        headers = [("Content-Type", "application/jose")]  # RFC 7515 section 9.2.1
        if self.token is not None:
            headers.append(("Authorization", f"Bearer {self.token}"))
        reply = await self.outbound.request("PUT", url, content=jws.encode(), headers=headers)
        if not 200 <= reply.status < 300:
            raise AnchorFailed(reply.status)

    def _message(self, jws: str, at: Millis) -> bytes:
        """Return one message of RFC 5424: no structured data, the checkpoint as text."""
        return f"<{LOG_AUDIT * 8 + NOTICE}>1 {iso(at)} {self.host} ostiary - checkpoint - {jws}".encode()

    @staticmethod
    async def _datagram(parts: SplitResult, message: bytes) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WITHIN_SECONDS):
            transport, sender = await loop.create_datagram_endpoint(
                _Sender, remote_addr=(parts.hostname or "", parts.port or 0)
            )
        try:
            transport.sendto(message)
        finally:
            transport.close()
        if sender.failure is not None:
            raise sender.failure

    @staticmethod
    async def _stream(parts: SplitResult, message: bytes) -> None:
        async with asyncio.timeout(WITHIN_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port, family=socket.AF_UNSPEC)
            try:
                writer.write(f"{len(message)} ".encode() + message)  # octet counting, RFC 6587 section 3.4.1
                await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()


class _Sender(asyncio.DatagramProtocol):
    """Keeps why a datagram did not leave this machine: too large, no way there."""

    failure: OSError | None = None

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self.failure = exc


def shown(anchor: str) -> str:
    """Return an anchor for a log line: without the path of a URL, which may be as secret as a password."""
    parts = urlsplit(anchor)
    return anchor if parts.scheme == "file" else f"{parts.scheme}://{parts.netloc}"


def _append(path: str, jws: str) -> None:
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        line = f"{jws}\n".encode()
        if _is_cut_short(handle):
            line = b"\n" + line
        if os.write(handle, line) < len(line):  # one call: two processes do not write into each other's line
            raise AnchorFailed("there was no room for a whole line")
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_cut_short(handle: int) -> bool:
    """Tell whether the last line has no end: the disk was full when it was written."""
    size = os.fstat(handle).st_size
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"


def _stamp(at: Millis) -> str:
    """Return a time for a name: `20260102T030405.678Z`."""
    return iso(at).replace("-", "").replace(":", "")
