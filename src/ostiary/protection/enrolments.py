"""Guesses at the code that confirms a new second factor, counted on the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.core.limits import Spend
from ostiary.protection.spending import Spending

if TYPE_CHECKING:
    from ostiary.core.caller import Caller


class Enrolments(Spending):
    """The part of the protection that bounds how often a second factor is tried while it is set up."""

    async def admit_enrolment(self, caller: Caller, account_id: str) -> Spend:
        """Spend for a code before it is looked at; whatever session or address it comes from.

        Raises:
            LimitReached: Too many wrong ones.
        """
        spend = Spend(self.limits.enrolments, self._digest(account_id))
        await self._spend_or_refuse(caller, account_id, spend)
        return spend

    async def enrolment_succeeded(self, spend: Spend) -> None:
        """Forget wrong codes."""
        await self._limiter.forget(spend)
