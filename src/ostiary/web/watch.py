"""The watch at the gate: turns blocked networks away and counts requests, before anything is done for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ostiary.core.errors import Problem

if TYPE_CHECKING:
    from ostiary.web.traffic import Traffic
    from ostiary.web.visit import Visit

UNCOUNTED = frozenset({"/healthz", "/readyz", "/metrics", "/auth/forward", "/auth/forward/browser"})
UNCOUNTED_BELOW = ("/.well-known/", "/auth/static/", "/api/v1/auth/status-lists/")
"""What machines, caches and proxies ask for, and what a page brings along: answered from memory.

A proxy asks for every picture of a page; whoever is refused for their number gets half a page.
"""

PROVES_ITSELF = frozenset({"/api/v1/auth/refresh", "/api/v1/auth/dbsc/register", "/api/v1/auth/dbsc/refresh"})
"""Its token is a credential of its own: a noisy neighbour behind the same address must not sign others out.

A browser that is answered 429 gives a bound session up for good.
"""


HOT = frozenset({"/api/v1/auth/me"})
"""What applications ask for each of their own requests."""


class Blocks(Protocol):
    """Which networks are shut out; the protection's room keeps the real ones."""

    @property
    def is_stale(self) -> bool: ...  # noqa: D102
    @property
    def are_any(self) -> bool: ...  # noqa: D102
    async def load(self) -> None: ...  # noqa: D102
    def refuse(self, address: str | None, bars: Literal["everything", "strangers", "unproven"]) -> None: ...  # noqa: D102


class Credentials(Protocol):
    """Looks at credentials; the sessions' room keeps the real one."""

    def shows_credential(self, visit: Visit) -> bool: ...  # noqa: D102
    async def identify(self, visit: Visit, *, keys: bool) -> object | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Watch:
    """Stands at the gate of one house."""

    traffic: Traffic
    blocks: Blocks
    credentials: Credentials

    def passes(self, visit: Visit) -> bool:
        """Return whether a request of the hot path may go on at once; what is not so plain wants `admit`."""
        if visit.path not in HOT or self.blocks.is_stale or self.blocks.are_any or self.traffic.is_spent(visit):
            return False
        if not self.credentials.shows_credential(visit):
            return False
        visit.traffic = self.traffic
        return True

    async def admit(self, visit: Visit) -> None:
        """Let a request pass, or not.

        Raises:
            AddressBlocked: Its network is shut out.
            LimitReached: Too many from there that prove nothing.
        """
        if self.blocks.is_stale:
            await self.blocks.load()
        self.blocks.refuse(visit.address, "everything")
        if visit.path in UNCOUNTED or visit.path.startswith(UNCOUNTED_BELOW) or visit.method == "OPTIONS":
            return
        visit.traffic = self.traffic
        if visit.path in PROVES_ITSELF:
            return
        shows = self.credentials.shows_credential(visit)
        if shows and not (self.traffic.is_spent(visit) and not await self._proves_itself(visit)):
            return
        visit.is_counted = True
        self.traffic.admit_stranger(visit)

    def settle(self, visit: Visit) -> None:
        """Count what showed a credential that proved nothing, or none where one was needed, as a stranger's."""
        if visit.traffic is not None and not visit.is_counted:
            visit.is_counted = True
            self.traffic.note_stranger(visit)

    async def _proves_itself(self, visit: Visit) -> bool:
        try:
            return await self.credentials.identify(visit, keys=True) is not None
        except Problem:
            return False
