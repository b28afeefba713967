"""The second step of a sign-in: a factor is shown beside what the ticket stands for (D13, R20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ostiary.core.errors import FieldError, InvalidFields
from ostiary.login.entrance import Entered, Evidence
from ostiary.login.errors import SecondFactorRefused, SignInRefused
from ostiary.login.factors import Sent
from ostiary.passkeys import Asked, PasskeyRefused
from ostiary.passwords import TicketSpent
from ostiary.protection import Attempt
from ostiary.sessions import Grant, acr_of, together

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.login.entrance import Entrance
    from ostiary.login.factors import FactorProof, SecondFactor, SecondFactors
    from ostiary.login.tickets import Pending, Tickets
    from ostiary.passkeys import Assertion, Passkeys
    from ostiary.passkeys import Proof as PasskeyProof
    from ostiary.protection import Guess, Protection
    from ostiary.risk import Assessment


@dataclass(frozen=True, slots=True)
class Waiting:
    """An attempt that waits, and what its account can show for it.

    Attributes:
        methods: The API's words for what can be shown.
        is_step_up: Whether it is about a session that is there already.
    """

    methods: tuple[str, ...]
    is_step_up: bool


@dataclass(frozen=True, slots=True)
class SecondStep:
    """Looks at second factors, and ends the attempt that they were shown for."""

    database: Database
    passkeys: Passkeys
    protection: Protection
    factors: SecondFactors
    tickets: Tickets
    entrance: Entrance

    async def waiting(self, caller: Caller, ticket: str) -> Waiting:
        """Return what an attempt waits for; uses nothing up.

        Raises:
            TicketSpent: The ticket is not valid, or the account is not what it was.
        """
        async with self.database.unit(caller) as unit:
            pending = await self.tickets.look(unit, ticket)
            methods = self.factors.methods(await self.factors.held(unit, pending.account.id))
        return Waiting(methods, bool(pending.earned.session_id))

    async def send(self, caller: Caller, ticket: str, method: str) -> None:
        """Send the code of a factor that is sent.

        Raises:
            TicketSpent: The ticket is not valid, or the account is not what it was.
            InvalidFields: The account has no such factor, or nothing is sent for it.
            LimitReached: Enough were sent.
        """
        pending, factor, _ = await self._asked(caller, ticket, method)
        if not isinstance(factor, Sent):
            raise _no_such_method()
        await factor.send(caller, pending.account.id, pending.id)

    async def by_code(self, caller: Caller, ticket: str, method: str, code: str, *, remember: bool = False) -> Entered:
        """End an attempt by what was typed.

        Args:
            caller: Who asks; for a ticket that steps a session up, from that session.
            ticket: Stays good while codes are wrong.
            method: One that the account has.
            code: As typed.
            remember: Whether this browser shall not be asked for a while.

        Raises:
            TicketSpent: The ticket is not valid, or the account is not what it was.
            InvalidFields: The account has no such factor.
            LimitReached: Too many wrong ones for this account, by whatever ticket.
            SecondFactorRefused: It is wrong, too old, or was used before.
            SignInRefused: Policy refuses this sign-in.
        """
        pending, factor, known = await self._asked(caller, ticket, method)
        guess = await self.protection.guesses.admit(caller, pending.account.id, known_device=known)
        proof: FactorProof | None = await factor.prove(caller, pending.account.id, code, pending.id)
        if proof is None or proof.account_id != pending.account.id:
            await self._refused(caller, pending, method, guess)
            raise SecondFactorRefused
        risk = await self._judged(caller, pending, known=known)
        async with self.database.unit(caller) as unit:
            pending = await self.tickets.hold(unit, ticket)
            if not await factor.confirm(unit, proof):
                unit.note("factor.refused", pending.account.id, method=method, reason="used")
                raise SecondFactorRefused
            entered = await self._finish(unit, ticket, pending, factor.amr, risk, remember=remember)
        await self.protection.guesses.succeeded(guess)
        return entered

    async def passkey_options(self, caller: Caller, ticket: str) -> dict[str, Any]:
        """Return what a browser needs to show one of the account's passkeys for an attempt.

        Raises:
            TicketSpent: The ticket is not valid, or the account is not what it was.
            PasskeyRefused: The account has none.
        """
        async with self.database.unit(caller) as unit:
            pending = await self.tickets.look(unit, ticket)
            return await self.passkeys.begin(unit, Asked.by_attempt(pending.id, pending.account.id))

    async def by_passkey(self, caller: Caller, ticket: str, answer: Assertion, *, remember: bool = False) -> Entered:
        """End an attempt by what an authenticator answered. Nobody guesses a signature: no guesses are counted (D5).

        Raises:
            TicketSpent: The ticket is not valid, or the account is not what it was.
            PasskeyRefused: It is not the account's, or not an answer to what this ticket asked.
            LimitReached: Too many failed from here.
            AddressBlocked: The address is blocked to strangers.
            SignInRefused: Policy refuses this sign-in.
        """
        async with self.database.unit(caller) as unit:
            pending = await self.tickets.look(unit, ticket)
            known = await self.entrance.knows(unit, pending.account.id)
        account_id = pending.account.id
        spend = await self.protection.admit_passkey(caller, account_id, known_device=known)
        proof = await self.passkeys.prove(caller, answer, Asked.by_attempt(pending.id, account_id))
        risk = await self._judged(caller, pending, known=known)
        entered = await self._enter_by_passkey(caller, ticket, proof, risk, remember=remember)
        if entered is None:
            raise PasskeyRefused
        await self.protection.passkey_succeeded(account_id, spend)
        return entered

    async def _enter_by_passkey(
        self, caller: Caller, ticket: str, proof: PasskeyProof, risk: Assessment | None, *, remember: bool
    ) -> Entered | None:
        """Return how it goes on; None if the proof does not stand, and what is told of that is queued."""
        async with self.database.unit(caller) as unit:
            pending = await self.tickets.hold(unit, ticket)
            if proof.epoch != pending.account.epoch or not await self.passkeys.confirm(unit, proof):
                return None
            return await self._finish(unit, ticket, pending, proof.methods, risk, remember=remember)

    async def _asked(self, caller: Caller, ticket: str, method: str) -> tuple[Pending, SecondFactor, bool]:
        """Return the attempt, the factor of that name, and whether the caller's browser is known to the account."""
        async with self.database.unit(caller) as unit:
            pending = await self.tickets.look(unit, ticket)
            held = await self.factors.held(unit, pending.account.id)
            known = await self.entrance.knows(unit, pending.account.id)
        factor = self.factors.code(held, method)
        if factor is None:
            raise _no_such_method()
        return pending, factor, known

    async def _refused(self, caller: Caller, pending: Pending, method: str, guess: Guess) -> None:
        account = pending.account
        async with self.database.unit(caller) as unit:
            unit.note("factor.refused", account.id, method=method, reason="wrong")
            if guess.is_last and account.email_verified:  # whoever it is has the password
                unit.later(
                    "letter", kind="second_factor_refused", account_id=account.id, when=unit.now,
                    agent=caller.agent or "", address=caller.address or "unknown",
                )  # fmt: skip

    async def _judged(self, caller: Caller, pending: Pending, *, known: bool) -> Assessment | None:
        """Return what is thought of a sign-in; None where a session is there already."""
        if pending.earned.session_id:
            return None
        earned = pending.earned
        attempt = Attempt.earned(pending.account.id, is_known_device=known, failures=earned.failures)
        return await self.entrance.judged(caller, attempt, breached=earned.breached)

    async def _finish(
        self, unit: Unit, ticket: str, pending: Pending, more: tuple[str, ...], risk: Assessment | None, *,
        remember: bool,
    ) -> Entered:  # fmt: skip
        """Use the ticket up, in the unit that has used the factor up, and return what both are good for together."""
        await self.tickets.spend(unit, ticket, pending)
        account, earned = pending.account, pending.earned
        methods = together(earned.methods, more)
        if acr_of(methods) == "aal1":  # two of one kind are one
            raise SecondFactorRefused
        if risk is None:
            grant = await self.entrance.step_up(unit, account, earned.session_id, methods)
            if grant is None:
                raise TicketSpent
            return grant
        if risk.action == "deny":
            await self.entrance.note_refusal(unit, account, risk)
            raise SignInRefused
        held = await self.factors.held(unit, account.id)
        entered = await self.entrance.go_on(
            unit, account, Evidence(methods, earned.mark, earned.must_change), risk, held
        )
        if remember and isinstance(entered, Grant):
            await self.entrance.browsers.remember(unit, account, entered.session.device_id or "", earned.mark, held)
        return entered


def _no_such_method() -> InvalidFields:
    return InvalidFields(errors=(FieldError("method", "This account has no such second factor.", "unknown"),))
