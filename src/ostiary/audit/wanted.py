"""Which entries somebody asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ostiary.core.chain import Entry
    from ostiary.core.clock import Millis

Network = IPv4Network | IPv6Network

FOREVER: Millis = 2**62
LONGER_THAN_ANY = 10_000
_MAPPED = ip_network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question to the journal; every part that is given must agree.

    Attributes:
        account_id: Of this account only.
        action: Of this action only, such as `session.ended`, or all that begin alike: `session.*`.
        since: From this moment on, in milliseconds since 1970.
        until: Before this moment.
        network: From an address in it; sealed, so each entry must be opened to know.
    """

    account_id: str | None = None
    action: str | None = None
    since: Millis | None = None
    until: Millis | None = None
    network: Network | None = None

    @property
    def filters(self) -> tuple[str, ...]:
        """The names of the parts that are given; never what they say, for that may be personal."""
        told = {
            "account": self.account_id, "action": self.action, "since": self.since, "until": self.until,
            "address": self.network,
        }  # fmt: skip
        return tuple(name for name, value in told.items() if value is not None)

    def parameters(self) -> dict[str, Any]:
        """Return what the statements take; the account and the network are not among it."""
        action = self.action or ""
        is_prefix = action.endswith("*")
        action = action.removesuffix("*")
        letters = len(action) if is_prefix or not action else LONGER_THAN_ANY
        until = FOREVER if self.until is None else self.until
        return {"action": action, "letters": letters, "since": self.since or 0, "until": until}

    def matches(self, entry: Entry) -> bool:
        """Return whether what is readable of an entry agrees."""
        told = self.parameters()
        return (
            (self.account_id is None or entry.account_id == self.account_id)
            and entry.action[: told["letters"]] == told["action"]
            and told["since"] <= entry.at < told["until"]
        )

    def matches_private(self, private: Mapping[str, str] | None) -> bool:
        """Return whether the address agrees; what is erased or unknown agrees with no network."""
        if self.network is None:
            return True
        address = address_of((private or {}).get("address", ""))
        return address is not None and address.version == self.network.version and address in self.network


def network_of(text: str) -> Network:
    """Return an address, or a network in CIDR, of either family; a mapped one is IPv4 (RFC 4291 section 2.5.5.2).

    Raises:
        ValueError: It is neither.
    """
    network = ip_network(text.strip(), strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):  # type: ignore[arg-type]
        plain = network.network_address.ipv4_mapped
        return IPv4Network((int(plain or 0), network.prefixlen - 96))
    return network


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address as it was sealed, or None; a mapped one is IPv4, a zone is left out."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
