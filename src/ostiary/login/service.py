"""The front desk: combines proofs into a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.accounts import find_address_key, name_key, tell_of_lock, tell_of_refusal
from ostiary.core.secrets import new_id
from ostiary.federation import METHODS as ELSEWHERE
from ostiary.federation import ElsewhereRefused
from ostiary.passkeys import PasskeyRefused
from ostiary.passwords import PasswordChangeRequired, Proof, WrongPassword
from ostiary.protection import Attempt

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.alerts import Alerts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.federation import Entrance, Identities
    from ostiary.passkeys import Assertion, Passkeys
    from ostiary.passkeys import Proof as PasskeyProof
    from ostiary.passwords import Passwords
    from ostiary.protection import Attacks, Protection
    from ostiary.risk import Assessment, Risk
    from ostiary.sessions import Grant, Sessions

PASSWORD = "pwd"  # noqa: S105 - RFC 8176's word for the method
OF_ANY_NEW_BROWSER = frozenset({"device.new", "signin.first"})
"""Findings that an account's very first sign-in cannot be without."""


def folded(login: str) -> str:
    """Return a login as it is looked up and counted: every spelling of one name is one name."""
    return (find_address_key(login) if "@" in login else None) or name_key(login)


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown at the desk, and what is thought of it; the proof decides, the rest may refuse.

    Attributes:
        proof: That the password opens the account, or None.
        risk: Of this sign-in, judged for unknown names as well.
        must_change: Whether the password is breached, and has to be replaced first.
    """

    proof: Proof | None
    risk: Assessment
    must_change: bool


@dataclass(frozen=True, slots=True)
class Login:
    """Signs people in."""

    database: Database
    accounts: Accounts
    passwords: Passwords
    passkeys: Passkeys
    identities: Identities
    sessions: Sessions
    protection: Protection
    attacks: Attacks
    risk: Risk
    alerts: Alerts

    async def with_password(
        self, caller: Caller, login: str, password: str, *, solution: str | None = None
    ) -> Grant | PasswordChangeRequired:
        """Sign a device in by name or proven address, and password.

        Unknown, wrong, locked, inactive and refused for its risk look and last the same to a stranger (R7).

        Args:
            caller: Who asks; `device_id` if their browser is known.
            login: A username or a proven address, in any spelling.
            password: As typed.
            solution: Of the challenge that an earlier refusal carried (R12).

        Raises:
            WrongPassword: The pair opens no account, or policy refuses this sign-in.
            Locked: Too many wrong ones for this name.
            LimitReached: Too many from here.
            ProofOfWorkNeeded: The house is on guard against strangers.
            AddressBlocked: The address is blocked to strangers.
            TooBusy: The hashing pool is full.
        """
        account_id, known = await self._named(caller, login)
        attempt = await self.protection.admit_login(
            caller, folded(login), account_id, known_device=known, sprayed=self.attacks.is_sprayed(password),
            solution=solution,
        )  # fmt: skip
        # Asked and judged for every attempt, so that no refusal is told by the time that it took.
        must_change = await self.passwords.must_change(password)
        risk = await self._judged(caller, attempt, breached=must_change)
        # Past the account's budget the time is spent all the same, on a decoy.
        proof = await self.passwords.prove(account_id if attempt.may_check else None, password)
        entered = await self._enter(caller, attempt, Shown(proof, risk, must_change))
        if entered is None:
            await self.attacks.look_at_failure(caller, attempt, password)
            raise WrongPassword
        await self.protection.login_succeeded(attempt)
        return entered

    async def with_replacement(self, caller: Caller, ticket: str, new_password: str) -> Grant | PasswordChangeRequired:
        """Replace a password whose breach is known, and go on as if its successor had been typed.

        Raises:
            TicketSpent: The ticket is not valid, or the account or its password is not what it was.
            WeakPassword: The new one will not do; the ticket stays good.
            WrongPassword: Policy refuses this sign-in.
            Locked: Too many wrong passwords for this account since.
            LimitReached: Too many from here.
            TooBusy: The hashing pool is full.
        """
        proof = await self.passwords.replace(caller, ticket, new_password)
        async with self.database.unit(caller) as unit:
            known = await self._knows(unit, proof.account_id)
        attempt = Attempt.earned(proof.account_id, is_known_device=known)
        risk = await self._judged(caller, attempt, breached=False)
        entered = await self._enter(caller, attempt, Shown(proof, risk, must_change=False))
        if entered is None:
            raise WrongPassword
        return entered

    async def with_passkey(self, caller: Caller, answer: Assertion, browser: str | None) -> Grant:
        """Sign a device in by what its authenticator answered, without a name.

        A locked name is no concern of it: a signature is not guessed (D5). Two factors are shown at once, so that
        policy has nothing to ask for but may still refuse.

        Args:
            caller: Who asks; `device_id` if their browser is known.
            answer: What the authenticator said.
            browser: The id in the cookie that its challenge is bound to.

        Raises:
            PasskeyRefused: It opens no account, or policy refuses this sign-in.
            LimitReached: Too many failed from here.
            AddressBlocked: The address is blocked to strangers.
        """
        async with self.database.unit(caller) as unit:
            owner_id = await self.passkeys.owner_of(unit, answer.credential_id)
            known = await self._knows(unit, owner_id or "")
        spend = await self.protection.admit_passkey(caller, owner_id, known_device=known)
        proof = await self.passkeys.prove(caller, answer, browser)
        risk = await self._judged(caller, Attempt.earned(proof.account_id, is_known_device=known), breached=False)
        entered = await self._enter_by_passkey(caller, proof, risk)
        if entered is None:
            raise PasskeyRefused
        await self.protection.passkey_succeeded(proof.account_id, spend)
        return entered

    async def with_identity(self, caller: Caller, entrance: Entrance) -> Grant:
        """Sign a device in by what a provider has said, in answer to a question of this browser.

        A locked name is no concern of it: nothing is guessed here (D5). It is one factor, whatever the provider
        asked for: a second one that the account has is owed as after a password.

        Args:
            caller: Who asks; `device_id` if their browser is known.
            entrance: Who they are, and the account that it opens.

        Raises:
            ElsewhereRefused: The account is closed, was ended since, or policy refuses this sign-in.
            AddressBlocked: The address is blocked to strangers.
        """
        account_id = entrance.connection.account_id
        async with self.database.unit(caller) as unit:
            known = await self._knows(unit, account_id)
        if not known:
            await self.protection.refuse_blocked(caller, account_id)
        attempt = Attempt.earned(account_id, is_known_device=known)
        risk = await self._judged(caller, attempt, breached=False)
        entered = await self._enter_by_identity(caller, entrance, attempt, risk)
        if entered is None:
            raise ElsewhereRefused
        await self.protection.passkey_succeeded(account_id, None)
        return entered

    async def _enter_by_identity(
        self, caller: Caller, entrance: Entrance, attempt: Attempt, risk: Assessment
    ) -> Grant | None:
        """Start the session that was earned; None if none was, and what is told of that is queued."""
        async with self.database.unit(caller) as unit:
            if not await self.identities.confirm(unit, entrance):
                return None
            account = await self.accounts.get(unit, entrance.connection.account_id)
            if not account.is_alive or account.epoch != entrance.epoch:
                unit.note("login.refused", account.id, reason="epoch" if account.is_alive else account.status)
                return None
            if self._is_refused(attempt, account, risk):
                await self._note_refusal(unit, account, risk)
                return None
            return await self._start(unit, account, risk, ELSEWHERE)

    async def _enter_by_passkey(self, caller: Caller, proof: PasskeyProof, risk: Assessment) -> Grant | None:
        """Start the session that was earned; None if none was, and what is told of that is queued."""
        async with self.database.unit(caller) as unit:
            if not await self.passkeys.confirm(unit, proof):
                return None
            account = await self.accounts.get(unit, proof.account_id)
            if not account.is_alive or account.epoch != proof.epoch:
                unit.note("login.refused", account.id, reason="epoch" if account.is_alive else account.status)
                return None
            if risk.action == "deny":
                await self._note_refusal(unit, account, risk)
                return None
            return await self._start(unit, account, risk, proof.methods)

    async def _named(self, caller: Caller, login: str) -> tuple[str | None, bool]:
        """Return whom a login names, and whether the caller's browser is known to that account."""
        async with self.database.unit(caller) as unit:
            account_id = await self.accounts.find_by_login(unit, login)
            # Asked for unknown names as well: whoever brings a device learns nothing from the time.
            return account_id, await self._knows(unit, account_id or "")

    async def _knows(self, unit: Unit, account_id: str) -> bool:
        """Return whether the caller's browser was signed in to an account before, or let in by its owner."""
        device_id = unit.caller.device_id
        if not device_id:
            return False
        signed_in = await self.sessions.knows_device(unit, account_id, device_id)
        return signed_in or await self.protection.knows_device(unit, account_id, device_id)

    async def _judged(self, caller: Caller, attempt: Attempt, *, breached: bool) -> Assessment:
        async with self.database.unit(caller) as unit:
            return await self.risk.look(
                unit, caller, attempt.account_id or "", known_device=attempt.is_known_device,
                failures=attempt.failures, under_review=self.protection.is_under_review(attempt), breached=breached,
                under_attack=self.protection.is_on_guard(caller),
            )  # fmt: skip

    async def _enter(self, caller: Caller, attempt: Attempt, shown: Shown) -> Grant | PasswordChangeRequired | None:
        """Start the session that was earned; None if none was.

        A refusal is no error of this unit: what it tells the owner has to be queued with it.
        """
        async with self.database.unit(caller) as unit:
            proof = shown.proof
            if proof is None or not await self.passwords.confirm(unit, proof):
                await self._note_failure(unit, attempt)
                return None
            account = await self.accounts.get(unit, proof.account_id)
            if not account.is_alive:
                unit.note("login.refused", account.id, reason=account.status)
                return None
            if self._is_refused(attempt, account, shown.risk):
                await self._note_refusal(unit, account, shown.risk)
                return None
            if shown.must_change:
                return await self.passwords.demand_change(unit, account, proof)
            return await self._start(unit, account, shown.risk, (PASSWORD,))

    async def _start(self, unit: Unit, account: Account, risk: Assessment, methods: tuple[str, ...]) -> Grant:
        caller = unit.caller
        is_news = await self._is_news(unit, account, risk)
        session = await self.sessions.start(
            unit, account, methods=methods, device_id=caller.device_id or new_id(unit.now)
        )
        await self.risk.learn(unit, account.id, risk)
        unit.note(
            "login.succeeded", account.id, session_id=session.id, methods=list(methods), risk=risk.details(),
            private={"facts": risk.private()},
        )  # fmt: skip
        if is_news and account.email_verified:
            unit.later(
                "letter", kind="new_sign_in", account_id=account.id, when=unit.now, agent=caller.agent or "",
                address=caller.address or "unknown",
            )  # fmt: skip
        return self.sessions.grant(account, session)

    async def _is_news(self, unit: Unit, account: Account, risk: Assessment) -> bool:
        """Return whether the owner is to hear of a sign-in that is let in.

        Of each browser that was never signed in to the account, once, whatever the policy weighs; and of what the
        policy finds strange. Not of the very first sign-in of all: to an account that is new every browser is.
        """
        is_strange = risk.facts.known_device or any(reason.code not in OF_ANY_NEW_BROWSER for reason in risk.reasons)
        if is_strange and risk.action != "allow":
            return True
        return not risk.facts.known_device and (risk.facts.signins > 0 or await self.sessions.has_any(unit, account.id))

    def _is_refused(self, attempt: Attempt, account: Account, risk: Assessment) -> bool:
        """Return whether policy lets this right password not pass by itself.

        A challenge is a second proof; whoever has none proves it by the link in the letter. A browser that was
        signed in before is one already. Without a proven address there is nobody to write to: strangers who fail
        often enough could then shut the owner out for good, which no policy wants (D5).
        """
        if risk.action == "challenge":
            return account.email_verified and not attempt.is_known_device
        return risk.action == "deny"

    async def _note_failure(self, unit: Unit, attempt: Attempt) -> None:
        unit.note("login.failed", attempt.account_id)
        if attempt.locks:  # of a name that nobody has as well: what is queued for nobody is dropped, later
            tell_of_lock(unit, attempt.account_id or "")
        if attempt.account_id and self.protection.puts_under_review(attempt):
            unit.note("account.reviewed", attempt.account_id, failures=attempt.failures + 1)
            await self.alerts.raise_(unit, "account_under_review", account_id=attempt.account_id)

    async def _note_refusal(self, unit: Unit, account: Account, risk: Assessment) -> None:
        unit.note("login.refused", account.id, reason="risk", risk=risk.details(), private={"facts": risk.private()})
        if risk.action == "challenge":
            tell_of_refusal(unit, account.id)
        else:
            await self.alerts.raise_(unit, "sign_in_denied", account_id=account.id)
