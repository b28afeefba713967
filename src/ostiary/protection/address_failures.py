"""An address that fails too often in an hour is shut out to strangers (R13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.web.address import counted

if TYPE_CHECKING:
    from ostiary.alerts import Alerts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database
    from ostiary.protection.blocks import Blocks
    from ostiary.protection.settings import ProtectionSettings


@dataclass(frozen=True, slots=True)
class AddressFailures:
    """Blocks addresses, and tells the keepers."""

    database: Database
    blocks: Blocks
    alerts: Alerts
    settings: ProtectionSettings

    async def block(self, caller: Caller) -> None:
        """Block the caller's address, whose hour is used up; not one that is spared, unknown, or blocked already."""
        if caller.address is None or self.blocks.is_spared(caller.address):
            return
        network, failures = counted(caller.address), self.settings.login_failures_per_hour
        async with self.database.unit(caller) as unit:
            reason, lifetime = f"{failures} failed logins in an hour", self.settings.block_for
            if await self.blocks.put_unless_shut(unit, network, reason=reason, lifetime=lifetime, bars="strangers"):
                await self.alerts.raise_(
                    unit, "address_blocked", subject=network, private={"network": network}, failures=failures
                )
