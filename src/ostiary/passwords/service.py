"""Passwords: weighed, set, verified, changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from ostiary.accounts import name_key
from ostiary.core.clock import iso, iso_or_none
from ostiary.core.db import Duplicate
from ostiary.core.errors import FieldError, Problem
from ostiary.core.secrets import b64, plain_digest
from ostiary.passwords import queries
from ostiary.passwords.breaches import Breaches
from ostiary.passwords.policy import PasswordPolicy, PasswordVerdict, Reason

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.core.hashing import Hasher
    from ostiary.core.onetime import OneTimeTokens
    from ostiary.protection import Protection
    from ostiary.sessions import Session, Sessions

NO_PASSWORD = "none"  # noqa: S105 - says that there is none
BY_PASSWORD = "pwd"  # noqa: S105 - RFC 8176's word for the method

REPLACE, REPLACE_WITHIN = "password.replace", timedelta(minutes=10)
BREACHED = Reason("breached", "This password is known from a data breach: guessing programs try it first.")

Enough = Callable[["Unit", str, tuple[str, ...]], Awaitable[bool]]


class WrongPassword(Problem):
    """One answer for every wrong pair: nobody learns who lives here (R7)."""

    slug = "wrong-password"
    title = "The name or the password is not right."
    status = 401


class WrongCurrentPassword(Problem):
    """The password asked again inside a session is not the account's."""

    slug = "wrong-current-password"
    title = "Your current password is not right."
    status = 401


class TicketSpent(Problem):
    """One answer for a ticket that is unknown, used, too old, or whose password was replaced in another way."""

    slug = "ticket-not-valid"
    title = "This step took too long, or was done already. Please sign in again."
    status = 401


class Context(TypedDict, total=False):
    """What a password must not be made of."""

    username: str | None
    email: str | None
    full_name: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence that a password opened an account: the hash it matched, and what that shall become (D13).

    Attributes:
        methods: What was shown in all: more than the password where a second factor came before its replacement.
    """

    account_id: str
    matched: str
    becomes: str
    methods: tuple[str, ...] = (BY_PASSWORD,)

    @property
    def mark(self) -> str:
        """The mark of the password that was proven, once the proof is confirmed."""
        return _mark(self.becomes)

    def __repr__(self) -> str:
        return f"Proof({self.account_id})"


@dataclass(frozen=True, slots=True)
class PasswordChangeRequired:
    """A right password that opens nothing but its own replacement.

    Attributes:
        ticket: Shown once; replaces the password within ten minutes.
        reason: Why, in a word for programs.
    """

    ticket: str
    reason: str

    def __repr__(self) -> str:
        return f"PasswordChangeRequired({self.reason})"


@dataclass(frozen=True, slots=True)
class Passwords:
    """Keeps a hash for each account; never a password."""

    database: Database
    accounts: Accounts
    sessions: Sessions
    protection: Protection
    hasher: Hasher
    policy: PasswordPolicy
    breaches: Breaches
    tokens: OneTimeTokens

    async def weigh(self, caller: Caller, password: str, **context: Unpack[Context]) -> PasswordVerdict:
        """Return what the policy thinks of a password, and why; some milliseconds, off the loop.

        Raises:
            LimitReached: Too many from here; each costs real time.
        """
        await self.protection.admit_weighing(caller)
        return await asyncio.to_thread(lambda: self.examine(password, **context))

    def examine(self, password: str, **context: Unpack[Context]) -> PasswordVerdict:
        """Return what the policy and the filter of breaches think of a password; call it in a thread."""
        verdict = self.policy.weigh(password, **context)
        return verdict.against(BREACHED) if self.breaches.holds(password) else verdict

    async def hash_new(self, password: str, *, field: str = "password", **context: Unpack[Context]) -> str:
        """Return the hash of a password that the policy accepts and no breach has brought to light.

        Raises:
            WeakPassword: It will not do; says why, beside the field.
            TooBusy: The hashing pool is full.
        """
        verdict = await asyncio.to_thread(lambda: self.examine(password, **context))
        # A service elsewhere is asked last, and about nothing that is refused anyway.
        if verdict.acceptable and await self.breaches.ask(password):
            verdict = verdict.against(BREACHED)
        verdict.require(field)
        return await self.hasher.hash(password)

    async def set(self, unit: Unit, account_id: str, hashed: str) -> None:
        """Store the first hash of an account."""
        await unit.run(queries.SET, account_id=account_id, hash=hashed, now=unit.now)

    async def prove(
        self, account_id: str | None, password: str, standing: queries.StoredHash | None = None
    ) -> Proof | None:
        """Return evidence that a password opens an account, or None.

        No account costs as much time as a wrong password: both verify one hash.

        Args:
            account_id: Whose, or None for a name that nobody has.
            password: As typed.
            standing: What `standing` has found, where it is known to be newer than what can be read outside a unit.

        Raises:
            TooBusy: The hashing pool is full; says when to come back.
        """
        stored = standing
        if stored is None:
            stored = await self.database.find(queries.FIND, account_id=account_id or "")
        known = account_id is not None and stored is not None
        verdict = await self.hasher.verify(stored.hash if stored and known else self.hasher.decoy, password)
        if account_id is None or stored is None or not verdict.matches:
            return None
        return Proof(account_id, stored.hash, verdict.renewed_hash or stored.hash)

    async def confirm(self, unit: Unit, proof: Proof) -> bool:
        """Return whether the proof still stands in this unit; upgrades an outdated hash on the way."""
        return bool(
            await unit.run(
                queries.CONFIRM, of_account=proof.account_id, was=proof.matched, becomes=proof.becomes, now=unit.now
            )
        )

    async def standing(self, unit: Unit, account_id: str) -> queries.StoredHash | None:
        """Return the account's hash as this unit sees it: of a commit that is under way as well (SQLite)."""
        return await unit.find(queries.FIND, account_id=account_id)

    async def is_breached(self, password: str) -> bool:
        """Return whether the breach of a password is known.

        Asked for wrong ones as well, so that the time tells nothing (R7). A
        service elsewhere is not asked: it would hear of every sign-in.
        """
        return await self.breaches.know(password)

    @property
    def changes_breached(self) -> bool:
        """Whether a password that is right has to be replaced at once when its breach is known."""
        return self.policy.settings.change_breached

    async def demand_change(
        self, unit: Unit, account: Account, mark: str, methods: tuple[str, ...]
    ) -> PasswordChangeRequired:
        """Return a ticket that replaces a password that was confirmed in this unit, and does nothing else.

        Args:
            unit: The transaction.
            account: Whose it is.
            mark: Of that password.
            methods: What was shown to get here; it need not be shown once more when the password is replaced.
        """
        subject = f"{_standing(account, mark)} {' '.join(methods)}"
        ticket = await self.tokens.issue(unit, REPLACE, account.id, subject, REPLACE_WITHIN)
        unit.note("password.change_required", account.id, reason=BREACHED.code)
        return PasswordChangeRequired(ticket, BREACHED.code)

    async def replace(self, caller: Caller, ticket: str, new_password: str, is_enough: Enough) -> Proof:
        """Replace the password that a ticket is about, and return the proof of the new one; every session ends.

        Args:
            caller: Who asks.
            ticket: From `demand_change`.
            new_password: As typed.
            is_enough: Says whether what was shown to get the ticket is enough for the account as it is now.

        Raises:
            TicketSpent: The ticket is not valid, or the account or its password is not what it was.
            Locked: Too many wrong passwords since.
            LimitReached: Too many from here.
            WeakPassword: The new one will not do; the ticket stays good.
            TooBusy: The hashing pool is full.
        """
        async with self.database.unit(caller) as unit:
            account, was, _ = await self._ticket_holder(unit, ticket)
            known = await self._knows(unit, account.id)
        await self.protection.admit_ticket(caller, name_key(account.username), account.id, known_device=known)
        hashed = await self.hash_new(
            new_password, field="new_password", username=account.username, email=account.email,
            full_name=account.full_name,
        )  # fmt: skip
        async with self.database.unit(caller) as unit:
            account, _, methods = await self._ticket_holder(unit, ticket)
            if not await is_enough(unit, account.id, methods):
                raise TicketSpent
            if await self.tokens.spend(unit, REPLACE, ticket) is None or not await unit.run(
                queries.CHANGE, of_account=account.id, was=was, becomes=hashed, now=unit.now
            ):  # another was quicker
                raise TicketSpent
            await self.sessions.end_others(unit, account.id, "", "password-changed")
            self._tell(unit, account.id, caller.agent or "")
        return Proof(account.id, hashed, hashed, methods)

    async def _knows(self, unit: Unit, account_id: str) -> bool:
        """Return whether the caller's browser was signed in before, or let in by its owner, as at a sign-in (D5)."""
        device_id = unit.caller.device_id
        if not device_id:
            return False
        signed_in = await self.sessions.knows_device(unit, account_id, device_id)
        return signed_in or await self.protection.knows_device(unit, account_id, device_id)

    async def _ticket_holder(self, unit: Unit, ticket: str) -> tuple[Account, str, tuple[str, ...]]:
        """Return whose ticket it is, the hash that it may replace, and what was shown to get it."""
        alive = await self.tokens.look(unit, REPLACE, ticket)
        if alive is None:
            raise TicketSpent
        account = await self.accounts.get(unit, alive.account_id)
        stored = await unit.find(queries.FIND, account_id=account.id)
        epoch, mark, *methods = alive.subject.split(" ")
        if not account.is_alive or stored is None or _standing(account, _mark(stored.hash)) != f"{epoch} {mark}":
            unit.note("password.ticket_refused", account.id)
            raise TicketSpent
        return account, stored.hash, tuple(methods)

    def _tell(self, unit: Unit, account_id: str, agent: str) -> None:
        unit.note("password.changed", account_id)
        unit.later(
            "letter", kind="password_changed", account_id=account_id, when=unit.now, agent=agent,
            address=unit.caller.address or "unknown",
        )  # fmt: skip

    async def mark(self, unit: Unit, account_id: str) -> str:
        """Return a name for the account's present password, from which nothing else can be learned.

        It changes with every change of the stored hash; without a password it is `none`.
        """
        stored = await unit.find(queries.FIND, account_id=account_id)
        return _mark(stored.hash) if stored else NO_PASSWORD

    async def stands(self, unit: Unit, account_id: str, mark: str) -> bool:
        """Return whether an account's password is still the one of a mark; until the unit ends nobody changes it."""
        stored = await unit.find(queries.FIND, account_id=account_id)
        if stored is None or mark == NO_PASSWORD:
            return stored is None and mark == NO_PASSWORD
        if _mark(stored.hash) != mark:
            return False
        return bool(
            await unit.run(queries.CONFIRM, of_account=account_id, was=stored.hash, becomes=stored.hash, now=unit.now)
        )

    async def held_mark(self, unit: Unit, account_id: str) -> str:
        """Return the mark, which stays true until the unit ends: nobody changes the password meanwhile."""
        stored = await unit.find(queries.HOLD, of_account=account_id)
        return _mark(stored.hash) if stored else NO_PASSWORD

    async def has_one(self, unit: Unit, account_id: str) -> bool:
        """Return whether an account has a password."""
        return await unit.find(queries.FIND, account_id=account_id) is not None

    async def exchange(self, unit: Unit, account_id: str, mark: str, hashed: str) -> bool:
        """Put a hash in the place of the one that bears this mark; False if another stands there by now."""
        stored = await unit.find(queries.FIND, account_id=account_id)
        if (_mark(stored.hash) if stored else NO_PASSWORD) != mark:
            return False
        if stored is not None:
            changed = await unit.run(
                queries.CHANGE, of_account=account_id, was=stored.hash, becomes=hashed, now=unit.now
            )
            return bool(changed)
        try:
            await self.set(unit, account_id, hashed)
        except Duplicate:  # another first password was quicker
            return False
        return True

    async def forget(self, unit: Unit, account_id: str) -> None:
        """Remove the account's hash: no password opens it until its owner chooses a new one."""
        if await unit.run(queries.FORGET, account_id=account_id):
            unit.note("password.forgotten", account_id)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return what may be said about an account's password, for its owner's export: when, never what."""
        used = await unit.find(queries.USED, account_id=account_id)
        told = used and {"changed_at": iso(used.changed_at), "used_at": iso_or_none(used.used_at)}
        return {"password": told}

    async def recheck(self, caller: Caller, account_id: str, password: str, *, field: str) -> Proof:
        """Ask for the password again inside a session.

        Raises:
            WrongCurrentPassword: It is not the account's.
            LimitReached: Whoever holds the session is guessing.
            TooBusy: The hashing pool is full.
        """
        spent = await self.protection.admit_recheck(caller, account_id)
        proof = await self.prove(account_id, password)
        if proof is None:
            async with self.database.unit(caller) as unit:
                unit.note("password.recheck_failed", account_id)
                raise WrongCurrentPassword(errors=(FieldError(field, WrongCurrentPassword.title, "wrong"),))
        await self.protection.recheck_succeeded(spent)
        return proof

    async def change(self, caller: Caller, current_password: str, new_password: str) -> tuple[Account, Session]:
        """Replace the caller's password; every other session ends.

        Raises:
            WrongCurrentPassword: The current one is not right.
            WeakPassword: The new one will not do; says why.
            LimitReached: Too many wrong ones.
            TooBusy: The hashing pool is full.
        """
        account_id, session_id = caller.account_id, caller.session_id
        assert account_id is not None
        assert session_id is not None
        proof = await self.recheck(caller, account_id, current_password, field="current_password")
        async with self.database.unit(caller) as unit:
            account = await self.accounts.get(unit, account_id)
        hashed = await self.hash_new(
            new_password, field="new_password", username=account.username, email=account.email,
            full_name=account.full_name,
        )  # fmt: skip
        async with self.database.unit(caller) as unit:
            changed = await unit.run(
                queries.CHANGE, of_account=account_id, was=proof.matched, becomes=hashed, now=unit.now
            )
            if not changed:  # another change was quicker
                raise WrongCurrentPassword(
                    errors=(FieldError("current_password", WrongCurrentPassword.title, "wrong"),)
                )
            await self.sessions.end_others(unit, account_id, session_id, "password-changed")
            session = await self.sessions.rechecked(unit, session_id, BY_PASSWORD)
            self._tell(unit, account_id, session.agent)
        return account, session


def _standing(account: Account, mark: str) -> str:
    """Return what must not have changed while a ticket is good: the password, and the account's epoch (D13)."""
    return f"{account.epoch} {mark}"


def _mark(hashed: str) -> str:
    return b64(plain_digest(hashed))
