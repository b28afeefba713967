"""Named limits, and the lockout that is no weapon."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ostiary.core.errors import Problem
from ostiary.core.limits import Count, Limit, Limiter, MemoryLimiter, Spend, seconds_until
from ostiary.protection.challenges import Challenges
from ostiary.web.address import counted

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database
    from ostiary.core.secrets import Macs
    from ostiary.protection.settings import ProtectionSettings

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


class LimitReached(Problem):
    """Too many of these from here; says when it works again."""

    slug = "limit-reached"
    title = "Too many attempts. Please wait a little and try again."
    status = 429


class Locked(Problem):
    """Too many wrong passwords for this name, whether or not anybody has it (D5, R7)."""

    slug = "locked"
    title = "Signing in with this name is locked for a while after too many wrong passwords."
    status = 423


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a login attempt has spent, to be settled when its outcome is known.

    Attributes:
        may_check: False where the account's own budget is gone though this
            name's is not: the password must not be checked, and the answer
            must be that of a wrong one.
    """

    counters: tuple[Spend, ...]
    addresses: tuple[Spend, ...]
    may_check: bool


class Protection:
    """Spends from named limits before anything costly or telling happens."""

    def __init__(self, database: Database, limiter: Limiter, macs: Macs, settings: ProtectionSettings) -> None:
        self._database = database
        self._limiter = limiter
        self._macs = macs
        lock = {"window": settings.failures_forgotten, "penalty": settings.lockout}
        self._by_minute = Limit("login.address.minute", settings.login_failures_per_minute, MINUTE)
        self._by_hour = Limit("login.address.hour", settings.login_failures_per_hour, HOUR)
        self._by_name = Limit("login.name", settings.lockout_failures, **lock)
        self._by_account = Limit("login.account", settings.lockout_failures, **lock)
        self._by_device = Limit("login.device", settings.lockout_failures, **lock)
        self._signups = Limit("signup.address", settings.signups_per_hour, HOUR)
        self._letters = Limit("letters.mailbox", settings.letters_per_hour, HOUR)
        self._weighings = Limit("weighing.address", settings.weighings_per_minute, MINUTE)
        self._memory = MemoryLimiter(database.clock)  # a traffic limit, not a security limit
        self._rechecks = Limit("recheck.account", settings.rechecks, timedelta(minutes=15))
        self.challenges = Challenges(limiter, macs, database.clock, settings.challenge)

    @property
    def table(self) -> tuple[Limit, ...]:
        """Every named limit, for the documentation."""
        return (
            self._by_minute, self._by_hour, self._by_name, self._by_account, self._by_device, self._signups,
            self._letters, self._rechecks, self._weighings, *self.challenges.table,
        )  # fmt: skip

    async def admit_login(
        self, caller: Caller, name: str, account_id: str | None, *, known_device: bool, solution: str | None = None
    ) -> Attempt:
        """Spend for a login attempt before its password is looked at.

        What is spent first is exact: of simultaneous attempts no more than the
        limit go on. A browser that signed in to this account before has a
        counter of its own and is not touched by strangers' failures.

        The sixth attempt is refused by the limit on addresses or names (429);
        from then on the name says that it is locked (423). An unknown name
        does exactly the same.

        Args:
            caller: Who asks.
            name: The name or address as folded for look-up.
            account_id: Whom it names, or None.
            known_device: Whether the caller's device has been signed in to it.
            solution: Of the challenge that an earlier refusal carried (R12).

        Raises:
            LimitReached: From here, or with this name, too many just now.
            Locked: The name is locked.
        """
        counters, addresses = self._login_counters(caller, name, account_id, known_device=known_device)
        counts = await self._limiter.spend(*counters, *addresses)
        named = counts[0]
        limit = counters[0].limit.number
        offer: dict[str, object] | None = None
        if named.spent > limit and counters[0].limit is not self._by_device:
            over = [c for s, c in zip(addresses, counts[len(counters) :], strict=True) if c.spent > s.limit.number]
            if not over and self.challenges.are_offered:  # nothing but the name's lock is in the way
                if solution and await self.challenges.spend(solution, f"login {name}"):
                    return Attempt(counters, addresses, may_check=True)
                offer = {"challenge": self.challenges.issue(f"login {name}")}
        if named.spent > limit + 1:
            await self._refuse(caller, account_id, Locked(retry_after=self._wait(named), extra=offer))
        for spend, count in zip((*addresses, counters[0]), (*counts[len(counters) :], named), strict=True):
            if count.spent > spend.limit.number:
                await self._refuse(caller, account_id, LimitReached(retry_after=self._wait(count), extra=offer))
        may_check = all(count.spent <= spend.limit.number for spend, count in zip(counters, counts, strict=False))
        return Attempt(counters, addresses, may_check)

    async def login_succeeded(self, attempt: Attempt) -> None:
        """Forget the failures of this name or device, and give back what the address spent."""
        # Side by side, so that they can share a commit.
        settling = [self._limiter.forget(*attempt.counters)]
        if attempt.addresses:  # a known device spends from none
            settling.append(self._limiter.give_back(*attempt.addresses))
        await asyncio.gather(*settling)

    async def admit_signup(self, caller: Caller) -> None:
        """Spend for a new account.

        Raises:
            LimitReached: Too many from this address.
        """
        await self._spend_or_refuse(caller, None, Spend(self._signups, self._address(caller)))

    async def admit_weighing(self, caller: Caller) -> None:
        """Spend for a password that is weighed while somebody types.

        Raises:
            LimitReached: More than a person types.
        """
        (count,) = await self._memory.spend(Spend(self._weighings, self._address(caller)))
        if count.spent > self._weighings.number:
            raise LimitReached(retry_after=self._wait(count))

    async def admit_letter(self, email_key: str) -> bool:
        """Return whether a letter that a stranger caused may go to this mailbox (no mail bombs)."""
        (count,) = await self._limiter.spend(Spend(self._letters, self._digest(email_key)))
        return count.spent <= self._letters.number

    async def admit_recheck(self, caller: Caller, account_id: str) -> Spend:
        """Spend for a password that is asked again inside a session.

        Raises:
            LimitReached: Whoever holds the session is guessing.
        """
        spend = Spend(self._rechecks, self._digest(account_id))
        await self._spend_or_refuse(caller, account_id, spend)
        return spend

    async def recheck_succeeded(self, spend: Spend) -> None:
        """Forget wrong passwords inside the session."""
        await self._limiter.forget(spend)

    async def unlock(self, caller: Caller, account_id: str, *names: str) -> None:
        """Open a locked account to strangers again, as the keeper or its owner may."""
        async with self._database.unit(caller) as unit:
            unit.note("account.unlocked", account_id)
        await self._limiter.forget(
            Spend(self._by_account, self._digest(account_id)), *(Spend(self._by_name, self._digest(n)) for n in names)
        )

    async def prune(self) -> int:
        """Drop counters whose window is over: the table stays bounded."""
        return await self._limiter.prune()

    def _login_counters(
        self, caller: Caller, name: str, account_id: str | None, *, known_device: bool
    ) -> tuple[tuple[Spend, ...], tuple[Spend, ...]]:
        if known_device and account_id and caller.device_id:
            return (Spend(self._by_device, self._digest(f"{account_id} {caller.device_id}")),), ()
        own = (
            Spend(self._by_name, self._digest(name)),
            # Two names of one account share a budget; a name of nobody has one that looks the same.
            Spend(self._by_account, self._digest(account_id or f"nobody {name}")),
        )
        address = self._address(caller)
        return own, (Spend(self._by_minute, address), Spend(self._by_hour, address))

    async def _spend_or_refuse(self, caller: Caller, account_id: str | None, spend: Spend) -> None:
        (count,) = await self._limiter.spend(spend)
        if count.spent > spend.limit.number:
            await self._refuse(caller, account_id, LimitReached(retry_after=self._wait(count)))

    async def _refuse(self, caller: Caller, account_id: str | None, problem: Problem) -> None:
        async with self._database.unit(caller) as unit:
            unit.note("attempt.refused", account_id, reason=problem.slug)
            raise problem

    def _wait(self, count: Count) -> int:
        return seconds_until(count.closes_at, self._database.clock.now())

    def _address(self, caller: Caller) -> bytes:
        return self._digest(counted(caller.address) if caller.address else "unknown")

    def _digest(self, text: str) -> bytes:
        return self._macs.digest("counter", text)
