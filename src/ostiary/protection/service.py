"""Named limits, and the lockout that is no weapon."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ostiary.accounts import tell_of_lock
from ostiary.core.errors import Problem
from ostiary.core.limits import (
    Count,
    Limit,
    Spend,
    seconds_until,
)
from ostiary.protection import queries
from ostiary.protection.attempt import Attempt
from ostiary.protection.devices import KnownDevices
from ostiary.protection.enrolments import Enrolments
from ostiary.protection.errors import AddressBlocked, Locked, ProofOfWorkNeeded
from ostiary.protection.messages import SentMessages
from ostiary.web.address import counted

if TYPE_CHECKING:
    from ostiary.core.caller import Caller


class Protection(KnownDevices, Enrolments, SentMessages):
    """Spends from named limits before anything costly or telling happens."""

    # --- Signing in

    async def admit_login(
        self, caller: Caller, name: str, account_id: str | None, *, known_device: bool, sprayed: bool = False,
        solution: str | None = None,
    ) -> Attempt:  # fmt: skip
        """Spend for a login attempt before its password is looked at.

        What is spent first is exact: of simultaneous attempts no more than the
        limit go on. A browser that signed in to this account before has a
        counter of its own and is not touched by strangers' failures.

        The sixth attempt is refused by the limit on addresses or names (429);
        from then on the name says that it is locked (423). An unknown name
        does exactly the same. A proof of work opens a locked name for one
        attempt, on a small budget of its own (R12).

        Args:
            caller: Who asks.
            name: The name or address as folded for look-up.
            account_id: Whom it names, or None.
            known_device: Whether the caller's device is known to it.
            sprayed: Whether the password is one that is being tried for many names.
            solution: Of the challenge that an earlier refusal carried.

        Raises:
            AddressBlocked: The address is blocked to strangers.
            ProofOfWorkNeeded: The house is on guard, and there was none.
            LimitReached: From here, or with this name, too many just now.
            Locked: The name is locked.
        """
        if known_device and account_id and caller.device_id:
            attempt = await self._admit_known(caller, name, account_id, caller.device_id)
            if attempt is not None:
                return attempt
        await self.refuse_blocked(caller, account_id)
        is_proven = solution is not None and await self.challenges.spend(solution, _subject(name))
        owes_proof = (sprayed or self._blocks.is_on_guard(caller.address)) and self.challenges.are_offered
        if owes_proof and not is_proven:
            offer: dict[str, object] = {"challenge": self.challenges.issue(_subject(name))}
            await self._refuse(caller, account_id, ProofOfWorkNeeded(retry_after=1, extra=offer))
        return await self._admit_stranger(caller, name, account_id, is_proven=is_proven)

    async def _admit_known(self, caller: Caller, name: str, account_id: str, device_id: str) -> Attempt | None:
        """Spend from the browser's own counters; None for one that failed so often in all that it is a stranger's.

        What its own lock refuses is refused: of many at one moment, which pass the total for as long as it takes to
        give back what was not looked at, none goes on as a stranger and spends what strangers have.
        """
        own = Spend(self.limits.by_device, self._digest(f"{account_id} {device_id}"))
        total = self._in_all(name, account_id, device_id)
        counts = await self._spend(own, total)
        refusal = self._refusal(own.limit, counts[own], {})
        is_spent = counts[total].spent > total.limit.number
        if refusal or is_spent:
            await self._durable.give_back(total)  # only what is looked at counts
        if refusal:
            await self._refuse(caller, account_id, refusal)
        return None if is_spent else Attempt(
            name, account_id, is_known_device=True, may_check=True, locks=False, is_first=False, failures=0,
            forgotten=(own, total), given_back=(), is_last_of_hour=False,
        )  # fmt: skip

    async def _admit_stranger(self, caller: Caller, name: str, account_id: str | None, *, is_proven: bool) -> Attempt:
        limits = self.limits
        # Two names of one account share a budget; a name of nobody has one that looks the same.
        by_name = Spend(limits.by_name, self._digest(name))
        by_owner = Spend(limits.by_account, self._digest(account_id or f"nobody {name}"))
        named, own = by_name, by_owner
        if is_proven:
            named, own = (Spend(limits.proven, spend.digest) for spend in (by_name, by_owner))
        total = self._in_all(name, account_id)
        first = Spend(limits.stuffing_name, self._digest(name))
        addresses = self._addresses(caller)
        counts = await self._spend(named, own, total, first, *addresses)
        refusal = self._refusal(named.limit, counts[named], {spend.limit: counts[spend] for spend in addresses}, name)
        has_own = counts[own].spent <= own.limit.number
        locks = not is_proven and any(counts[spend].spent == spend.limit.number for spend in (named, own))
        if refusal or not has_own:
            # What is not looked at counts neither for the hundred nor for the hour: knocking at a locked door must
            # not shut it for good, and thirty people who sign in at the same moment have not failed.
            untold = tuple(spend for spend in (first, *addresses) if refusal and spend.limit is not limits.by_minute)
            for limiter, spends in self._by_limiter((total, *untold)):
                await limiter.give_back(*spends)
        if refusal and locks:  # a door that refused attempts have shut is told of like any other
            async with self._database.unit(caller) as unit:
                tell_of_lock(unit, account_id or "")
        if refusal:
            await self._refuse(caller, account_id, refusal)
        return Attempt(
            name, account_id, is_known_device=False,
            may_check=has_own and counts[total].spent <= total.limit.number,
            locks=locks, is_first=counts[first].spent == 1, failures=counts[total].spent - 1,
            forgotten=tuple({by_name, by_owner, named, own, total, *self._in_all_here(caller, account_id)}),
            given_back=addresses,
            is_last_of_hour=any(counts[s].spent == s.limit.number for s in addresses if s.limit is limits.by_hour),
        )  # fmt: skip

    def _refusal(self, limit: Limit, count: Count, by_address: dict[Limit, Count], name: str = "") -> Problem | None:
        """Return what refuses an attempt that is past a number: the address's first, then the name's; or None.

        Where nothing but the name's lock is in the way, a challenge is offered with it.
        """
        over = [(of, its) for of, its in by_address.items() if its.spent > of.number]
        if count.spent > limit.number + 1:
            refusal: Problem = Locked(retry_after=seconds_until(count.closes_at, self._database.clock.now()))
        elif over:
            refusal = self._reached(*over[0])
        elif count.spent > limit.number:
            refusal = self._reached(limit, count)
        else:
            return None
        if limit is self.limits.by_name and not over and self.challenges.are_offered:
            refusal.extra = {"challenge": self.challenges.issue(_subject(name))}
        return refusal

    async def login_succeeded(self, attempt: Attempt) -> None:
        """Forget the failures of this name or device, and give back what the address spent."""
        forgotten = attempt.forgotten
        if attempt.is_known_device and attempt.account_id:
            # The owner has acted: strangers may try again as often as before (SP 800-63B-4, 3.2.2).
            forgotten = (*forgotten, self._in_all(attempt.name, attempt.account_id))
        # Once in a window: whoever has an account could else sign in again and again, and hide what they try beside it.
        given_back = (*attempt.given_back, self.stuffing()) if attempt.is_first else attempt.given_back
        # Side by side, so that they can share a commit.
        settling = [limiter.forget(*spends) for limiter, spends in self._by_limiter(forgotten)]
        if given_back:  # a known device spends from none
            settling.append(self._limiter.give_back(*given_back))
        await asyncio.gather(*settling)

    async def admit_ticket(self, caller: Caller, name: str, account_id: str, *, known_device: bool) -> None:
        """Let a ticket through that a right password has earned, unless its account was locked since.

        Raises:
            LimitReached: From here, or with this name, too many just now.
            Locked: The account is locked to strangers.
        """
        attempt = await self.admit_login(caller, name, account_id, known_device=known_device)
        if not attempt.may_check:
            await self._refuse(
                caller, account_id, Locked(retry_after=int(self.limits.by_account.penalty.total_seconds()))
            )
        await self.login_succeeded(attempt)

    def is_under_review(self, attempt: Attempt) -> bool:
        """Return whether strangers have failed so often that a sign-in wants a closer look, until the owner acts."""
        return attempt.failures >= self._settings.review_failures

    def puts_under_review(self, attempt: Attempt) -> bool:
        """Return whether this failure is the one with which an account comes under review (R11)."""
        return attempt.failures + 1 == self._settings.review_failures and not attempt.is_known_device

    def is_on_guard(self, caller: Caller) -> bool:
        """Return whether the house is under attack, as far as this caller is concerned."""
        return self._blocks.is_on_guard(caller.address)

    # --- Everything else

    async def admit_signup(self, caller: Caller) -> None:
        """Spend for a new account.

        Raises:
            AddressBlocked: The address is blocked to strangers, or a rule on countries keeps out who comes from there.
            LimitReached: Too many from this address.
        """
        await self.refuse_blocked(caller, None)
        if self._places.refuses(self._places.find(caller.address)):  # of a sign-in, the policy on risk hears it
            await self._refuse(caller, None, AddressBlocked())
        await self._spend_of_address(caller, self.limits.signups)

    async def admit_reset(self, caller: Caller) -> None:
        """Spend for a letter that somebody who cannot sign in asks for.

        Raises:
            AddressBlocked: The address is blocked to strangers.
            LimitReached: Too many from this address.
        """
        await self.refuse_blocked(caller, None)
        await self._spend_of_address(caller, self.limits.resets)

    async def admit_weighing(self, caller: Caller) -> None:
        """Spend for a password that is weighed while somebody types.

        Raises:
            LimitReached: More than a person types.
        """
        if caller.address is None:
            return
        weighings = self.limits.weighings
        (count,) = await self._memory.spend(Spend(weighings, self._digest(counted(caller.address))))
        if count.spent > weighings.number:
            raise self._reached(weighings, count)

    async def admit_csp_report(self, caller: Caller) -> bool:
        """Return whether one more report of a violated policy is counted; in memory, as a flood must cost no write."""
        own = [Spend(self.limits.reports, self._digest(counted(caller.address)))] if caller.address else []
        for spend in (*own, Spend(self.limits.all_reports, self._digest("all"))):
            (count,) = await self._memory.spend(spend)
            if count.spent > spend.limit.number:
                return False
        return True

    async def admit_letter(self, email_key: str) -> bool:
        """Return whether a letter that a stranger caused may go to this mailbox (no mail bombs)."""
        (count,) = await self._limiter.spend(Spend(self.limits.letters, self._digest(email_key)))
        return count.spent <= self.limits.letters.number

    async def admit_export(self, caller: Caller, account_id: str) -> None:
        """Spend for an export of everything about an account; each reads its whole journal.

        Raises:
            LimitReached: Enough for today.
        """
        await self._spend_or_refuse(caller, account_id, Spend(self.limits.exports, self._digest(account_id)))

    async def admit_passkey(self, caller: Caller, account_id: str | None, *, known_device: bool) -> Spend | None:
        """Spend for a passkey before it is looked at. A locked name does not concern it: nothing is guessed (D5).

        Raises:
            AddressBlocked: The address is blocked to strangers.
            LimitReached: Too many failed from here; a known browser has a counter of its own.
        """
        key = f"{account_id} {caller.device_id}" if known_device else counted(caller.address or "")
        if not known_device:
            await self.refuse_blocked(caller, account_id)
            if caller.address is None:
                return None
        spend = Spend(self.limits.passkeys, self._digest(key))
        await self._spend_or_refuse(caller, account_id, spend)
        return spend

    async def passkey_succeeded(self, account_id: str, spend: Spend | None) -> None:
        """Give back what was spent. The owner has acted: strangers may try again as often as before."""
        await self._durable.forget(self._in_all("", account_id))
        if spend is not None:
            await self._limiter.give_back(spend)

    async def admit_elsewhere(self, caller: Caller) -> None:
        """Spend for a way to a provider, which writes a row. Raises `LimitReached` past what a person presses."""
        await self._spend_of_address(caller, self.limits.elsewhere)

    async def admit_recheck(self, caller: Caller, account_id: str) -> Spend:
        """Spend for a password that is asked again inside a session.

        Raises:
            LimitReached: Whoever holds the session is guessing.
        """
        spend = Spend(self.limits.rechecks, self._digest(account_id))
        await self._spend_or_refuse(caller, account_id, spend)
        return spend

    async def recheck_succeeded(self, spend: Spend) -> None:
        """Forget wrong passwords inside the session."""
        await self._limiter.forget(spend)

    async def admit(self, caller: Caller, limit: Limit, key: str) -> Count:
        """Spend from a limit that an application has named, exactly and across processes (R10).

        Args:
            caller: Who asks.
            limit: The application's own; its name begins with `app.`.
            key: Whose counter: an account, an address as it is counted, a route.

        Raises:
            LimitReached: It is used up; says when it works again.
        """
        (count,) = await self._limiter.spend(Spend(limit, self._digest(f"{limit.name} {key}")))
        if count.spent > limit.number:
            raise self._reached(limit, count)
        return count

    async def unlock(self, caller: Caller, account_id: str, *names: str) -> None:
        """Open a locked account to strangers again, as the keeper or its owner may."""
        async with self._database.unit(caller) as unit:
            unit.note("account.unlocked", account_id)
        owner = self._digest(account_id)
        spends = [Spend(self.limits.by_account, owner), Spend(self.limits.proven, owner)]
        for name in names:
            spends += [Spend(limit, self._digest(name)) for limit in (self.limits.by_name, self.limits.proven)]
        await self._limiter.forget(*spends)
        await self._durable.forget(self._in_all("", account_id))

    async def prune(self) -> int:
        """Drop counters whose window is over, blocks and welcomes that have ended: the tables stay bounded."""
        now = self._database.clock.now()
        await self._memory.prune()
        ended = await self._database.run(queries.PRUNE_WELCOME, before=now) + await self._blocks.prune()
        if self._durable is not self._limiter:
            ended += await self._durable.prune()
        return ended + await self._limiter.prune()

    def stuffing(self) -> Spend:
        """Return the counter of names that fail at first, those that succeed taken off."""
        return Spend(self.limits.stuffing, self._digest("everybody"))


def _subject(name: str) -> str:
    """Return what a challenge for a name is good for."""
    return f"login {name}"
