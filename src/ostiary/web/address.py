"""The client's address, believed only as far as trusted proxies vouch for it (D6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address

_FORWARDED_FOR = re.compile(r'(?:^|;)\s*for=(?:"([^"]*)"|([^";,\s]*))', re.IGNORECASE)
_FORWARDED_PROTO = re.compile(r'(?:^|[;,])\s*proto="?([a-z]+)', re.IGNORECASE)
MOST_HOPS = 20


@lru_cache(maxsize=4096)
def parsed(text: str) -> Address | None:
    """Return the address in a text, a mapped IPv4 address as IPv4, or None."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(maxsize=4096)
def canonical(text: str) -> str | None:
    """Return the one spelling of the address in a text, or None."""
    address = parsed(text)
    return str(address) if address else None


def counted(text: str) -> str:
    """Return what limits count under: an IPv4 address, or an IPv6 network of 64 bits."""
    address = parsed(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address) if address else "unknown"


class ClientAddress:
    """Finds who is at the other end, walking from the right past trusted proxies.

    The last address that no trusted proxy owns is the client. What stands left
    of it was written by the client and may say anything.
    """

    def __init__(self, trusted_proxies: tuple[str, ...], header: str) -> None:
        self._trusted = tuple(ip_network(network) for network in trusted_proxies)
        self.header = header.encode()

    def of(self, scope: MutableMapping[str, Any]) -> str | None:
        """Return the client's address of an ASGI request, or None where it cannot be known."""
        peer = scope.get("client")
        if peer is None:
            return None
        if not self._trusted:
            return canonical(peer[0])
        values = [value for name, value in scope["headers"] if name == self.header]
        return self.find(peer[0], b",".join(values).decode("latin-1") if values else None)

    def find(self, peer: str | None, forwarded: str | None) -> str | None:
        """Return the client's address in canonical text, or None where it cannot be known."""
        address = parsed(peer) if peer else None
        if address is None:
            return None
        if not self._trusted or forwarded is None or not self._trusts(address):
            return str(address)
        for hop in reversed(self._hops(forwarded)):
            claimed = parsed(hop)
            if claimed is None:
                return None  # a trusted proxy would not write this: the truth is unknown
            address = claimed
            if not self._trusts(address):
                break
        return str(address)

    def is_https(self, scheme: str, peer: str | None, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether the client came by https, as far as the server or a trusted proxy says."""
        address = parsed(peer) if peer else None
        if address is None or not self._trusts(address):
            return scheme == "https"
        if self.header == b"forwarded":
            said = _FORWARDED_PROTO.findall(headers.get(b"forwarded", b"").decode("latin-1"))
        else:
            said = headers.get(b"x-forwarded-proto", b"").decode("latin-1").split(",")
        return (said[-1].strip().lower() if said and said[-1].strip() else scheme) == "https"

    def _trusts(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)

    def _hops(self, forwarded: str) -> list[str]:
        elements = forwarded.split(",")[-MOST_HOPS:]
        if self.header != b"forwarded":
            return elements
        found = [_FORWARDED_FOR.search(element) for element in elements]
        return [(match[1] or match[2] or "") if match else "" for match in found]
