"""What bounds the links and codes that the house sends, and the guesses at them (R20)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ostiary.core.limits import Spend
from ostiary.protection.spending import Spending
from ostiary.web.address import counted

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.limits import LimitReached


class SentMessages(Spending):
    """The part of the protection that is about what leaves the house by mail and by text."""

    # --- Sign-in links

    async def admit_link(self, caller: Caller) -> None:
        """Spend for a letter with a sign-in link.

        Raises:
            AddressBlocked: The address is blocked to strangers.
            LimitReached: Too many from this address.
        """
        await self.refuse_blocked(caller, None)
        await self._spend_of_address(caller, self.limits.links)

    async def admit_link_letter(self, email_key: str, account_id: str, known_device: str | None) -> bool:
        """Return whether a letter with a sign-in link may go to this mailbox.

        What strangers cause counts with all other letters that they can cause. A browser that the account knows has
        a counter of its own: else a stranger could use up the mailbox's, and its owner would get no link (D5).
        """
        spend = Spend(self.limits.letters, self._digest(email_key))
        if known_device is not None:
            spend = Spend(self.limits.link_letters, self._digest(f"{account_id} {known_device}"))
        (count,) = await self._limiter.spend(spend)
        return count.spent <= spend.limit.number

    async def admit_link_use(self, caller: Caller, account_id: str, *, known_device: bool) -> None:
        """Let somebody sign in by a link. A locked name does not concern it: nobody guesses 256 bits (D5).

        Raises:
            AddressBlocked: The address is blocked to strangers.
        """
        if not known_device:
            await self.refuse_blocked(caller, account_id)

    async def admit_link_code(self, caller: Caller, asked: str, account_id: str | None, *, known_device: bool) -> bool:
        """Spend for a code before it is looked at; False where the account's own number is gone.

        Past the account's number the answer must be that of a wrong code: who asked for a link to somebody's address
        would otherwise learn from a 429 that an account has it (R7).

        Args:
            caller: Who asks.
            asked: The id of the request that the code belongs to, whether or not a letter went out for it.
            account_id: Whose it is, or None.
            known_device: Whether the caller's browser is known to that account.

        Raises:
            LimitReached: Too many codes for this request.
        """
        by_link = Spend(self.limits.link_codes, self._digest(f"link {asked}"))
        by_owner = self._owner_of_link(caller if known_device else None, account_id or f"nobody {asked}")
        linked, owned = await self._limiter.spend(by_link, by_owner)
        if linked.spent > by_link.limit.number:
            await self._limiter.give_back(by_owner)  # unchecked: knocking at a dead request must use nothing up
            await self._refuse(caller, None, self._reached(by_link.limit, linked))
        return owned.spent <= by_owner.limit.number

    async def link_succeeded(self, caller: Caller, account_id: str, asked: str) -> None:
        """Forget wrong codes. The owner has acted: strangers may try passwords again as often as before."""
        by_link = Spend(self.limits.link_codes, self._digest(f"link {asked}"))
        await self._limiter.forget(
            by_link, self._owner_of_link(None, account_id), self._owner_of_link(caller, account_id)
        )
        await self._durable.forget(self._in_all("", account_id))

    def _owner_of_link(self, known: Caller | None, whose: str) -> Spend:
        key = f"{whose} {known.device_id}" if known is not None else whose
        return Spend(self.limits.link_failures, self._digest(key))

    # --- Texts

    async def admit_text(self, caller: Caller, account_id: str, number: str) -> None:
        """Spend for a text before it is written: for who causes it, and for who gets it.

        Raises:
            LimitReached: Too many of this account, from this address, or to this number.
        """
        spends = [
            Spend(self.limits.texts, self._digest(account_id)), Spend(self.limits.texts_to, self._digest(number)),
        ]  # fmt: skip
        if caller.address is not None:
            spends.append(Spend(self.limits.texts_from, self._digest(counted(caller.address))))
        counts = await self._limiter.spend(*spends)
        over = [(s, count) for s, count in zip(spends, counts, strict=True) if count.spent > s.limit.number]
        if over:
            full = [spend for spend, _ in over]
            # What is not sent costs nobody else: an account past its number must not use up a number's.
            await self._limiter.give_back(*(spend for spend in spends if spend not in full))
            await self._refuse(caller, account_id, self._reached(over[0][0].limit, over[0][1]))

    async def spend_text_budget(self, prefix: str) -> LimitReached | None:
        """Spend what a text costs from the day's budgets; return the refusal if one is gone.

        Counted in the database wherever the rest counts, and under no key that is replaced: it is money.
        """
        spends = (
            Spend(self.limits.texts_of_prefix, hashlib.sha256(f"texts to {prefix}".encode()).digest()),
            Spend(self.limits.texts_in_all, hashlib.sha256(b"texts in all").digest()),
        )
        counts = await self._durable.spend(*spends)
        over = [(s.limit, count) for s, count in zip(spends, counts, strict=True) if count.spent > s.limit.number]
        if not over:
            return None
        await self._durable.give_back(*spends)
        return self._reached(*over[0])

    async def admit_text_code(self, caller: Caller, account_id: str) -> Spend:
        """Spend for a code that proves a number, before it is looked at, across codes sent anew (SP 800-63B-4, 3.1.3).

        Raises:
            LimitReached: Whoever holds the session is guessing.
        """
        spend = Spend(self.limits.text_failures, self._digest(account_id))
        await self._spend_or_refuse(caller, account_id, spend)
        return spend

    async def text_code_succeeded(self, spend: Spend) -> None:
        """Forget wrong codes."""
        await self._limiter.forget(spend)
