"""Browsers that an account's owner has let in by mail: strangers' failures do not touch them (D5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ostiary.core.clock import iso, millis
from ostiary.protection import queries

if TYPE_CHECKING:
    from ostiary.core.db import Unit
    from ostiary.protection.settings import ProtectionSettings


class KnownDevices:
    """The part of the protection that keeps who is welcome."""

    _settings: ProtectionSettings

    async def welcome(self, unit: Unit, account_id: str, device_id: str) -> None:
        """Let a browser count as known to an account, because its owner says so in a letter's link."""
        until = unit.now + millis(self._settings.welcome)
        await unit.run(queries.WELCOME, account_id=account_id, device_id=device_id, welcome_until=until)
        unit.note("device.welcomed", account_id)

    async def forget_devices(self, unit: Unit, account_id: str) -> None:
        """Let no browser count as known that was let in to this account by mail."""
        await unit.run(queries.FORGET_DEVICES, of_account=account_id)

    async def knows_device(self, unit: Unit, account_id: str, device_id: str) -> bool:
        """Return whether an account's owner has let this browser in by mail."""
        found = await unit.find(queries.IS_WELCOME, account_id=account_id, device_id=device_id, now=unit.now)
        return found is not None

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return which browsers an account's owner has let in by mail, for their export."""
        welcome = await unit.all(queries.WELCOME_OF, account_id=account_id)
        return {
            "welcome_browsers": [{"browser": one.device_id, "until": iso(one.welcome_until)} for one in welcome]
        }  # fmt: skip
