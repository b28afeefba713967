"""The desk's verb for sign-in links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.accounts import TokenSpent
from ostiary.magiclinks import LinkCodeNotValid
from ostiary.protection import Attempt

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.magiclinks import Browser, MagicLinks, Opened, Proof, Typed
    from ostiary.protection import Protection
    from ostiary.risk import Assessment
    from ostiary.sessions import Grant


class ByLink:
    """The part of the desk that takes a letter for a proof."""

    __slots__ = ()

    database: Database
    accounts: Accounts
    protection: Protection
    magic_links: MagicLinks

    if TYPE_CHECKING:

        async def _knows(self, unit: Unit, account_id: str) -> bool: ...
        async def _judged(self, caller: Caller, attempt: Attempt, *, breached: bool) -> Assessment: ...
        async def _note_refusal(self, unit: Unit, account: Account, risk: Assessment) -> None: ...
        async def _start(self, unit: Unit, account: Account, risk: Assessment, methods: tuple[str, ...]) -> Grant: ...

    async def with_link(self, caller: Caller, answer: Opened | Typed, browser: Browser | None) -> Grant:
        """Sign a device in by the link in a letter, or by the code beside it.

        A locked name is no concern of it: nobody guesses a link (D5). A verdict of `challenge` wants what a letter
        proves, and this is one; policy may still deny.

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
            known = await self._knows(unit, proof.account_id)
        await self.protection.admit_link_use(caller, proof.account_id, known_device=known)
        risk = await self._judged(caller, Attempt.earned(proof.account_id, is_known_device=known), breached=False)
        entered = await self._enter_by_link(caller, proof, risk)
        if entered is None:
            raise LinkCodeNotValid if proof.token is None else TokenSpent
        await self.protection.link_succeeded(caller, proof.account_id, proof.asked)
        return entered

    async def _enter_by_link(self, caller: Caller, proof: Proof, risk: Assessment) -> Grant | None:
        """Start the session that was earned; None if none was, and what is told of that is queued."""
        async with self.database.unit(caller) as unit:
            if not await self.magic_links.confirm(unit, proof):
                return None
            account = await self.accounts.get(unit, proof.account_id)
            if risk.action == "deny":
                await self._note_refusal(unit, account, risk)
                return None
            return await self._enter_or_owe(unit, account, risk, proof.methods)

    async def _enter_or_owe(self, unit: Unit, account: Account, risk: Assessment, methods: tuple[str, ...]) -> Grant:
        """Start a session by the mailbox alone.

        The one place where a second factor is asked for after a link: where the account has one, a ticket for it
        has to be returned from here, in this unit, instead of a session.
        """
        return await self._start(unit, account, risk, methods)
