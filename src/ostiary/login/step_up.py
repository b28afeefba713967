"""Stepping up: somebody who is signed in proves anew who they are, in the session that they have (R21, RFC 9470)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ostiary.core.errors import FieldError
from ostiary.login.entrance import Entered, Evidence
from ostiary.passkeys import Asked, PasskeyRefused
from ostiary.passwords import WrongCurrentPassword
from ostiary.sessions import NotSignedIn

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.client import Strength
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database
    from ostiary.login.entrance import Entrance
    from ostiary.login.factors import SecondFactors
    from ostiary.passkeys import Assertion, Passkeys
    from ostiary.passkeys import Proof as PasskeyProof
    from ostiary.passwords import Passwords
    from ostiary.protection import Protection
    from ostiary.sessions import Grant

PASSWORD_FIELD = "password"  # noqa: S105 - a field's name


@dataclass(frozen=True, slots=True)
class Offers:
    """What an account can show first to step up, and how far that leads at most."""

    has_password: bool
    strongest: Strength

    @property
    def has_passkey(self) -> bool:
        """Whether it has a passkey, which is enough by itself."""
        return self.strongest == "phr"


@dataclass(frozen=True, slots=True)
class StepUp:
    """Makes the session that somebody is in as young and as strong as what they show now; starts none."""

    database: Database
    accounts: Accounts
    passwords: Passwords
    passkeys: Passkeys
    protection: Protection
    factors: SecondFactors
    entrance: Entrance

    async def by_password(self, caller: Caller, password: str) -> Entered:
        """Step the caller's session up by the password, and by a second factor if the account has one.

        Never by the password alone where there is more: `auth_time` would tell of the weaker proof.

        Raises:
            WrongCurrentPassword: It is not the account's.
            LimitReached: Whoever holds the session is guessing.
            NotSignedIn: The session is over.
            TooBusy: The hashing pool is full.
        """
        account_id, session_id = _inside(caller)
        proof = await self.passwords.recheck(caller, account_id, password, field=PASSWORD_FIELD)
        async with self.database.unit(caller) as unit:
            if not await self.passwords.confirm(unit, proof):  # changed at this very moment
                wrong = FieldError(PASSWORD_FIELD, WrongCurrentPassword.title, "wrong")
                raise WrongCurrentPassword(errors=(wrong,))
            account = await self.accounts.get(unit, account_id)
            held = await self.factors.held(unit, account_id)
            if self.factors.is_owed(held, proof.methods):
                evidence = Evidence(proof.methods, proof.mark)
                return await self.entrance.owe(unit, account, evidence, held, session_id)
            grant = await self.entrance.step_up(unit, account, session_id, proof.methods)
            if grant is None:
                raise NotSignedIn
            return grant

    async def passkey_options(self, caller: Caller) -> dict[str, Any]:
        """Return what a browser needs to show one of the caller's passkeys.

        Raises:
            PasskeyRefused: The account has none.
        """
        account_id, session_id = _inside(caller)
        async with self.database.unit(caller) as unit:
            return await self.passkeys.begin(unit, Asked.by_session(session_id, account_id))

    async def by_passkey(self, caller: Caller, answer: Assertion) -> Grant:
        """Step the caller's session up by a passkey alone.

        Raises:
            PasskeyRefused: It is not the account's, or not an answer to what this session asked.
            LimitReached: Too many failed from here.
            NotSignedIn: The session is over.
        """
        account_id, session_id = _inside(caller)
        async with self.database.unit(caller) as unit:
            known = await self.entrance.knows(unit, account_id)
        spend = await self.protection.admit_passkey(caller, account_id, known_device=known)
        proof = await self.passkeys.prove(caller, answer, Asked.by_session(session_id, account_id))
        grant = await self._raise(caller, session_id, proof)
        if grant is None:
            raise PasskeyRefused
        await self.protection.passkey_succeeded(account_id, spend)
        return grant

    async def offers(self, account_id: str) -> Offers:
        """Return by what an account can step up."""
        async with self.database.unit() as unit:
            has_password = await self.passwords.has_one(unit, account_id)
        return Offers(has_password, await self.factors.highest(account_id))

    async def forget_browsers(self, caller: Caller) -> None:
        """Ask every browser of the caller for the second factor again."""
        account_id, _ = _inside(caller)
        async with self.database.unit(caller) as unit:
            await self.entrance.browsers.forget_all(unit, account_id)

    async def _raise(self, caller: Caller, session_id: str, proof: PasskeyProof) -> Grant | None:
        """Step up; None if the proof does not stand, and what is told of that is queued."""
        async with self.database.unit(caller) as unit:
            if not await self.passkeys.confirm(unit, proof):
                return None
            account = await self.accounts.get(unit, proof.account_id)
            if not account.is_alive or account.epoch != proof.epoch:
                raise NotSignedIn
            grant = await self.entrance.step_up(unit, account, session_id, proof.methods)
            if grant is None:
                raise NotSignedIn
            return grant


def _inside(caller: Caller) -> tuple[str, str]:
    """Return account and session of somebody who is signed in."""
    if not caller.account_id or not caller.session_id:
        raise NotSignedIn
    return caller.account_id, caller.session_id
