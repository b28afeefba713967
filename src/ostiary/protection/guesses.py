"""Guesses at second factors: counted on the account, whatever address, ticket or session they come by (R20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.core.limits import LimitReached, Spend

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database
    from ostiary.core.limits import DatabaseLimiter
    from ostiary.core.secrets import Macs
    from ostiary.protection.limits import Limits


@dataclass(frozen=True, slots=True)
class Guess:
    """One answer that may be looked at.

    Attributes:
        is_last: Whether it is the last for a while: if it is wrong, its owner should hear of it.
        soon: Counter of the last minutes; a success sets it back.
        daily: Counter of the day; a success gives back its own one alone, else whoever guesses between two sign-ins
            of the owner would have as many again each time.
    """

    is_last: bool
    soon: Spend
    daily: Spend


class Guesses:
    """Bounds how many answers are looked at for one account.

    They count in the database, wherever the rest does: whoever has the password already gets no new guesses by the
    restart of anything else.
    """

    def __init__(self, database: Database, limiter: DatabaseLimiter, macs: Macs, limits: Limits) -> None:
        self._database = database
        self._limiter = limiter
        self._macs = macs
        self._limits = limits

    async def admit(self, caller: Caller, account_id: str, *, known_device: bool) -> Guess:
        """Spend for an answer before it is looked at: of simultaneous ones no more than the limit go on.

        A browser that the account knows has counters of its own: whoever else has the password cannot shut out the
        owner (D5).

        Raises:
            LimitReached: Too many wrong ones for this account, of late or today.
        """
        whose = self._macs.digest("counter", f"{account_id} {caller.device_id}" if known_device else account_id)
        soon, daily = Spend(self._limits.factors, whose), Spend(self._limits.factors_daily, whose)
        is_last = await self._spend(caller, account_id, soon)
        await self._spend(caller, account_id, daily)  # afterwards: of a day's only what is looked at counts
        return Guess(is_last, soon, daily)

    async def succeeded(self, guess: Guess) -> None:
        """Forget wrong answers of late."""
        await self._limiter.forget(guess.soon)
        await self._limiter.give_back(guess.daily)

    async def _spend(self, caller: Caller, account_id: str, spend: Spend) -> bool:
        """Count one, and return whether it was the last of its window."""
        (count,) = await self._limiter.spend(spend)
        if count.spent <= spend.limit.number:
            return count.spent == spend.limit.number
        async with self._database.unit(caller) as unit:
            refusal = LimitReached.of(spend.limit, count.closes_at, unit.now)
            unit.note("attempt.refused", account_id, reason=refusal.slug)
            raise refusal
