"""Requests that the house itself makes: to public addresses only, bounded in time and size (ASVS 1.3.6)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

if TYPE_CHECKING:
    import httpcore

Address = IPv4Address | IPv6Address


class OutboundRefused(Exception):  # noqa: N818 - reads as what it says
    """The request was not made: its address is not one that the house goes to."""


class OutboundFailed(Exception):  # noqa: N818 - reads as what it says
    """The other side did not answer in time, in bounds, or at all; the name of the cause, never its text."""


class OutboundSettings(BaseModel):
    """Where the house may go by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allowed_networks: tuple[str, ...] = Field(
        (), description="Private networks that requests of the house may enter, such as `10.1.0.0/16`; default none."
    )
    timeout: timedelta = Field(timedelta(seconds=10), description="How long one request may take in all.")
    largest_answer: int = Field(1024 * 1024, ge=1024, description="Bytes of an answer that are read at most.")

    @field_validator("allowed_networks")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for text in networks:
            try:
                ip_network(text)
            except ValueError:
                raise ValueError("each must be a network such as 10.1.0.0/16 or ::1/128") from None
        return networks


@dataclass(frozen=True, slots=True)
class Reply:
    """What the other side answered; a redirect is an answer like any other and is not followed."""

    status: int
    headers: dict[str, str]
    body: bytes


class Outbound:
    """Makes requests on the house's own account: webhooks, checkpoints, look-ups.

    A name is resolved once and the connection goes to the very address that was
    judged, so a name that changes its mind in between (DNS rebinding) gains
    nothing. No proxy of the environment, no redirect, no cookie.
    """

    def __init__(self, settings: OutboundSettings) -> None:
        self._settings = settings
        self._allowed = tuple(ip_network(text) for text in settings.allowed_networks)

    async def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes = b"",
        headers: Iterable[tuple[str, str]] = (),
        within: timedelta | None = None,
    ) -> Reply:
        """Make one request on a connection of its own and return the answer, whatever its status.

        Args:
            method: Such as `POST`.
            url: https; plain http only into `outbound.allowed_networks`.
            content: The body.
            headers: Beside `Host` and `Content-Length`.
            within: A shorter time than the setting, where the caller cannot wait.

        Raises:
            OutboundRefused: The URL, or every address of its host, is not one that the house goes to.
            OutboundFailed: No whole answer in time and bounds.
        """
        import httpcore  # noqa: PLC0415 - only who makes requests pays for it

        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None:
            raise OutboundRefused("an address must begin with https:// and hold no login")
        bound = min(self._settings.timeout, within or self._settings.timeout).total_seconds()
        try:
            async with asyncio.timeout(bound):
                address = await self._resolved(parts.hostname, parts.port or 443, is_plain=parts.scheme == "http")
                async with httpcore.AsyncConnectionPool(
                    ssl_context=self._ssl, network_backend=_pinned(address), max_connections=1
                ) as pool:
                    return await self._exchange(pool, method, url, content, list(headers))
        except (
            TimeoutError,
            OSError,
            httpcore.ProtocolError,
            httpcore.NetworkError,
            httpcore.TimeoutException,
        ) as end:
            raise OutboundFailed(type(end).__name__) from None

    async def _exchange(
        self, pool: httpcore.AsyncConnectionPool, method: str, url: str, content: bytes, headers: list[tuple[str, str]]
    ) -> Reply:
        named = {name.lower() for name, _ in headers}
        if content and "content-type" not in named:
            headers.append(("Content-Type", "application/json"))
        host = urlsplit(url).netloc
        async with pool.stream(
            method, url, content=content, headers=[("Host", host), ("User-Agent", "Ostiary"), *headers]
        ) as answer:
            body = bytearray()
            async for chunk in answer.aiter_stream():
                body += chunk
                if len(body) > self._settings.largest_answer:
                    raise OutboundFailed("TooLarge")
            fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            return Reply(answer.status, fields, bytes(body))

    async def _resolved(self, host: str, port: int, *, is_plain: bool) -> str:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for *_, place in found:
            address = ip_address(str(place[0]).partition("%")[0])
            if self._is_allowed(address) or (not is_plain and _is_public(address)):
                return str(address)
        raise OutboundRefused(
            "its host lies in a private network; name that in outbound.allowed_networks if it is meant"
            if not is_plain or any(not _is_public(ip_address(str(p[0]).partition("%")[0])) for *_, p in found)
            else "plain http leaves the house only into outbound.allowed_networks"
        )

    def _is_allowed(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._allowed)

    @cached_property
    def _ssl(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def _is_public(address: Address) -> bool:
    """Tell whether an address can only be somebody else's: what wraps an IPv4 address is refused as such."""
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.sixtofour or address.teredo):
        return False
    if isinstance(address, IPv6Address) and address in ip_network("64:ff9b::/96"):
        return False
    return address.is_global and not address.is_multicast


def _pinned(address: str) -> Any:  # noqa: ANN401 - a class of a library that is imported late
    import httpcore  # noqa: PLC0415

    class Pinned(httpcore.AsyncNetworkBackend):
        """Connects to the address that was judged, whatever the name would resolve to now."""

        def __init__(self) -> None:
            self._real = httpcore.AnyIOBackend()

        async def connect_tcp(self, host: str, port: int, *args: Any, **named: Any) -> httpcore.AsyncNetworkStream:  # noqa: ANN401
            return await self._real.connect_tcp(address, port, *args, **named)

        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds)

    return Pinned()
