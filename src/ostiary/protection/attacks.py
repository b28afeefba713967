"""Attacks that no single counter shows: one password for many names, many names that all fail (R13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        if attempt.is_last_of_hour and caller.address is not None and not self.blocks.is_spared(caller.address):
            await self._block(caller, counted(caller.address))
        limits = self.protection.limits
        pair = Spend(limits.spray_pair, self._digest(f"{password} {attempt.name}"))
        spends = [pair, self.protection.stuffing()] if attempt.is_first else [pair]
        counts = await self.limiter.spend(*spends)
        if attempt.is_first and counts[1].spent % limits.stuffing.number == 0:
            await self._stand_on_guard(caller, "stuffing", counts[1].spent, EVERYWHERE)
        if counts[0].spent == 1:  # not this name's owner, trying the same again
            digest = self._digest(password)
            (sprayed,) = await self.limiter.spend(Spend(limits.spraying, digest))
            if sprayed.spent % limits.spraying.number == 0:
                # On guard against that password alone: whoever tries ten names shuts nobody else out by it.
                await self._stand_on_guard(caller, "spraying", sprayed.spent, SPRAYED + digest.hex())

    def is_sprayed(self, password: str) -> bool:
        """Return whether this password is being tried for many names just now; from memory."""
        return self.blocks.is_sprayed(self._digest(password))

    async def _block(self, caller: Caller, network: str) -> None:
        async with self.database.unit(caller) as unit:
            failures = self.settings.login_failures_per_hour
            reason = f"{failures} failed logins in an hour"
            await self.blocks.put_by_itself(
                unit, network, reason=reason, lifetime=self.settings.block_for, bars="strangers"
            )
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
