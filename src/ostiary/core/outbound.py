"""Requests that the house itself makes: to public addresses only, bounded in time and size (ASVS 1.3.6)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

if TYPE_CHECKING:
    import httpcore

Address = IPv4Address | IPv6Address

LONGEST_URL = 2048
MOST_ADDRESSES = 4
"""How many of a name's addresses are tried, one after the other, within the time of one request."""

_PORTS = {"https": 443, "http": 80}
_IPV6_OF_EVERYBODY = ip_network("2000::/3")
"""The one block from which addresses of the public Internet are given out (RFC 4291 section 2.4)."""

_NOT_OURS_TO_VISIT = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments (RFC 6890): some of them the library calls global
        "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
        "2001::/23",  # protocol assignments, Teredo and ORCHID among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: wraps an IPv4 address (RFC 3056)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""What lies among public addresses and is not a public machine, whatever the library's own table knows."""


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
    timeout: timedelta = Field(
        timedelta(seconds=10), gt=timedelta(0), le=timedelta(minutes=1),
        description="How long one request may take in all.",
    )  # fmt: skip
    largest_answer: int = Field(1024 * 1024, ge=1024, description="Bytes of an answer that are read at most.")

    @field_validator("allowed_networks")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for text in networks:
            try:
                network = ip_network(text)
            except ValueError:
                raise ValueError("each must be a network such as 10.1.0.0/16 or ::1/128") from None
            if network.prefixlen == 0:
                raise ValueError("everything is not a network of yours: name those that are meant")
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
        self._ssl: ssl.SSLContext | None = None

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

        parts = _parted(url)
        try:
            async with asyncio.timeout(self._seconds(within)):
                addresses = await self._resolved(parts)
                if self._ssl is None and parts.scheme == "https":
                    self._ssl = await asyncio.to_thread(ssl.create_default_context)  # reads many certificates
                async with httpcore.AsyncConnectionPool(
                    ssl_context=self._ssl, network_backend=_pinned(addresses), max_connections=1, http2=False
                ) as pool:
                    return await self._exchange(pool, method, parts, content, list(headers))
        except (
            TimeoutError,
            OSError,
            httpcore.ProtocolError,
            httpcore.NetworkError,
            httpcore.TimeoutException,
        ) as end:
            raise OutboundFailed(type(end).__name__) from None

    async def judge(self, url: str) -> None:
        """See whether the house would go to a URL now, without going there; for a look at a deployment.

        Raises:
            OutboundRefused: It would not.
            OutboundFailed: The name cannot be resolved.
        """
        parts = _parted(url)
        try:
            async with asyncio.timeout(self._seconds(None)):
                await self._resolved(parts)
        except (TimeoutError, OSError) as end:
            raise OutboundFailed(type(end).__name__) from None

    def _seconds(self, within: timedelta | None) -> float:
        return min(self._settings.timeout, within or self._settings.timeout).total_seconds()

    async def _exchange(
        self,
        pool: httpcore.AsyncConnectionPool,
        method: str,
        parts: SplitResult,
        content: bytes,
        headers: list[tuple[str, str]],
    ) -> Reply:
        named = {name.lower() for name, _ in headers}
        if content and "content-type" not in named:
            headers.append(("Content-Type", "application/json"))
        async with pool.stream(
            method, parts.geturl(), content=content or None,
            headers=[("Host", parts.netloc), ("User-Agent", "Ostiary"), *headers],
        ) as answer:  # fmt: skip
            body = bytearray()
            async for chunk in answer.aiter_stream():
                body += chunk
                if len(body) > self._settings.largest_answer:
                    raise OutboundFailed("TooLarge")
            fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            return Reply(answer.status, fields, bytes(body))

    async def _resolved(self, parts: SplitResult) -> list[str]:
        """Return the addresses of a host that the house may go to; of a mixed answer the private ones fall away."""
        is_plain = parts.scheme == "http"
        port = parts.port or _PORTS[parts.scheme]
        try:
            found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except UnicodeError:  # a label of more than 63 characters
            raise OutboundRefused("its host is no name") from None
        # What the resolver calls it by counts: 0177.1, 2130706433 and localhost are all 127.0.0.1 by now.
        addresses = [ip_address(str(place[0]).partition("%")[0]) for *_, place in found]
        if good := [a for a in addresses if self._is_allowed(a) or (not is_plain and is_public(a))]:
            return [str(address) for address in dict.fromkeys(good)][:MOST_ADDRESSES]
        if is_plain and any(is_public(address) for address in addresses):
            raise OutboundRefused("plain http leaves the house only into outbound.allowed_networks")
        raise OutboundRefused("its host lies in a private network; name that in outbound.allowed_networks if meant")

    def _is_allowed(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._allowed)


def _parted(url: str) -> SplitResult:
    """Return the parts of a URL that the house might go to; one reading, for judging and for going.

    Raises:
        OutboundRefused: It is not https or http, names a login, or can be read in two ways.
    """
    # urlsplit drops tabs and line breaks and reads on: what it would mend is refused (CWE-93, CWE-918).
    if len(url) > LONGEST_URL or not url.isascii() or any(c <= " " or c in '\\"<>^`{|}\x7f' for c in url):
        raise OutboundRefused("it is no address of plain ASCII without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OutboundRefused("it is no address") from None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or port == 0:
        raise OutboundRefused("an address must begin with https:// and hold no login")
    return parts._replace(fragment="")


def is_public(address: Address) -> bool:
    """Tell whether an address can only be somebody else's: what wraps an IPv4 address is refused as such."""
    if address.version == 6 and address not in _IPV6_OF_EVERYBODY:  # mapped, compatible, NAT64, local, multicast
        return False
    if any(address.version == network.version and address in network for network in _NOT_OURS_TO_VISIT):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _pinned(addresses: list[str]) -> Any:  # noqa: ANN401 - a class of a library that is imported late
    import httpcore  # noqa: PLC0415

    class Pinned(httpcore.AsyncNetworkBackend):
        """Connects to the addresses that were judged, whatever the name would resolve to now."""

        def __init__(self) -> None:
            self._real = httpcore.AnyIOBackend()

        async def connect_tcp(self, host: str, port: int, *args: Any, **named: Any) -> httpcore.AsyncNetworkStream:  # noqa: ANN401
            for address in addresses[:-1]:
                try:
                    return await self._real.connect_tcp(address, port, *args, **named)
                except httpcore.ConnectError:
                    continue
            return await self._real.connect_tcp(addresses[-1], port, *args, **named)

        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds)

    return Pinned()
