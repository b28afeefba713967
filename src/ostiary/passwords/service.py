"""Passwords: weighed, set, verified, changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, Unpack

from ostiary.core.db import Duplicate
from ostiary.core.errors import FieldError, Problem
from ostiary.core.secrets import b64, plain_digest
from ostiary.passwords import queries
from ostiary.passwords.policy import PasswordPolicy, PasswordVerdict

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.core.hashing import Hasher
    from ostiary.protection import Protection
    from ostiary.sessions import Session, Sessions

NO_PASSWORD = "none"  # noqa: S105 - says that there is none


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


class Context(TypedDict, total=False):
    """What a password must not be made of."""

    username: str | None
    email: str | None
    full_name: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence that a password opened an account: the hash it matched, and what that shall become (D13)."""

    account_id: str
    matched: str
    becomes: str

    def __repr__(self) -> str:
        return f"Proof({self.account_id})"


@dataclass(frozen=True, slots=True)
class Passwords:
    """Keeps a hash for each account; never a password."""

    database: Database
    accounts: Accounts
    sessions: Sessions
    protection: Protection
    hasher: Hasher
    policy: PasswordPolicy

    async def weigh(self, caller: Caller, password: str, **context: Unpack[Context]) -> PasswordVerdict:
        """Return what the policy thinks of a password, and why; some milliseconds, off the loop.

        Raises:
            LimitReached: Too many from here; each costs real time.
        """
        await self.protection.admit_weighing(caller)
        return await asyncio.to_thread(lambda: self.policy.weigh(password, **context))

    async def hash_new(self, password: str, *, field: str = "password", **context: Unpack[Context]) -> str:
        """Return the hash of a password that the policy accepts.

        Raises:
            WeakPassword: It does not; says why, beside the field.
            TooBusy: The hashing pool is full.
        """
        await asyncio.to_thread(lambda: self.policy.check(password, field=field, **context))
        return await self.hasher.hash(password)

    async def set(self, unit: Unit, account_id: str, hashed: str) -> None:
        """Store the first hash of an account."""
        await unit.run(queries.SET, account_id=account_id, hash=hashed, now=unit.now)

    async def prove(self, account_id: str | None, password: str) -> Proof | None:
        """Return evidence that a password opens an account, or None.

        No account costs as much time as a wrong password: both verify one hash.

        Raises:
            TooBusy: The hashing pool is full; says when to come back.
        """
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

    async def mark(self, unit: Unit, account_id: str) -> str:
        """Return a name for the account's present password, from which nothing else can be learned.

        It changes with every change of the stored hash; without a password it is `none`.
        """
        stored = await unit.find(queries.FIND, account_id=account_id)
        return _mark(stored)

    async def replace(self, unit: Unit, account_id: str, mark: str, hashed: str) -> bool:
        """Put a hash in the place of the one that bears this mark; False if another stands there by now."""
        stored = await unit.find(queries.FIND, account_id=account_id)
        if _mark(stored) != mark:
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
            session = await self.sessions.reauthenticate(unit, session_id)
            unit.note("password.changed", account_id)
            unit.later(
                "letter", kind="password_changed", account_id=account_id, when=unit.now, agent=session.agent,
                address=caller.address or "unknown",
            )  # fmt: skip
        return account, session


def _mark(stored: queries.StoredHash | None) -> str:
    return b64(plain_digest(stored.hash)) if stored else NO_PASSWORD
