"""Attacks that no single counter shows: one password for many names, many names that all fail (R13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.core.hashing import normalise
from ostiary.core.limits import Limiter, Spend
from ostiary.protection.blocks import EVERYWHERE, SPRAYED
from ostiary.web.address import counted

if TYPE_CHECKING:
    from ostiary.alerts import Alerts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database
    from ostiary.core.secrets import Macs
    from ostiary.protection.attempt import Attempt
    from ostiary.protection.blocks import Blocks
    from ostiary.protection.service import Protection
    from ostiary.protection.settings import ProtectionSettings


@dataclass(frozen=True, slots=True)
class Attacks:
    """Watches failed logins on every process at once, and puts the house on guard."""

    database: Database
    limiter: Limiter
    macs: Macs
    alerts: Alerts
    blocks: Blocks
    protection: Protection
    settings: ProtectionSettings

    async def look_at_failure(self, caller: Caller, attempt: Attempt, password: str) -> None:
        """Take note of a wrong password; a known browser's mistakes say nothing of attacks.

        Of the password a keyed digest of 64 bits is kept for an hour, joined to
        no account: enough to see that it comes again, and no hash to crack
        without the key.
        """
        if attempt.is_known_device:
            return
        if attempt.is_last_of_hour:
            await self.block(caller)
        limits, password = self.protection.limits, normalise(password)
        digest = self._digest(password)
        (pair,) = await self.limiter.spend(Spend(limits.spray_pair, self._digest(f"{password} {attempt.name}")))
        spends = [Spend(limits.spraying, digest)] if pair.spent == 1 else []  # not its owner, trying the same again
        spends += [self.protection.stuffing()] if attempt.is_first else []
        for spend, count in zip(spends, await self.limiter.spend(*spends) if spends else [], strict=True):
            if count.spent % spend.limit.number:
                continue
            if spend.limit is limits.stuffing:
                await self._stand_on_guard(caller, "stuffing", count.spent, EVERYWHERE)
            else:
                # On guard against that password alone: whoever tries ten names shuts nobody else out by it.
                await self._stand_on_guard(caller, "spraying", count.spent, SPRAYED + digest.hex())

    def is_sprayed(self, password: str) -> bool:
        """Return whether this password is being tried for many names just now; from memory."""
        return self.blocks.is_sprayed(self._digest(normalise(password)))

    async def block(self, caller: Caller) -> None:
        """Block the caller's address, whose hour is used up; not one that is spared, unknown, or blocked already."""
        if caller.address is None or self.blocks.is_spared(caller.address):
            return
        network, failures = counted(caller.address), self.settings.login_failures_per_hour
        async with self.database.unit(caller) as unit:
            reason, lifetime = f"{failures} failed logins in an hour", self.settings.block_for
            if await self.blocks.put_by_itself(unit, network, reason=reason, lifetime=lifetime, bars="strangers"):
                await self.alerts.raise_(
                    unit, "address_blocked", subject=network, private={"network": network}, failures=failures
                )

    async def _stand_on_guard(self, caller: Caller, kind: str, names: int, against: str) -> None:
        async with self.database.unit(caller) as unit:
            if against == EVERYWHERE:
                unit.note("stuffing.seen", names=names)
            else:
                unit.note("spraying.seen", names=names)
            lasts = self.settings.attack_lasts
            await self.blocks.put_by_itself(unit, against, reason=f"{kind} was seen", lifetime=lasts, bars="unproven")
            await self.alerts.raise_(unit, f"{kind}_seen", names=names)

    def _digest(self, text: str) -> bytes:
        return self.macs.digest("sprayed password", text[:1024])[:8]
