"""The client's address, believed only as far as trusted proxies vouch for it (D6)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from ostiary.core.clock import Clock, SystemClock, millis
from ostiary.web.probe import HEADER as PROBE

log = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address

MOST_HOPS = 20
LONGEST_CHAIN = 4096
FORWARDING = frozenset({b"x-forwarded-for", b"forwarded"})
SET_BY_SERVER = (0, "0", None)
"""No connection comes from such a port."""
SILENCE = millis(timedelta(minutes=1))
"""Between two lines of the log about a proxy that nobody configured."""
REMEMBERED = millis(timedelta(minutes=10))
"""How long readiness tells of one."""

UNTRUSTED = (
    "%s forwards requests but is no trusted proxy: client addresses are unknown, and limits by address are off. "
    'If it is your proxy, set web.trusted_proxies = ["%s/%s"] and see that it writes %s itself; '
    "`ostiary doctor` checks that."
)
OTHER_HEADER = (
    "The trusted proxy %s forwards, but sends no %s: client addresses are unknown, and limits by address are off. "
    "Name the header that it writes in web.forwarding_header; `ostiary doctor` checks that."
)

# Not `is_private`: that holds the networks of documentation, too, and others that no peer can have.
_INNER = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8", "::1/128",  # loopback
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",  # RFC 1918, RFC 4193
        "100.64.0.0/10", "169.254.0.0/16", "fe80::/10",  # RFC 6598, RFC 3927, RFC 4291
    )
)  # fmt: skip

# An address, with or without a port, which may be obfuscated (RFC 7239 section 6).
_NODE = re.compile(r"(?:\[([^\[\]]+)\]|([0-9.]+))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")
# One parameter (RFC 7239 section 4). Bare colons and brackets are no tokens, but proxies write them.
_PAIR = re.compile(r"""[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([^\s",;\\]+)|"((?:[^"\\]|\\.)*)")[ \t]*(?:;|$)""")
_ESCAPED = re.compile(r"\\(.)")


@lru_cache(maxsize=4096)
def parsed(text: str) -> Address | None:
    """Return the address in a text, a mapped IPv4 address as IPv4, or None."""
    text = text.strip()
    if node := _NODE.fullmatch(text):
        text = node[1] or node[2]
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


@lru_cache(maxsize=4096)
def counted(text: str) -> str:
    """Return what limits count under: an IPv4 address, or an IPv6 network of 64 bits."""
    address = parsed(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address) if address else "unknown"


@lru_cache(maxsize=4096)
def is_inner(text: str) -> bool:
    """Return whether an address can only be of this machine or of a private network."""
    address = parsed(text)
    return address is not None and any(address.version == net.version and address in net for net in _INNER)


def forwarded_elements(header: str) -> Iterator[dict[str, str] | None]:
    """Yield the elements of a `Forwarded` header from the right, their parameters by lower-case name.

    The separator is found from the right as well, never from the left: a quote
    that the client opened must not swallow what a proxy wrote behind it.
    None stands for what is no element; nothing comes after it.
    """
    rest = header[-LONGEST_CHAIN:]
    while True:
        comma, element = len(rest), None
        for _ in range(MOST_HOPS):  # commas may stand in quotes
            comma = rest.rfind(",", 0, comma)
            element = _element(rest[comma + 1 :])
            if element is not None or comma < 0:
                break
        if element != {}:  # RFC 9110 section 5.6.1: empty elements of a list are ignored
            yield element
        if element is None or comma < 0:
            return
        rest = rest[:comma]


def _element(text: str) -> dict[str, str] | None:
    found: dict[str, str] = {}
    place = 0
    while text[place:].strip(" \t"):
        pair = _PAIR.match(text, place)
        if pair is None or pair[1].lower() in found:  # RFC 7239 section 4: each parameter once
            return None
        found[pair[1].lower()] = pair[2] or _ESCAPED.sub(r"\1", pair[3] or "")
        place = pair.end()
    return found


class ClientAddress:
    """Finds who is at the other end, walking from the right past trusted proxies.

    The last address that no trusted proxy owns is the client. What stands left
    of it was written by the client and may say anything.

    A peer of this machine or of a private network that forwards, but is not
    trusted, is a proxy that nobody configured: then the address is unknown, and
    never the proxy's, in which all visitors would share one budget. So is that
    of whoever comes by a trusted proxy that forwards by the other header alone.
    """

    def __init__(self, trusted_proxies: tuple[str, ...], header: str, clock: Clock | None = None) -> None:
        self._trusted = tuple(ip_network(network) for network in trusted_proxies)
        self.header = header.encode()
        self._clock = clock or SystemClock()
        self._told_at = self._unknown_at = -REMEMBERED

    @property
    def are_unknown(self) -> bool:
        """Whether a proxy that nobody configured was met in the last ten minutes."""
        return self._clock.now() - self._unknown_at < REMEMBERED

    def of(self, scope: MutableMapping[str, Any]) -> str | None:
        """Return the client's address of an ASGI request, or None where it cannot be known."""
        peer = scope.get("client")
        if peer is None:
            return None
        host = peer[0]
        if self._trusted and self.trusts(host):
            values = [value for name, value in scope["headers"] if name == self.header]
            if values:
                return self.find(host, b",".join(values).decode("latin-1"))
            names = {name for name, _ in scope["headers"]}
            if FORWARDING.isdisjoint(names):
                return canonical(host)  # a request of the proxy's own, or of a neighbour that is trusted with it
            if PROBE not in names:
                self._tell(OTHER_HEADER, canonical(host), self.header.decode())
            return None
        # Port 0: the server below (uvicorn, say) has put the client in the proxy's place already.
        # On the hot path: the mapping is made in one step, and nothing is asked of it in a loop.
        if is_inner(host) and peer[1] not in SET_BY_SERVER:
            headers = dict(scope["headers"])
            if not FORWARDING.isdisjoint(headers):
                if PROBE not in headers:  # the doctor forges headers on purpose, and says by itself what it finds
                    address = canonical(host)
                    bits = getattr(parsed(host), "max_prefixlen", "")
                    self._tell(UNTRUSTED, address, address, bits, self.header.decode())
                return None
        return canonical(host)

    def find(self, peer: str | None, forwarded: str | None) -> str | None:
        """Return the client's address in canonical text, or None where it cannot be known."""
        address = parsed(peer) if peer else None
        if address is None:
            return None
        if not self._trusted or forwarded is None or not self._trusts(address):
            return str(address)
        hops = 0
        for hop in self._hops(forwarded):
            claimed = parsed(hop)
            if claimed is None:
                return None  # a trusted proxy would not write this: the truth is unknown
            address = claimed
            hops += 1
            if hops == MOST_HOPS or not self._trusts(address):
                break
        return str(address) if hops else None

    def is_https(self, scheme: str, peer: str | None, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether the client came by https, as far as the server or a trusted proxy says."""
        address = parsed(peer) if peer else None
        if address is None or not self._trusts(address):
            return scheme == "https"
        if self.header == b"forwarded":
            # The nearest proxy's own element: what stands left of it may be the client's.
            nearest = next(forwarded_elements(headers.get(b"forwarded", b"").decode("latin-1")), None) or {}
            said = nearest.get("proto", "")
        else:
            said = headers.get(b"x-forwarded-proto", b"").decode("latin-1").rpartition(",")[2]
        return (said.strip().lower() or scheme) == "https"

    def trusts(self, peer: str) -> bool:
        """Return whether a peer is a proxy whose word counts."""
        address = parsed(peer)
        return address is not None and self._trusts(address)

    def _trusts(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)

    def _hops(self, forwarded: str) -> Iterator[str]:
        if self.header == b"forwarded":
            for element in forwarded_elements(forwarded):
                yield (element or {}).get("for", "")
        else:
            yield from reversed(forwarded.split(","))

    def _tell(self, what: str, *about: object) -> None:
        now = self._clock.now()
        self._unknown_at = now
        if now - self._told_at >= SILENCE:
            self._told_at = now
            log.error(what, *about)
