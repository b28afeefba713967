"""Exporting and erasing: what a person may ask of a house that knows them (R8)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ostiary.accounts import DISOWN, KEEP, NoSuchAccount, TokenSpent
from ostiary.core.clock import Millis, millis
from ostiary.core.errors import FieldError
from ostiary.passwords import WrongCurrentPassword
from ostiary.sessions import NotSignedIn

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts, Erasure, RestingNames
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.core.jobs import Outbox
    from ostiary.core.onetime import OneTimeTokens, Spent
    from ostiary.federation import Identities
    from ostiary.passwords import Passwords, Proof
    from ostiary.privacy.export import PersonalData
    from ostiary.privacy.settings import PrivacySettings
    from ostiary.protection import Protection
    from ostiary.sessions import Sessions

SWEEP = "privacy.sweep"
EXPORT_NAME = "ostiary-account.json"


class Kept(NamedTuple):
    """What a link that keeps an account is about."""

    account: Account
    erasure: Erasure


@dataclass(frozen=True, slots=True)
class Privacy:
    """Gives people what is stored about them, and erases it.

    The states and what moves between them: docs/explanation/privacy.md.
    """

    database: Database
    accounts: Accounts
    names: RestingNames
    passwords: Passwords
    identities: Identities
    sessions: Sessions
    protection: Protection
    tokens: OneTimeTokens
    outbox: Outbox
    data: PersonalData
    settings: PrivacySettings

    def serve(self) -> None:
        """Take on the jobs that erasing queues."""
        self.outbox.on(SWEEP, self.sweep)

    async def export(self, caller: Caller, account_id: str) -> AsyncIterator[bytes]:
        """Return everything about an account as parts of one JSON document; its owner is told by letter.

        Whoever iterates reads the database page by page; no transaction stays open in between.

        Raises:
            LimitReached: Enough for today; the keeper's own command has no limit.
            NoSuchAccount: It is not there.
        """
        if caller.account_id is not None:
            await self.protection.admit_export(caller, account_id)
        async with self.database.unit(caller) as unit:
            await self.accounts.get(unit, account_id)
            unit.note("account.exported", account_id)
            _tell(unit, "account_exported", account_id)
        return self.data.written(account_id)

    async def erase(self, caller: Caller, current_password: str) -> Erasure:
        """Close the caller's account at once, to be erased after the grace; the owner gets a link that keeps it.

        Of two who ask at once, both are told the same, and one letter goes.

        Args:
            caller: Who asks, after a sign-in just now.
            current_password: Once more; empty where the account has none, as whoever signs in otherwise may leave, too.

        Raises:
            WrongCurrentPassword: It is not the account's, or was just changed or chosen.
            LimitReached: Too many wrong ones.
            NotSignedIn: The account was closed in another way meanwhile.
            TooBusy: The hashing pool is full.
        """
        account_id = caller.account_id
        assert account_id is not None
        proof = None
        if current_password or await self.has_password(account_id):
            proof = await self.passwords.recheck(caller, account_id, current_password, field="current_password")
        async with self.database.unit(caller) as unit:
            if not await self._is_confirmed(unit, account_id, proof):
                raise WrongCurrentPassword(
                    errors=(FieldError("current_password", WrongCurrentPassword.title, "wrong"),)
                )
            erasure = await self._begin(unit, account_id, unit.now + millis(self.settings.grace))
            if erasure is None:
                raise NotSignedIn
            return erasure

    async def has_password(self, account_id: str) -> bool:
        """Return whether a password is asked for before an account is closed."""
        async with self.database.unit() as unit:
            return await self.passwords.has_one(unit, account_id)

    async def erase_for(self, caller: Caller, account_id: str, *, now: bool = False) -> Erasure:
        """Begin to erase somebody's account, as the keeper may who was asked; with `now`, erase it.

        Raises:
            NoSuchAccount: It is not there, or was opened or closed at the same moment.
        """
        async with self.database.unit(caller) as unit:
            due_at = unit.now if now else unit.now + millis(self.settings.grace)
            erasure = await self._begin(unit, account_id, due_at, is_told=not now)
            if erasure is None:
                raise NoSuchAccount("The account has just changed. Please try again.")
            if now:
                await self._erase(unit, account_id, by=max(unit.now, erasure.due_at))
        return erasure

    async def look(self, caller: Caller, token: str) -> Kept | None:
        """Return which account a link keeps, without using it up; None if it keeps none."""
        async with self.database.unit(caller) as unit:
            alive = await self.tokens.look(unit, KEEP, token)
            return await self._kept(unit, alive) if alive else None

    async def keep(self, caller: Caller, token: str) -> Account:
        """Cancel an erasure by the link in its letter: the account is what it was, and every session stays ended.

        Raises:
            TokenSpent: The link is unknown, used, too old, or of an erasure that was cancelled before.
        """
        async with self.database.unit(caller) as unit:
            alive = await self.tokens.look(unit, KEEP, token)
            kept = await self._kept(unit, alive) if alive else None
            # The erasure is the first row that all who decide about it write: of many, one ends it.
            if kept is None or not await self.accounts.keep(unit, kept.account.id):
                unit.note("account.keep_refused", alive.account_id if alive else None)
                raise TokenSpent
            if await self.tokens.spend(unit, KEEP, token) is None:
                unit.note("account.keep_refused", kept.account.id)
                raise TokenSpent
            await self.tokens.revoke_all(unit, KEEP, kept.account.id)
            _tell(unit, "account_kept", kept.account.id)
            return await self.accounts.get(unit, kept.account.id)

    async def keep_for(self, caller: Caller, account_id: str) -> bool:
        """Cancel an erasure, as the keeper may; False if there is none."""
        async with self.database.unit(caller) as unit:
            if not await self.accounts.keep(unit, account_id):
                return False
            await self.tokens.revoke_all(unit, KEEP, account_id)
            _tell(unit, "account_kept", account_id)
            return True

    async def tend(self, caller: Caller) -> int:
        """Erase what is due, each account in a unit of its own; return how many. Every process may do it at once."""
        await self.names.wake(self.database)
        erased = 0
        for erasure in await self.accounts.erasures_due(self.database.clock.now()):
            async with self.database.unit(caller) as unit:
                erased += await self._erase(unit, erasure.account_id, by=unit.now)
        return erased

    async def sweep(self, payload: dict[str, Any]) -> None:
        """Drop what is queued for an account that is gone; letters that were given up as well."""
        await self.outbox.forget(payload["erased"])

    async def _begin(self, unit: Unit, account_id: str, due_at: Millis, *, is_told: bool = True) -> Erasure | None:
        """Return the erasure that begins, or that has begun already; None if another act was quicker."""
        erasure = await self.accounts.begin_erasure(unit, account_id, due_at)
        if erasure is None:
            return await self.accounts.erasure_of(unit, account_id)
        await self.sessions.end_others(unit, account_id, "", "erased")
        if is_told:
            _tell(unit, "account_erasing", account_id, until=due_at)
        return erasure

    async def _is_confirmed(self, unit: Unit, account_id: str, proof: Proof | None) -> bool:
        """Return whether what was shown still holds in this unit.

        Raises:
            NotSignedIn: A sign-in is all that was shown, and its session has just ended.
        """
        if proof is not None:
            return await self.passwords.confirm(unit, proof)
        # "This wasn't me" takes the password away: under its lock, or a thief would be one who has none.
        await unit.lock(f"{DISOWN} {account_id}")
        account = await self.accounts.get(unit, account_id)
        if not await self.sessions.stands(unit, unit.caller.session_id or "", account):
            raise NotSignedIn
        return not await self.passwords.has_one(unit, account_id)  # one was chosen meanwhile: then it counts

    async def _erase(self, unit: Unit, account_id: str, *, by: Millis) -> bool:
        rest = unit.now + millis(self.settings.name_rest)
        farewell = await self.identities.farewell(unit, account_id)
        if not await self.accounts.erase(unit, account_id, by=by, names_rest_until=rest):
            return False
        self.identities.give_back(unit, farewell)
        unit.later(SWEEP, erased=account_id)
        return True

    async def _kept(self, unit: Unit, token: Spent) -> Kept | None:
        erasure = await self.accounts.erasure_of(unit, token.account_id)
        # A link names the asking that its letter told of: yesterday's does not cancel today's.
        if erasure is None or erasure.id != token.subject:
            return None
        return Kept(await self.accounts.get(unit, token.account_id), erasure)


def _tell(unit: Unit, kind: str, account_id: str, **more: Any) -> None:  # noqa: ANN401 - as a job's payload
    unit.later(
        "letter", kind=kind, account_id=account_id, when=unit.now, agent=unit.caller.agent or "",
        address=unit.caller.address or "unknown", **more,
    )  # fmt: skip
