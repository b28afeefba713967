"""The front desk: combines proofs into a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.accounts import find_address_key, name_key
from ostiary.core.caller import Caller
from ostiary.core.secrets import new_id
from ostiary.passwords import Proof, WrongPassword

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.core.db import Database
    from ostiary.passwords import Passwords
    from ostiary.protection import Protection
    from ostiary.sessions import Grant, Sessions

PASSWORD = "pwd"  # noqa: S105 - RFC 8176's word for the method


def folded(login: str) -> str:
    """Return a login as it is looked up and counted: every spelling of one name is one name."""
    return (find_address_key(login) if "@" in login else None) or name_key(login)


@dataclass(frozen=True, slots=True)
class Login:
    """Signs people in."""

    database: Database
    accounts: Accounts
    passwords: Passwords
    sessions: Sessions
    protection: Protection

    async def with_password(self, caller: Caller, login: str, password: str, *, solution: str | None = None) -> Grant:
        """Sign a device in by name or proven address, and password.

        Unknown, wrong, locked and inactive look and last the same to a stranger (R7).

        Args:
            caller: Who asks; `device_id` if their browser is known.
            login: A username or a proven address, in any spelling.
            password: As typed.
            solution: Of the challenge that an earlier refusal carried (R12).

        Raises:
            WrongPassword: The pair opens no account.
            Locked: Too many wrong ones for this name.
            LimitReached: Too many from here.
            TooBusy: The hashing pool is full.
        """
        async with self.database.unit(caller) as unit:
            account_id = await self.accounts.find_by_login(unit, login)
            # Asked for unknown names as well: whoever brings a device learns nothing from the time.
            known = bool(caller.device_id) and await self.sessions.knows_device(
                unit, account_id or "", caller.device_id or ""
            )
        attempt = await self.protection.admit_login(
            caller, folded(login), account_id, known_device=known, solution=solution
        )
        # Past the account's budget the time is spent all the same, on a decoy.
        proof = await self.passwords.prove(account_id if attempt.may_check else None, password)
        grant = await self._start(caller, account_id, proof)
        await self.protection.login_succeeded(attempt)
        return grant

    async def _start(self, caller: Caller, account_id: str | None, proof: Proof | None) -> Grant:
        async with self.database.unit(caller) as unit:
            if proof is None or not await self.passwords.confirm(unit, proof):
                unit.note("login.failed", account_id)
                raise WrongPassword
            account = await self.accounts.get(unit, proof.account_id)
            if not account.is_alive:
                unit.note("login.refused", account.id, reason=account.status)
                raise WrongPassword
            device_id = caller.device_id or new_id(unit.now)
            session = await self.sessions.start(unit, account, methods=(PASSWORD,), device_id=device_id)
            unit.note("login.succeeded", account.id, session_id=session.id, methods=[PASSWORD])
        return self.sessions.grant(account, session)
