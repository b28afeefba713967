"""The desk's verb for sign-in links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.accounts import TokenSpent
from ostiary.login.entrance import Entered, Evidence
from ostiary.magiclinks import LinkCodeNotValid
from ostiary.protection import Attempt

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database
    from ostiary.login.entrance import Entrance
    from ostiary.login.factors import SecondFactors
    from ostiary.magiclinks import Browser, MagicLinks, Opened, Proof, Typed
    from ostiary.passwords import Passwords
    from ostiary.protection import Protection
    from ostiary.risk import Assessment


@dataclass(frozen=True, slots=True)
class ByLink:
    """Takes a letter for the first proof of who somebody is."""

    database: Database
    accounts: Accounts
    passwords: Passwords
    magic_links: MagicLinks
    protection: Protection
    factors: SecondFactors
    entrance: Entrance

    async def enter(self, caller: Caller, answer: Opened | Typed, browser: Browser | None) -> Entered:
        """Sign a device in by the link in a letter, or by the code beside it, as far as that leads.

        A locked name is no concern of it: nobody guesses a link (D5). A verdict of `challenge` wants what a letter
        proves, and this is one; policy may still deny. A second factor stays owed (R9).

        Args:
            caller: Who asks; `device_id` if their browser is known.
            answer: The link's secret, or the code.
            browser: Which browser asked, if its cookie says so.

        Raises:
            LinksNotOffered: The keeper has switched links off.
            TokenSpent: The link opens nothing, or policy refuses this sign-in.
            AnotherBrowser: The link is good, and the person has to see first what it signs in.
            LinkCodeNotValid: The code opens nothing, or policy refuses this sign-in.
            LimitReached: Too many codes for this request.
            AddressBlocked: The address is blocked to strangers.
        """
        proof = await self.magic_links.prove(caller, answer, browser)
        async with self.database.unit(caller) as unit:
            known = await self.entrance.knows(unit, proof.account_id)
        await self.protection.admit_link_use(caller, proof.account_id, known_device=known)
        risk = await self.entrance.judged(caller, Attempt.earned(proof.account_id, is_known_device=known))
        entered = await self._enter(caller, proof, risk)
        if entered is None:
            raise LinkCodeNotValid if proof.token is None else TokenSpent
        await self.protection.link_succeeded(caller, proof.account_id, proof.asked)
        return entered

    async def _enter(self, caller: Caller, proof: Proof, risk: Assessment) -> Entered | None:
        """Return how it goes on; None if nothing was earned, and what is told of that is queued."""
        async with self.database.unit(caller) as unit:
            if not await self.magic_links.confirm(unit, proof):
                return None
            account = await self.accounts.get(unit, proof.account_id)
            if risk.action == "deny":
                await self.entrance.note_refusal(unit, account, risk)
                return None
            held = await self.factors.held(unit, account.id)
            evidence = Evidence(proof.methods, await self.passwords.mark(unit, account.id))
            return await self.entrance.go_on(unit, account, evidence, risk, held)
