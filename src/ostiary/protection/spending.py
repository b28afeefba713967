"""What every part of the protection does: spend from named limits, and refuse."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NoReturn

from ostiary.core.limits import Count, DatabaseLimiter, Limit, Limiter, LimitReached, MemoryLimiter, Spend
from ostiary.protection.challenges import Challenges
from ostiary.protection.errors import AddressBlocked
from ostiary.protection.guesses import Guesses
from ostiary.protection.limits import Limits
from ostiary.web.address import counted

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database
    from ostiary.core.errors import Problem
    from ostiary.core.secrets import Macs
    from ostiary.places import Places
    from ostiary.protection.blocks import Blocks
    from ostiary.protection.settings import ProtectionSettings


class Spending:
    """The limits of a house, and the counters behind them."""

    def __init__(
        self, database: Database, limiter: Limiter, macs: Macs, blocks: Blocks, places: Places,
        settings: ProtectionSettings,
    ) -> None:  # fmt: skip
        self._database = database
        self._limiter = limiter
        self._macs = macs
        self._blocks = blocks
        self._places = places
        self._settings = settings
        self.limits = Limits.of(settings)
        self.challenges = Challenges(limiter, macs, database.clock, settings.challenge)
        self._memory = MemoryLimiter(database.clock)  # a traffic limit, not a security limit
        # What must outlive a restart of Valkey or of this process counts in the database, wherever the rest does.
        self._durable = limiter if isinstance(limiter, DatabaseLimiter) else DatabaseLimiter(database)
        self.guesses = Guesses(database, self._durable, macs, self.limits)

    async def refuse_blocked(self, caller: Caller, account_id: str | None) -> None:
        """Raise `AddressBlocked` where the caller's address is blocked to strangers, who this one is."""
        await self._blocks.ensure_fresh()
        try:
            self._blocks.refuse(caller.address, "strangers")
        except AddressBlocked as refusal:
            await self._refuse(caller, account_id, refusal)

    def _in_all(self, name: str, account_id: str | None, device_id: str = "") -> Spend:
        # Not by the keyed digest: when the index key is replaced, a hundred must stay a hundred.
        text = f"in all {account_id} {device_id}".rstrip() if account_id else f"nobody {self._digest(name).hex()}"
        limit = self.limits.in_all if account_id else self.limits.nobody_in_all
        return Spend(limit, hashlib.sha256(text.encode()).digest())

    def _in_all_here(self, caller: Caller, account_id: str | None) -> tuple[Spend, ...]:
        return (self._in_all("", account_id, caller.device_id),) if account_id and caller.device_id else ()

    def _addresses(self, caller: Caller) -> tuple[Spend, ...]:
        if caller.address is None:  # unknown (D6): one counter for everybody would be a weapon
            return ()
        address = self._digest(counted(caller.address))
        return Spend(self.limits.by_minute, address), Spend(self.limits.by_hour, address)

    async def _spend(self, *spends: Spend) -> dict[Spend, Count]:
        counts: dict[Spend, Count] = {}
        for limiter, its in self._by_limiter(spends):
            counts.update(zip(its, await limiter.spend(*its), strict=True))
        return counts

    def _by_limiter(self, spends: tuple[Spend, ...]) -> list[tuple[Limiter, tuple[Spend, ...]]]:
        if self._durable is self._limiter:
            return [(self._limiter, spends)]
        durable = tuple(spend for spend in spends if spend.limit.name == self.limits.in_all.name)
        others = tuple(spend for spend in spends if spend not in durable)
        return [(limiter, its) for limiter, its in ((self._limiter, others), (self._durable, durable)) if its]

    async def _spend_of_address(self, caller: Caller, limit: Limit) -> None:
        if caller.address is not None:
            await self._spend_or_refuse(caller, None, Spend(limit, self._digest(counted(caller.address))))

    async def _spend_or_refuse(self, caller: Caller, account_id: str | None, spend: Spend) -> None:
        (count,) = await self._limiter.spend(spend)
        if count.spent > spend.limit.number:
            await self._refuse(caller, account_id, self._reached(spend.limit, count))

    async def _refuse(self, caller: Caller, account_id: str | None, problem: Problem) -> NoReturn:
        async with self._database.unit(caller) as unit:
            unit.note("attempt.refused", account_id, reason=problem.slug)
            raise problem

    def _reached(self, limit: Limit, count: Count) -> LimitReached:
        return LimitReached.of(limit, count.closes_at, self._database.clock.now())

    def _digest(self, text: str) -> bytes:
        return self._macs.digest("counter", text)
