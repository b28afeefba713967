"""The desk's verb for who comes from a provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.federation import METHODS, ElsewhereRefused
from ostiary.login.entrance import Entered, Evidence
from ostiary.protection import Attempt

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database
    from ostiary.federation import Identities, ProvenIdentity
    from ostiary.login.entrance import Entrance
    from ostiary.login.factors import SecondFactors
    from ostiary.passwords import Passwords
    from ostiary.protection import Protection
    from ostiary.risk import Assessment


@dataclass(frozen=True, slots=True)
class ByIdentity:
    """Takes what a provider has said for the first proof of who somebody is."""

    database: Database
    accounts: Accounts
    passwords: Passwords
    identities: Identities
    protection: Protection
    factors: SecondFactors
    entrance: Entrance

    async def enter(self, caller: Caller, proven: ProvenIdentity) -> Entered:
        """Sign a device in by what a provider has said, in answer to a question of this browser.

        A locked name is no concern of it: nothing is guessed here (D5). It is one factor, whatever the provider
        asked for: a second one that the account has is owed as after a password.

        Args:
            caller: Who asks; `device_id` if their browser is known.
            proven: Who they are, and the account that it opens.

        Raises:
            ElsewhereRefused: The account is closed, was ended since, or policy refuses this sign-in.
            AddressBlocked: The address is blocked to strangers.
        """
        account_id = proven.connection.account_id
        async with self.database.unit(caller) as unit:
            known = await self.entrance.knows(unit, account_id)
        if not known:
            await self.protection.refuse_blocked(caller, account_id)
        attempt = Attempt.earned(account_id, is_known_device=known)
        risk = await self.entrance.judged(caller, attempt)
        entered = await self._enter(caller, proven, attempt, risk)
        if entered is None:
            raise ElsewhereRefused
        await self.protection.passkey_succeeded(account_id, None)
        return entered

    async def _enter(
        self, caller: Caller, proven: ProvenIdentity, attempt: Attempt, risk: Assessment
    ) -> Entered | None:
        """Return how it goes on; None if nothing was earned, and what is told of that is queued."""
        async with self.database.unit(caller) as unit:
            if not await self.identities.confirm(unit, proven):
                return None
            account = await self.accounts.get(unit, proven.connection.account_id)
            if not account.is_alive or account.epoch != proven.epoch:
                unit.note("login.refused", account.id, reason="epoch" if account.is_alive else account.status)
                return None
            held = await self.factors.held(unit, account.id)
            if self.entrance.refuses(attempt, account, risk, has_second=self.factors.is_owed(held, ())):
                await self.entrance.note_refusal(unit, account, risk)
                return None
            evidence = Evidence(METHODS, await self.passwords.mark(unit, account.id))
            return await self.entrance.go_on(unit, account, evidence, risk, held)
