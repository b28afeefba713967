"""Blocked networks: kept in every process's memory, so that asking costs no read (R13)."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any, Literal

from ostiary.audit import network_of
from ostiary.core.clock import Millis, millis
from ostiary.core.errors import FieldError, InvalidFields
from ostiary.core.limits import seconds_until
from ostiary.protection import queries
from ostiary.protection.errors import AddressBlocked
from ostiary.web.address import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ostiary.core.caller import Caller
    from ostiary.core.clock import Clock
    from ostiary.core.db import Database, Query, Unit
    from ostiary.core.signals import Signals

log = logging.getLogger(__name__)

Bars = Literal["everything", "strangers", "unproven"]
Network = IPv4Network | IPv6Network

EVERYWHERE = "everywhere"
"""Every network: what the house is on guard against when it is under attack."""

SPRAYED = "password "
"""Before the digest of a password that is being tried for many names: who brings it owes a proof of work."""

MOST_BLOCKS = 20_000
"""In memory; the newest count. A network of many addresses is one."""


@dataclass(frozen=True, slots=True)
class Block:
    """A network and what is shut to it.

    Attributes:
        network: In canonical text; or `everywhere`; or a sprayed password's digest.
        bars: `everything`; `strangers` for signing in, up and the like by
            browsers that are not known, while sessions go on; `unproven` for
            the same without a proof of work.
        reason: In words, for the keeper.
        expires_at: None until the keeper lifts it.
    """

    network: str
    bars: Bars
    reason: str
    created_at: Millis
    expires_at: Millis | None

    @property
    def what(self) -> str:
        """What is shut, in words that hold `network`, by which it is opened again."""
        if self.network == EVERYWHERE:
            return f"every network ({EVERYWHERE})"
        if self.network.startswith(SPRAYED):
            return f'a password tried for many names ("{self.network}")'
        return f"network {self.network}"


class Blocks:
    """Which networks are shut out, from what, and until when.

    The view is exact as the change feed is: whoever blocks signals it, and
    each process reads the list anew before its next answer.
    """

    def __init__(self, database: Database, signals: Signals, clock: Clock, never: Iterable[str]) -> None:
        self._database = database
        self._signals = signals
        self._clock = clock
        self._never = tuple(network_of(text) for text in never)
        self._heard = self._loaded = 0
        self._wide: list[tuple[Network, Block]] = []
        self._exact: dict[str, Block] = {}
        self._everywhere: Block | None = None
        signals.on("blocks", self._hear)

    @property
    def is_stale(self) -> bool:
        """Whether the list has changed since it was read."""
        return self._heard != self._loaded

    @property
    def are_any(self) -> bool:
        """Whether any network is shut out, from whatever."""
        return bool(self._exact or self._wide)

    async def load(self) -> None:
        """Read the list; it stays stale for everybody until that has succeeded."""
        heard = self._heard
        stored = await self._database.all(queries.BLOCKS, now=self._clock.now(), most=MOST_BLOCKS)
        wide: list[tuple[Network, Block]] = []
        exact: dict[str, Block] = {}
        everywhere = None
        for row in stored:
            block = Block(row.network, row.bars, row.reason, row.created_at, row.expires_at)  # type: ignore[arg-type]
            if row.network == EVERYWHERE:
                everywhere = block
                continue
            if row.network.startswith(SPRAYED):
                exact[row.network] = block
                continue
            network = ip_network(row.network)
            if network.prefixlen == _counted_bits(network):
                exact[str(network.network_address)] = block
            else:
                wide.append((network, block))
        self._wide, self._exact, self._everywhere, self._loaded = wide, exact, everywhere, heard

    async def ensure_fresh(self) -> None:
        """See that the list in memory is the stored one.

        Raises:
            DatabaseUnavailable: Nobody can say (D14).
        """
        if not self._signals.is_fresh():
            await self._signals.refresh()
        if self.is_stale:
            await self.load()

    def find(self, address: str | None, bars: Bars) -> Block | None:
        """Return the living block that shuts this address out from something, or None.

        An address that nobody knows is in no network.
        """
        if not self.are_any:
            return None
        found = parsed(address) if address else None
        if found is None:
            return None
        narrow = ip_network((found, 32 if found.version == 4 else 64), strict=False)
        block = self._exact.get(str(narrow.network_address))
        if block is not None and self._shuts(block, bars):
            return block
        for network, wide in self._wide:
            if network.version == found.version and found in network and self._shuts(wide, bars):
                return wide
        return None

    def is_on_guard(self, address: str | None) -> bool:
        """Return whether strangers from this address owe a proof of work just now."""
        if self._everywhere is not None and self._shuts(self._everywhere, "unproven"):
            return True
        return self.find(address, "unproven") is not None

    def is_sprayed(self, digest: bytes) -> bool:
        """Return whether the password of this digest is being tried for many names."""
        block = self._exact.get(SPRAYED + digest.hex())
        return block is not None and self._shuts(block, "unproven")

    def refuse(self, address: str | None, bars: Bars) -> None:
        """Refuse an address that is shut out.

        Raises:
            AddressBlocked: It is; says until when, where there is an end.
        """
        block = self.find(address, bars)
        if block is not None:
            now = self._clock.now()
            raise AddressBlocked(retry_after=seconds_until(block.expires_at, now) if block.expires_at else None)

    async def add(
        self, caller: Caller, network: str, *, reason: str, lifetime: timedelta | None, bars: Bars = "everything",
        by: str = "",
    ) -> Block:  # fmt: skip
        """Shut a network out; an older block of the same is replaced.

        Args:
            caller: Who does it.
            network: Such as `203.0.113.0/24`, or one address; one IPv6 address stands for its /64. `everywhere` bars
                what is `unproven`, and nothing else.
            reason: In words.
            lifetime: None until it is lifted.
            bars: From what.
            by: Name of the keeper who does it, where one does.

        Raises:
            InvalidFields: It is no network.
        """
        async with self._database.unit(caller) as unit:
            return await self.put(unit, network, reason=reason, lifetime=lifetime, bars=bars, by=by)

    async def put(
        self, unit: Unit, network: str, *, reason: str, lifetime: timedelta | None, bars: Bars, by: str = ""
    ) -> Block:
        """As `add`, as part of a unit.

        Raises:
            InvalidFields: It is no network.
        """
        block = _block(unit, network, reason, lifetime, bars)
        await self._store(unit, queries.PUT_BLOCK, block, by)
        return block

    async def put_by_itself(self, unit: Unit, network: str, *, reason: str, lifetime: timedelta, bars: Bars) -> bool:
        """Shut a network out because of what it did; a block of the keeper's that lasts longer, or bars more, stays.

        Returns:
            Whether this changed anything.
        """
        block = _block(unit, network, reason, lifetime, bars)
        return await self._store(unit, queries.PUT_BLOCK_BY_ITSELF, block)

    @staticmethod
    async def _store(unit: Unit, put: Query[Any], block: Block, by: str = "") -> bool:
        if not await unit.run(put, **asdict(block)):
            return False
        unit.note(
            "network.blocked",
            bars=block.bars,
            expires_at=block.expires_at,
            # A keeper's reason may name people.
            private={"network": block.network, "by": by, "reason": block.reason},
        )
        unit.signal("blocks", block.network)
        return True

    async def remove(self, caller: Caller, network: str) -> bool:
        """Let a network in again; False if it was not blocked."""
        async with self._database.unit(caller) as unit:
            return await self.lift(unit, network)

    async def lift(self, unit: Unit, network: str) -> bool:
        """As `remove`, as part of a unit.

        Raises:
            InvalidFields: It is no network.
        """
        which = _canonical(network)
        removed = await unit.run(queries.DROP_BLOCK, which=which)
        if removed:
            unit.note("network.unblocked", private={"network": which})
            unit.signal("blocks", which)
        return bool(removed)

    async def listed(self) -> list[Block]:
        """Return every living block, the newest first."""
        rows = await self._database.all(queries.BLOCKS, now=self._clock.now(), most=MOST_BLOCKS)
        return [Block(row.network, row.bars, row.reason, row.created_at, row.expires_at) for row in rows]  # type: ignore[arg-type]

    def is_spared(self, address: str) -> bool:
        """Return whether an address is never blocked by itself: the setting `never_blocked`."""
        found = parsed(address)
        return found is None or any(found.version == net.version and found in net for net in self._never)

    async def prune(self) -> int:
        """Delete blocks that are over."""
        return await self._database.run(queries.PRUNE_BLOCKS, before=self._clock.now())

    def _shuts(self, block: Block, bars: Bars) -> bool:
        if block.expires_at is not None and block.expires_at <= self._clock.now():
            return False
        return block.bars == bars or (block.bars == "everything" and bars == "strangers")

    def _hear(self, _: str) -> None:
        self._heard += 1


def _counted_bits(network: Network) -> int:
    return 32 if network.version == 4 else 64


def _block(unit: Unit, network: str, reason: str, lifetime: timedelta | None, bars: Bars) -> Block:
    """Return a block in its one spelling.

    Raises:
        InvalidFields: It is no network. Of everywhere, and of who brings a sprayed password, nothing is asked but work:
            a name that is no network must not be taken for one, and shut nobody out.
    """
    expires_at = unit.now + millis(lifetime) if lifetime is not None else None
    block = Block(_canonical(network), bars, reason, unit.now, expires_at)
    if _is_no_network(block.network) and bars != "unproven":
        raise _not_a_network()
    return block


def _canonical(text: str) -> str:
    """Return the one spelling of a network.

    Raises:
        InvalidFields: It is none.
    """
    text = text.strip()
    if _is_no_network(text):
        return text
    try:
        address = parsed(text) if "/" not in text else None
        if address is not None:
            return str(ip_network((address, 32 if address.version == 4 else 64), strict=False))
        return str(network_of(text))
    except ValueError:
        raise _not_a_network() from None


def _not_a_network() -> InvalidFields:
    error = FieldError("network", "Give a network such as 203.0.113.0/24, or an address.", "network")
    return InvalidFields(errors=(error,))


def _is_no_network(text: str) -> bool:
    return text == EVERYWHERE or text.startswith(SPRAYED)
