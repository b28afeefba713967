"""The network of an address, and the list of networks that nobody wants to hear from."""

from __future__ import annotations

import logging
from bisect import bisect_right
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import TYPE_CHECKING

from ostiary.audit import network_of as canonical_network
from ostiary.core.errors import Misconfigured
from ostiary.web.address import parsed

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

KNOWN_BY = {4: 24, 6: 48}
"""Bits that make a network: what a provider hands from customer to customer stays one place."""

WIDEST = {4: 8, 6: 16}
"""A list that holds half the Internet is a mistake of whoever wrote it."""


@lru_cache(maxsize=4096)
def network_of(address: str | None) -> str | None:
    """Return the network of an address, as /24 or /48, or None where the address is unknown."""
    found = parsed(address) if address else None
    return str(ip_network((found, KNOWN_BY[found.version]), strict=False)) if found else None


class BadNetworks:
    """Networks from a file of the keeper's, in memory; asked by bisection.

    Args:
        path: One network or address a line; `#` begins a comment. None: an empty list.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._ranges: dict[int, tuple[list[int], list[int]]] = {}

    def load(self) -> None:
        """Read the file if it has changed.

        Raises:
            Misconfigured: It cannot be read, or a line is no network; what was loaded before stays.
        """
        if self._path is None:
            return
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if stamp == self._stamp:
                return
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as wrong:
            raise Misconfigured(f"risk.bad_networks: {self._path} cannot be read: {type(wrong).__name__}") from None
        self._ranges = _ranges(self._networks(text))
        self._stamp = stamp

    def renew(self) -> None:
        """Read the file if it has changed; if it cannot be read, go on with what was loaded before (D14)."""
        try:
            self.load()
        except Misconfigured as wrong:
            log.error("%s; the list read before stays in force", wrong)  # noqa: TRY400 - no trace for a typing error

    def __contains__(self, address: object) -> bool:
        """Return whether an address, as text, is in one of them."""
        found = parsed(address) if isinstance(address, str) and self._ranges else None
        if found is None or found.version not in self._ranges:
            return False
        firsts, lasts = self._ranges[found.version]
        place = bisect_right(firsts, int(found)) - 1
        return place >= 0 and int(found) <= lasts[place]

    def _networks(self, text: str) -> list[IPv4Network | IPv6Network]:
        found = []
        for number, line in enumerate(text.splitlines(), 1):
            written = line.partition("#")[0].strip()
            if not written:
                continue
            try:
                network = canonical_network(written)
            except ValueError:
                raise Misconfigured(f"risk.bad_networks: line {number} of {self._path} is no network") from None
            if network.prefixlen < WIDEST[network.version]:
                raise Misconfigured(f"risk.bad_networks: line {number} of {self._path} names too much of the Internet")
            found.append(network)
        return found


def _ranges(networks: list[IPv4Network | IPv6Network]) -> dict[int, tuple[list[int], list[int]]]:
    found = {}
    for version in (4, 6):
        apart = sorted(collapse_addresses(n for n in networks if n.version == version))  # type: ignore[type-var]
        if apart:
            found[version] = ([int(n[0]) for n in apart], [int(n[-1]) for n in apart])
    return found
