"""Browsers that need not show a second factor again, because their owner said so after showing one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ostiary.core.clock import iso, millis
from ostiary.core.secrets import b64, plain_digest
from ostiary.login import queries
from ostiary.login.factors import STAND_IN

if TYPE_CHECKING:
    from ostiary.accounts import Account
    from ostiary.core.clock import Millis
    from ostiary.core.db import Database, Unit
    from ostiary.login.settings import LoginSettings
    from ostiary.sessions import HeldFactor


class RememberedBrowsers:
    """Remembers by the device cookie, for an account as it stands: whatever changes it ends that.

    Attributes:
        days: How long one is remembered; 0 is never.
    """

    def __init__(self, database: Database, settings: LoginSettings) -> None:
        self._database = database
        self._lifetime = millis(settings.remember_browser)
        self.days = -(-self._lifetime // 86_400_000)

    async def remember(
        self, unit: Unit, account: Account, device_id: str, mark: str, held: Iterable[HeldFactor]
    ) -> None:
        """Let a browser skip the second factor from now on, if the house has it so.

        Args:
            unit: The one in which a second factor was shown.
            account: Who has shown it.
            device_id: Their browser.
            mark: Of the account's password.
            held: What is set up.
        """
        if not self.days:
            return
        await unit.run(
            queries.REMEMBER, account_id=account.id, device_id=device_id, standing=_standing(account, mark, held),
            remembered_at=unit.now,
        )  # fmt: skip
        unit.note("browser.remembered", account.id)

    async def knows(self, unit: Unit, account: Account, mark: str, held: Iterable[HeldFactor]) -> bool:
        """Return whether the caller's browser is remembered, and nothing has changed since."""
        if not self.days or not unit.caller.device_id:
            return False
        found = await unit.find(
            queries.FIND, account_id=account.id, device_id=unit.caller.device_id, after=self._oldest(unit.now)
        )
        return found is not None and found.standing == _standing(account, mark, held)

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        """Ask every browser of an account for its second factor again."""
        forgotten = await unit.run(queries.FORGET_ALL, of_account=account_id)
        if forgotten:
            unit.note("browser.all_forgotten", account_id, number=forgotten)

    async def number(self, account_id: str) -> int:
        """Return how many browsers of an account are remembered, as far as time tells."""
        found = await self._database.all(queries.OF_ACCOUNT, account_id=account_id)
        oldest = self._oldest(self._database.clock.now())
        return sum(one.remembered_at > oldest for one in found)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return which browsers are remembered, for their owner's export."""
        found = await unit.all(queries.OF_ACCOUNT, account_id=account_id)
        return {
            "remembered_browsers": [
                {"browser": one.device_id, "remembered_at": iso(one.remembered_at)} for one in found
            ]
        }  # fmt: skip

    async def prune(self) -> int:
        """Drop what is too old to count."""
        return await self._database.run(queries.PRUNE, until=self._oldest(self._database.clock.now()))

    def _oldest(self, now: Millis) -> Millis:
        return now - self._lifetime  # by the setting of today: who shortens it means it


def _standing(account: Account, mark: str, held: Iterable[HeldFactor]) -> str:
    """Return what must not change while a browser is remembered."""
    factors = sorted(f"{one.method} {one.mark}" for one in held if one.method != STAND_IN)
    return b64(plain_digest("\n".join((str(account.epoch), mark, *factors))))
