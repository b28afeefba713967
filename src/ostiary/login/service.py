"""The front desk: combines proofs into a session. What comes after the first proof: `second_step`, `entrance`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ostiary.accounts import find_address_key, name_key, tell_of_lock
from ostiary.login.entrance import Entered, Evidence
from ostiary.passkeys import Asked, PasskeyRefused
from ostiary.passwords import Proof, WrongPassword
from ostiary.protection import Attempt

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.alerts import Alerts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.login.entrance import Entrance
    from ostiary.login.factors import SecondFactors
    from ostiary.passkeys import Assertion, Passkeys
    from ostiary.passkeys import Proof as PasskeyProof
    from ostiary.passwords import Passwords, StoredHash
    from ostiary.protection import Attacks, Protection
    from ostiary.risk import Assessment
    from ostiary.sessions import Grant


def folded(login: str) -> str:
    """Return a login as it is looked up and counted: every spelling of one name is one name."""
    return (find_address_key(login) if "@" in login else None) or name_key(login)


class _Overtaken(Exception):  # noqa: N818 - no error: it says what happened, and is caught here
    """The stored hash is another by now than the one that the password matched."""

    def __init__(self, standing: StoredHash | None) -> None:
        super().__init__()
        self.standing = standing


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
    """Looks at the first proof of who somebody is."""

    database: Database
    accounts: Accounts
    passwords: Passwords
    passkeys: Passkeys
    protection: Protection
    attacks: Attacks
    alerts: Alerts
    factors: SecondFactors
    entrance: Entrance

    async def with_password(self, caller: Caller, login: str, password: str, *, solution: str | None = None) -> Entered:
        """Sign a device in by name or proven address, and password, as far as that leads.

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
        breached = await self.passwords.is_breached(password)
        risk = await self.entrance.judged(caller, attempt, breached=breached)
        # Past the account's budget the time is spent all the same, on a decoy.
        proof = await self.passwords.prove(account_id if attempt.may_check else None, password)
        shown = Shown(proof, risk, breached and self.passwords.changes_breached)
        try:
            entered = await self._enter(caller, attempt, shown)
        except _Overtaken as by:  # a change, or another sign-in that renewed the hash: what stands now decides
            proof = await self.passwords.prove(account_id, password, by.standing)
            entered = await self._enter(caller, attempt, replace(shown, proof=proof), is_last=True)
        if entered is None:
            await self.attacks.look_at_failure(caller, attempt, password)
            raise WrongPassword
        await self.protection.login_succeeded(attempt)
        return entered

    async def with_replacement(self, caller: Caller, ticket: str, new_password: str) -> Entered:
        """Replace a password whose breach is known, and go on as if its successor had been typed.

        Raises:
            TicketSpent: The ticket is not valid, the account or its password is not what it was, or the account has
                a second factor by now, which was not shown to get the ticket.
            WeakPassword: The new one will not do; the ticket stays good.
            WrongPassword: Policy refuses this sign-in.
            Locked: Too many wrong passwords for this account since.
            LimitReached: Too many from here.
            TooBusy: The hashing pool is full.
        """
        proof = await self.passwords.replace(caller, ticket, new_password, self._is_enough)
        async with self.database.unit(caller) as unit:
            known = await self.entrance.knows(unit, proof.account_id)
        attempt = Attempt.earned(proof.account_id, is_known_device=known)
        risk = await self.entrance.judged(caller, attempt)
        entered = await self._enter(caller, attempt, Shown(proof, risk, must_change=False), is_last=True)
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
            known = await self.entrance.knows(unit, owner_id or "")
        spend = await self.protection.admit_passkey(caller, owner_id, known_device=known)
        proof = await self.passkeys.prove(caller, answer, Asked.by_browser(browser or ""))
        risk = await self.entrance.judged(caller, Attempt.earned(proof.account_id, is_known_device=known))
        entered = await self._enter_by_passkey(caller, proof, risk)
        if entered is None:
            raise PasskeyRefused
        await self.protection.passkey_succeeded(proof.account_id, spend)
        return entered

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
                await self.entrance.note_refusal(unit, account, risk)
                return None
            return await self.entrance.start(unit, account, risk, proof.methods)

    async def _named(self, caller: Caller, login: str) -> tuple[str | None, bool]:
        """Return whom a login names, and whether the caller's browser is known to that account."""
        async with self.database.unit(caller) as unit:
            account_id = await self.accounts.find_by_login(unit, login)
            # Asked for unknown names as well: whoever brings a device learns nothing from the time.
            return account_id, await self.entrance.knows(unit, account_id or "")

    async def _enter(self, caller: Caller, attempt: Attempt, shown: Shown, *, is_last: bool = False) -> Entered | None:
        """Start the session that was earned, or ask for what is owed for it; None if nothing was earned.

        A refusal is no error of this unit: what it tells the owner has to be queued with it.

        Raises:
            _Overtaken: The hash that the password matched is no longer the account's; not for the last try.
        """
        async with self.database.unit(caller) as unit:
            proof = shown.proof
            # Read for wrong passwords and unknown names as well: an account that is not alive is told by no time (R7).
            account = await self.accounts.find(unit, attempt.account_id or "")
            if proof is None or account is None:
                await self._note_failure(unit, attempt)
                return None
            if not account.is_alive:
                unit.note("login.refused", account.id, reason=account.status)
                return None
            if not await self.passwords.confirm(unit, proof):
                if not is_last:
                    raise _Overtaken(await self.passwords.standing(unit, proof.account_id))
                await self._note_failure(unit, attempt)
                return None
            held = await self.factors.held(unit, account.id)
            has_second = self.factors.is_owed(held, ())
            if self.entrance.refuses(attempt, account, shown.risk, has_second=has_second):
                await self.entrance.note_refusal(unit, account, shown.risk)
                return None
            evidence = Evidence(proof.methods, proof.mark, shown.must_change)
            return await self.entrance.go_on(unit, account, evidence, shown.risk, held)

    async def _is_enough(self, unit: Unit, account_id: str, methods: tuple[str, ...]) -> bool:
        return not self.factors.is_owed(await self.factors.held(unit, account_id), methods)

    async def _note_failure(self, unit: Unit, attempt: Attempt) -> None:
        unit.note("login.failed", attempt.account_id)
        if attempt.locks:  # of a name that nobody has as well: what is queued for nobody is dropped, later
            tell_of_lock(unit, attempt.account_id or "")
        if attempt.account_id and self.protection.puts_under_review(attempt):
            unit.note("account.reviewed", attempt.account_id, failures=attempt.failures + 1)
            await self.alerts.raise_(unit, "account_under_review", account_id=attempt.account_id)
