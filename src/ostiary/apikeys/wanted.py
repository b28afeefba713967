"""What a new key shall be, as its owner says it: checked before anything is made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NoReturn

from ostiary.accounts import check_permission, clean_display_text
from ostiary.core.clock import Millis, millis
from ostiary.core.errors import FieldError, InvalidFields
from ostiary.web.address import parsed

LONGEST_NAME = 60
MOST_SCOPES = MOST_NETWORKS = 50
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")  # RFC 3339

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class NewKey:
    """What somebody wants of a key, in canonical form.

    Attributes:
        name: The owner's word for it.
        scopes: What it is for; sorted, each once.
        networks: Where alone it may be shown from; empty is anywhere.
        expires_at: When it ends, or None.
    """

    name: str
    scopes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    expires_at: Millis | None = None

    @classmethod
    def of(
        cls, name: str, scopes: Iterable[str] = (), networks: Iterable[str] = (), expires_at: Millis | None = None
    ) -> NewKey:
        """Return what somebody wants.

        Raises:
            InvalidFields: It cannot be had like this.
        """
        clean = clean_display_text(name, LONGEST_NAME, field="name")
        if not clean:
            _refuse("name", "missing", "Give the key a name by which you will know it.")
        return cls(clean, _checked_scopes(scopes), _checked_networks(networks), expires_at)


def read_instant(text: str, *, field: str = "expires_at") -> Millis:
    """Return the moment that a text of RFC 3339 names.

    Raises:
        InvalidFields: It names none.
    """
    since: timedelta | None = None
    if _INSTANT.fullmatch(text):
        with suppress(ValueError, OverflowError):
            since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    if since is None:
        _refuse(field, "instant", "Write a moment with its zone, such as 2027-01-31T12:00:00Z.")
    return millis(since)


def end_of(wanted: Millis | None, now: Millis, longest: timedelta | None) -> Millis | None:
    """Return when a key ends that is made now.

    Raises:
        InvalidFields: That is over already, or later than keys may end here.
    """
    last = None if longest is None else now + millis(longest)
    if wanted is None:
        return last
    if wanted <= now:
        _refuse("expires_at", "past", "This moment is over.")
    if last is not None and wanted > last:
        _refuse("expires_at", "too-late", f"A key lives for {longest} at most here.")
    return wanted


def _checked_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes, sorted: they are written as permissions are, so that one name can be both."""
    found = sorted(set(scopes))
    if len(found) > MOST_SCOPES:
        _refuse("scopes", "too-many", f"A key has {MOST_SCOPES} scopes at most.")
    for scope in found:
        try:
            check_permission(scope)
        except InvalidFields:
            _refuse("scopes", "scope", "A scope looks like books:lend: small letters, digits, - and :, at most 64.")
    return tuple(found)


def _checked_networks(networks: Iterable[str]) -> tuple[str, ...]:
    found = {_network(text.strip()) for text in networks}
    if len(found) > MOST_NETWORKS:
        _refuse("networks", "too-many", f"A key has {MOST_NETWORKS} networks at most.")
    return tuple(str(network) for network in sorted(found, key=lambda network: (network.version, network)))


def _network(text: str) -> Network:
    network: Network | None = None
    if "%" not in text:  # a zone is known to one machine only
        address = parsed(text) if "/" not in text else None  # a mapped address is the IPv4 one that it is (D6)
        with suppress(ValueError):
            network = ip_network(address if address is not None else text, strict=False)
    if network is None:
        _refuse("networks", "network", "Give networks such as 203.0.113.0/24 or 2001:db8::/48, or addresses.")
    if network.prefixlen == 0:
        _refuse("networks", "everybody", "That is everybody: leave the list empty.")
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        # Addresses are told as IPv4 where they are (D6): such a network would let nobody in.
        _refuse("networks", "mapped", "Write a network of mapped addresses as the IPv4 network that it is.")
    return network


def _refuse(field: str, code: str, message: str) -> NoReturn:
    raise InvalidFields(errors=(FieldError(field, message, code),))
