"""Codes by text message as a second factor: a number added, proven, used, removed (R20).

A text is sent at most once, by the request that causes it and outside every unit; never by the outbox, which tries
again: a text costs money, and its code lives for five minutes (decision 39).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from ostiary.core.clock import iso, iso_or_none, millis
from ostiary.core.secrets import plain_digest
from ostiary.texts import queries
from ostiary.texts.carriers import NotSent, Text
from ostiary.texts.errors import NoPhone, TextCodeNotValid, TextNotSent, TextsNotOffered
from ostiary.texts.numbers import allowed_prefix, masked, read_number, unfit
from ostiary.web.reception import AddressNotProven

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.alerts import Alerts
    from ostiary.core.caller import Caller
    from ostiary.core.clock import Millis
    from ostiary.core.crypto import AccountKeys
    from ostiary.core.db import Database, Query, Unit
    from ostiary.core.secrets import Macs
    from ostiary.protection import Protection
    from ostiary.sessions import HeldFactor
    from ostiary.texts.carriers import Carrier
    from ostiary.texts.settings import TextSettings

ADD, SECOND_FACTOR = "add", "second_factor"
LIFETIME = timedelta(minutes=5)
DIGITS = 6
KEPT = timedelta(days=1)
CODE = "text code"
ALWAYS: Millis = 0

WORDS = {
    ADD: "{code} confirms this number for {product}.",
    SECOND_FACTOR: "{code} is your code to sign in to {product}.",
}
"""What a text begins with: for what its code is good."""


EndCodes = Callable[["Unit", str], Awaitable[None]]
"""Drops recovery codes if no second factor is left."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence that somebody reads what is sent to a number, to be confirmed in the unit that acts on it (D13)."""

    account_id: str
    purpose: str
    attempt: bytes = field(repr=False)
    matched: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Telephone:
    """An account's number as its owner sees it.

    Attributes:
        number: Masked.
    """

    number: str
    added_at: Millis
    last_used_at: Millis | None


@dataclass(frozen=True, slots=True)
class Texts:
    """Sends codes to the one number of an account; a `SecondFactor` of the front desk.

    Attributes:
        carrier: Who sends, or None.
        product: The product's name, as texts say it.
        host: Of the public address; browsers offer a code to its pages alone.
    """

    database: Database
    accounts: Accounts
    keys: AccountKeys
    macs: Macs
    protection: Protection
    alerts: Alerts
    end_codes: EndCodes
    carrier: Carrier | None
    settings: TextSettings
    product: str
    host: str

    method = "sms"
    amr = ("sms",)
    held: ClassVar[Query[HeldFactor]] = queries.HELD

    @property
    def are_offered(self) -> bool:
        """Whether there is somebody who sends, and somewhere to send to."""
        return self.carrier is not None and bool(self.settings.prefixes)

    # --- A number of one's own

    async def begin(self, caller: Caller, typed: str) -> None:
        """Send a code to a number that the caller wants to add.

        Raises:
            TextsNotOffered: There is nobody who sends, or nowhere to send to.
            InvalidFields: It is no mobile number, or texts do not go there.
            AddressNotProven: Nobody could be told of it.
            LimitReached: Too many of this account, from here, to this number, or in all today.
            TextNotSent: The provider did not take it.
        """
        self._require_offered()
        number = read_number(typed)
        account_id = caller.account_id or ""
        async with self.database.unit(caller) as unit:
            await self._require_able(unit, account_id)
        await self._send(caller, account_id, number, ADD, caller.session_id or "")

    async def pending(self, caller: Caller) -> str | None:
        """Return the masked number that the caller's session is about to add, or None."""
        account_id = caller.account_id or ""
        attempt = plain_digest(caller.session_id or "")
        async with self.database.unit(caller) as unit:
            sent = await unit.find(queries.PENDING, account_id=account_id, purpose=ADD, attempt=attempt, now=unit.now)
            return masked(await self._opened(unit, account_id, sent.sealed)) if sent else None

    async def finish(self, caller: Caller, code: str) -> None:
        """Make the number that a code was sent to the account's own, in the place of an older one; tell the owner.

        Raises:
            TextCodeNotValid: It is wrong, used, too old, of another session, or guessed at too often.
            AddressNotProven: Nobody could be told of it.
            LimitReached: Too many wrong codes today.
        """
        account_id = caller.account_id or ""
        spent = await self.protection.admit_text_code(caller, account_id)
        proof = await self._proven(caller, account_id, ADD, code, caller.session_id or "")
        async with self.database.unit(caller) as unit:
            if proof is None or not await self._spend(unit, proof):
                unit.note("phone.refused", account_id, reason="code")
                raise TextCodeNotValid
            await self._require_able(unit, account_id)
            await self._remove(unit, account_id, since=ALWAYS)
            # What was sealed for the code is sealed for this very account: the context names no more than that.
            await unit.run(
                queries.PUT_PHONE, account_id=account_id, sealed=proof.sealed, added_at=unit.now, last_used_at=None
            )
            number = await self._opened(unit, account_id, proof.sealed)
            unit.note("phone.added", account_id, private={"number": number})
            self._tell(unit, "phone_added", account_id, number)
        await self.protection.text_code_succeeded(spent)

    async def remove(self, caller: Caller) -> None:
        """Remove the caller's number, and tell the owner.

        Raises:
            NoPhone: There is none.
        """
        async with self.database.unit(caller) as unit:
            if not await self._remove(unit, caller.account_id or "", since=ALWAYS):
                raise NoPhone
            await self.end_codes(unit, caller.account_id or "")

    async def shown(self, account_id: str) -> Telephone | None:
        """Return an account's number as its owner sees it, or None."""
        async with self.database.unit() as unit:
            phone = await unit.find(queries.PHONE_OF, account_id=account_id)
            if phone is None:
                return None
            number = masked(await self._opened(unit, account_id, phone.sealed))
        return Telephone(number, phone.added_at, phone.last_used_at)

    # --- A second factor

    async def is_set_up(self, unit: Unit, account_id: str) -> bool:
        """Return whether an account has a number; also while nothing can be sent: what is owed stays owed (D14)."""
        return await unit.find(queries.PHONE_OF, account_id=account_id) is not None

    async def send(self, caller: Caller, account_id: str, bound_to: str) -> None:
        """Send a code to an account's number; an older one dies.

        Args:
            caller: Who asks.
            account_id: Whose number; from a proof that was verified, never from the request.
            bound_to: What alone the code is good for: the id of an attempt to sign in, or of a session.

        Raises:
            TextsNotOffered: There is nobody who sends, or texts go to that country no more.
            NoPhone: There is no number.
            LimitReached: Too many of this account, from here, to this number, or in all today.
            TextNotSent: The provider did not take it.
        """
        self._require_offered()
        async with self.database.unit(caller) as unit:
            phone = await unit.find(queries.PHONE_OF, account_id=account_id)
            if phone is None:
                raise NoPhone
            number = await self._opened(unit, account_id, phone.sealed)
        await self._send(caller, account_id, number, SECOND_FACTOR, bound_to)

    async def prove(self, caller: Caller, account_id: str, answer: str, bound_to: str) -> Proof | None:
        """Return evidence that somebody reads the texts to an account's number, or None.

        Five guesses for each code; how many for the account, whatever was sent anew, the front desk counts.
        """
        return await self._proven(caller, account_id, SECOND_FACTOR, answer, bound_to)

    async def confirm(self, unit: Unit, proof: Proof) -> bool:
        """Use a code up in this unit; False if somebody was quicker, or the number was removed meanwhile."""
        if proof.purpose != SECOND_FACTOR or not await self._spend(unit, proof):
            return False
        return bool(await unit.run(queries.USED, of_account=proof.account_id, now=unit.now))

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        """Remove an account's number, and every code that was sent to it."""
        await self._remove(unit, account_id, since=ALWAYS)

    async def forget_since(self, unit: Unit, account_id: str, since: Millis) -> None:
        """Remove an account's number if it was added since a moment: perhaps not by its owner."""
        await self._remove(unit, account_id, since=since)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return an account's number and what was sent to it, for its owner's export; never a code."""
        phone = await unit.find(queries.PHONE_OF, account_id=account_id)
        codes = await unit.all(queries.CODES_OF, account_id=account_id)
        return {
            "phone": phone and {
                "number": await self._opened(unit, account_id, phone.sealed), "added_at": iso(phone.added_at),
                "last_used_at": iso_or_none(phone.last_used_at),
            },
            "text_codes": [
                {
                    "purpose": one.purpose, "number": await self._opened(unit, account_id, one.sealed),
                    "sent_at": iso(one.sent_at), "expires_at": iso(one.expires_at), "guesses": one.guesses,
                    "spent_at": iso_or_none(one.spent_at),
                }
                for one in codes
            ],
        }  # fmt: skip

    async def prune(self) -> int:
        """Drop codes that nobody can use any more."""
        return await self.database.run(queries.PRUNE, before=self.database.clock.now() - millis(KEPT))

    # --- Sending

    async def _send(self, caller: Caller, account_id: str, number: str, purpose: str, bound_to: str) -> None:
        """Spend, keep the code's digest, and send it; in this order, so that nothing is sent that was not counted."""
        prefix = allowed_prefix(number, self.settings.prefixes, self.settings.barred)
        if prefix is None:
            if purpose == ADD:
                raise unfit("No text can be sent to this country.", "no-such-country")
            raise TextsNotOffered
        await self.protection.admit_text(caller, account_id, number)
        await self._spend_budget(caller, account_id, prefix)
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        attempt = plain_digest(bound_to)
        async with self.database.unit(caller) as unit:
            await unit.run(
                queries.PUT_CODE, account_id=account_id, purpose=purpose, attempt=attempt,
                digest=self.macs.digest(CODE, _message(purpose, account_id, attempt, code)),
                sealed=await self._sealed(unit, account_id, number), sent_at=unit.now,
                expires_at=unit.now + millis(LIFETIME), guesses=0, spent_at=None,
            )  # fmt: skip
        await self._hand_over(caller, account_id, Text(number, self._written(purpose, code)), purpose, prefix)

    async def _hand_over(self, caller: Caller, account_id: str, text: Text, purpose: str, prefix: str) -> None:
        assert self.carrier is not None
        try:
            await self.carrier.send(text)
        except NotSent as failure:
            async with self.database.unit(caller) as unit:
                unit.note("text.failed", account_id, reason=failure.reason, provider=failure.code, prefix=prefix)
                if not failure.is_about_number:
                    await self.alerts.raise_(unit, "texts_failing", subject=failure.reason, reason=failure.reason)
            if failure.is_about_number and purpose == ADD:
                raise unfit("No text can be sent to this number.", "not-reached") from None
            raise TextNotSent from None
        async with self.database.unit(caller) as unit:
            unit.note("text.sent", account_id, purpose=purpose, prefix=prefix)

    async def _spend_budget(self, caller: Caller, account_id: str, prefix: str) -> None:
        refusal = await self.protection.spend_text_budget(prefix)
        if refusal is None:
            return
        async with self.database.unit(caller) as unit:
            unit.note("text.refused", account_id, reason="budget", prefix=prefix)
            await self.alerts.raise_(unit, "text_budget_spent", subject=prefix, prefix=prefix)
        raise refusal

    def _written(self, purpose: str, code: str) -> str:
        words = WORDS[purpose].format(code=code, product=self.product)
        minutes = int(LIFETIME.total_seconds()) // 60
        # The last line is the form in which browsers find a code and offer it to pages of this host alone (WICG,
        # origin-bound one-time codes): a false page is offered none.
        return f"{words} It works for {minutes} minutes. Tell it to nobody.\n\n@{self.host} #{code}"

    # --- Between

    async def _proven(self, caller: Caller, account_id: str, purpose: str, answer: str, bound_to: str) -> Proof | None:
        attempt = plain_digest(bound_to)
        async with self.database.unit(caller) as unit:
            sent = await unit.find(
                queries.GUESS, of_account=account_id, for_purpose=purpose, of_attempt=attempt, now=unit.now
            )
        if sent is None:
            return None
        typed = "".join(c for c in answer[:32] if c not in " -\u00a0")
        for shown in self.macs.digests(CODE, _message(purpose, account_id, attempt, typed)):
            if secrets.compare_digest(shown, sent.digest):
                return Proof(account_id, purpose, attempt, sent.digest, sent.sealed)
        return None

    async def _spend(self, unit: Unit, proof: Proof) -> bool:
        return bool(
            await unit.run(
                queries.SPEND, of_account=proof.account_id, for_purpose=proof.purpose, of_attempt=proof.attempt,
                matched=proof.matched, now=unit.now,
            )
        )  # fmt: skip

    async def _remove(self, unit: Unit, account_id: str, *, since: Millis) -> bool:
        await unit.run(queries.DROP_CODES, of_account=account_id)  # whatever is under way is about a number that goes
        gone = await unit.find(queries.REMOVE, of_account=account_id, since=since)
        if gone is None:
            return False
        number = await self._opened(unit, account_id, gone.sealed)
        unit.note("phone.removed", account_id, private={"number": number})
        self._tell(unit, "phone_removed", account_id, number)
        return True

    def _tell(self, unit: Unit, kind: str, account_id: str, number: str) -> None:
        unit.later(
            "letter", kind=kind, account_id=account_id, when=unit.now, agent=unit.caller.agent or "",
            address=unit.caller.address or "unknown", number=masked(number),
        )  # fmt: skip

    def _require_offered(self) -> None:
        if not self.are_offered:
            raise TextsNotOffered

    async def _require_able(self, unit: Unit, account_id: str) -> None:
        account = await self.accounts.get(unit, account_id)
        if not account.is_alive or not account.email_verified:
            raise AddressNotProven

    async def _sealed(self, unit: Unit, account_id: str, number: str) -> bytes:
        wrapper = await self.keys.find(unit, account_id)
        assert wrapper is not None, "every account has a key"
        return wrapper.seal(number.encode("ascii"), _context(account_id))

    async def _opened(self, unit: Unit, account_id: str, sealed: bytes) -> str:
        wrapper = await self.keys.find(unit, account_id)
        assert wrapper is not None, "every account has a key"
        return wrapper.open(sealed, _context(account_id)).decode("ascii")


def _context(account_id: str) -> str:
    return f"phone number {account_id}"


def _message(purpose: str, account_id: str, attempt: bytes, code: str) -> str:
    """Return what a code's digest is made of: it is good for nothing else."""
    return f"{purpose} {account_id} {attempt.hex()} {code}"
