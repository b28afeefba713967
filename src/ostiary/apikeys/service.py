"""API keys: issued, listed, rotated, revoked (R42)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from ostiary.apikeys import queries
from ostiary.apikeys.errors import ApiKeyRotated, NoSuchApiKey, TooManyApiKeys
from ostiary.apikeys.form import new_key, renewed
from ostiary.apikeys.queries import ApiKey
from ostiary.apikeys.wanted import NewKey, end_of
from ostiary.core.clock import iso, iso_or_none, millis
from ostiary.core.errors import FieldError, InvalidFields
from ostiary.web.reception import AddressNotProven

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.apikeys.digests import Digests
    from ostiary.apikeys.queries import Owned
    from ostiary.apikeys.settings import ApiKeySettings
    from ostiary.core.caller import Caller
    from ostiary.core.clock import Millis
    from ostiary.core.db import Database, Unit

RequireSession = Callable[["Unit", "Account"], Awaitable[None]]
"""Refuses whoever acts in a unit if their session is over."""

BATCH = 200
"""Keys that one transaction revokes at most where all are to go: others can write in between."""

KEPT = timedelta(days=30)
"""How long the row of a key stays that is over: its owner may ask what became of it."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A key with its text, which is shown once and stored nowhere."""

    key: ApiKey
    text: str

    def __repr__(self) -> str:
        return f"Issued({self.key.id})"


class ApiKeys:
    """Keeps what tells a genuine key; never the key."""

    def __init__(
        self, database: Database, accounts: Accounts, require_session: RequireSession, digests: Digests,
        settings: ApiKeySettings,
    ) -> None:  # fmt: skip
        self._database = database
        self._accounts = accounts
        self._require_session = require_session
        self._digests = digests
        self._settings = settings

    @property
    def longest_overlap(self) -> timedelta:
        """How long at most the old secret of a rotated key stays good."""
        return self._settings.longest_overlap

    @property
    def longest_lifetime(self) -> timedelta | None:
        """After this every new key ends; None where it may have no end."""
        return self._settings.longest_lifetime

    async def issue(self, caller: Caller, account_id: str, wanted: NewKey) -> Issued:
        """Make a key for an account, and tell its owner.

        Raises:
            AddressNotProven: Nobody could be told of it.
            TooManyApiKeys: The account has as many as it can.
            InvalidFields: It would end too early or too late.
            NoSuchAccount: It is not there.
            NotSignedIn: The session that it was asked in is over.
            TooBusy: The hashing pool is full, where keys are stored by a slow hash.
        """
        now = self._database.clock.now()
        expires_at = end_of(wanted.expires_at, now, self._settings.longest_lifetime)
        async with self._database.unit(caller) as unit:
            await self._able(unit, account_id)  # before anything is hashed
        id_, text = new_key(self._settings.prefix, now)
        digest = await self._digests.make(text)
        async with self._database.unit(caller) as unit:
            await unit.lock(f"apikeys {account_id}")  # until the unit ends nobody else counts
            epoch = (await self._able(unit, account_id)).epoch
            if (await unit.get(queries.COUNT, account_id=account_id, epoch=epoch)).number >= self._settings.most:
                raise TooManyApiKeys
            key = self._new(id_, account_id, epoch, wanted, digest, now, expires_at)
            await unit.run(queries.DROP_DEAD, of_account=account_id, epoch=epoch)
            await unit.run(queries.ADD, **{name: getattr(key, name) for name in ApiKey.__struct_fields__})
            unit.note(
                "apikey.issued", account_id, key=key.id, scopes=list(wanted.scopes), expires_at=expires_at,
                private={"name": key.name, "networks": key.networks},
            )  # fmt: skip
            _tell(unit, "api_key_made", account_id, key.name, key.hint)
        return Issued(key, text)

    async def rotate(self, caller: Caller, account_id: str, key_id: str, overlap: timedelta) -> Issued:
        """Give a key a new secret; the old one stays good for a while, and older ones end.

        Raises:
            NoSuchApiKey: It is not a living key of this account.
            ApiKeyRotated: Another rotation was quicker.
            InvalidFields: The overlap is longer than it may be.
            NotSignedIn: The session that it was asked in is over.
            TooBusy: The hashing pool is full, where keys are stored by a slow hash.
        """
        if not timedelta(0) <= overlap <= self._settings.longest_overlap:
            most = int(self._settings.longest_overlap.total_seconds())
            error = FieldError("overlap_seconds", f"The old secret can stay good for {most} seconds at most.", "bounds")
            raise InvalidFields(errors=(error,))
        before = await self._living(account_id, key_id)
        text = renewed(self._settings.prefix, key_id)
        digest = await self._digests.make(text)
        async with self._database.unit(caller) as unit:
            account = await self._owner(unit, account_id)
            key = await unit.find(
                queries.ROTATE, key_id=key_id, of_account=account_id, epoch=account.epoch,
                seen=before.generation, becomes=digest, begins=self._settings.prefix, now=unit.now,
                overlap_ends_at=unit.now + millis(overlap),
            )  # fmt: skip
            if key is None:
                raise ApiKeyRotated if await self._lives(unit, before) else NoSuchApiKey
            unit.note("apikey.rotated", account_id, key=key_id, overlap_ends_at=key.previous_ends_at)
            unit.signal("apikey", key_id)
            _tell(unit, "api_key_rotated", account_id, key.name, key.hint)
        return Issued(key, text)

    async def listed(self, account_id: str) -> list[ApiKey]:
        """Return an account's keys, the oldest first; those whose time has run out too, for a while."""
        account = await self._accounts.remembered(account_id)
        if account is None:
            return []
        return await self._database.all(queries.LIVING, account_id=account_id, epoch=account.epoch)

    async def find(self, key_id: str) -> ApiKey | None:
        """Return a key as stored, or None."""
        return await self._database.find(queries.BY_ID, key_id=key_id)

    async def revoke(self, caller: Caller, account_id: str, key_id: str, reason: str = "by-owner") -> None:
        """Revoke one key of an account; every process refuses it at once.

        Raises:
            NoSuchApiKey: It is none of this account, or was revoked before.
            NotSignedIn: The session that it was asked in is over.
        """
        async with self._database.unit(caller) as unit:
            await self._owner(unit, account_id)
            revoked = await unit.find(queries.REVOKE, key_id=key_id, of_account=account_id, now=unit.now)
            if revoked is None:
                raise NoSuchApiKey
            self._note(unit, revoked, reason)
            _tell(unit, "api_key_revoked", account_id, revoked.name, revoked.hint)

    async def revoke_all(self, unit: Unit, account_id: str, reason: str) -> int:
        """Revoke every key of an account, and tell its owner once; return how many."""
        revoked = await unit.all(queries.REVOKE_ALL, of_account=account_id, now=unit.now)
        for key in revoked:
            self._note(unit, key, reason)
        if revoked:
            names = ", ".join(key.name for key in revoked[:10]) + (" …" if len(revoked) > 10 else "")
            _tell(unit, "api_key_revoked", account_id, names, f"{len(revoked)} in all")
        return len(revoked)

    async def revoke_everybodys(self, caller: Caller, reason: str) -> int:
        """Revoke every key that is there now, a batch at a time; return how many. Letters are the keeper's to send.

        If it is interrupted, what was revoked stays revoked; ask again for the rest.
        """
        until, after, count = self._database.clock.now(), "", 0
        while True:
            async with self._database.unit(caller) as unit:
                last = (await unit.get(queries.BATCH_END, after=after, until=until, most=BATCH)).id
                if last is None:
                    return count
                for key in await unit.all(queries.REVOKE_BATCH, after=after, last=last, until=until, now=unit.now):
                    self._note(unit, key, reason)
                    count += 1
            after = last

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return an account's keys for its export, without what proves anything."""
        found = await unit.all(queries.OF_ACCOUNT, account_id=account_id)
        times = ("previous_ends_at", "rotated_at", "expires_at", "revoked_at", "last_used_at")
        hidden = ("account_id", "account_epoch", "digest", "previous_digest", "created_at", *times)
        return {
            "api_keys": [
                {name: value for name, value in msgspec.structs.asdict(key).items() if name not in hidden}
                | {"epoch": key.account_epoch, "created_at": iso(key.created_at)}
                | {name: iso_or_none(getattr(key, name)) for name in times}
                for key in found
            ]
        }

    async def prune(self) -> int:
        """Delete the rows of keys that have been over for a month."""
        return await self._database.run(queries.PRUNE, before=self._database.clock.now() - millis(KEPT))

    async def _owner(self, unit: Unit, account_id: str) -> Account:
        """Return the account whose keys the unit is about to change.

        Who asks for themselves asks in a session, which is looked at in the very unit that acts: what a thief has
        asked for before it ended must not be done afterwards, least of all under the epoch that ended it (D13).
        """
        account = await self._accounts.get(unit, account_id)
        if unit.caller.account_id is not None:  # and not the keeper
            await self._require_session(unit, account)
        return account

    async def _able(self, unit: Unit, account_id: str) -> Account:
        """Return an account that can have a key: a person with a proven address, or a machine."""
        account = await self._owner(unit, account_id)
        # Else whoever opens an account in somebody's name would keep a key to it.
        if not account.is_alive or not (account.email_verified or account.is_machine):
            raise AddressNotProven
        return account

    async def _living(self, account_id: str, key_id: str) -> ApiKey:
        now = self._database.clock.now()
        for key in await self.listed(account_id):
            if key.id == key_id and not key.is_over(now):
                return key
        raise NoSuchApiKey

    async def _lives(self, unit: Unit, before: ApiKey) -> bool:
        key = await unit.find(queries.BY_ID, key_id=before.id)
        return key is not None and key.revoked_at is None and key.generation != before.generation

    def _new(
        self, id_: str, account_id: str, epoch: int, wanted: NewKey, digest: str, now: Millis, expires_at: Millis | None
    ) -> ApiKey:
        return ApiKey(
            id=id_, account_id=account_id,
            account_epoch=epoch,  # if everything is ended, this ends with it (D13)
            name=wanted.name, prefix=self._settings.prefix, scopes=" ".join(wanted.scopes),
            networks=" ".join(wanted.networks), generation=1, digest=digest, previous_digest=None,
            previous_ends_at=None, created_at=now, rotated_at=None, expires_at=expires_at, revoked_at=None,
            last_used_at=None,
        )  # fmt: skip

    @staticmethod
    def _note(unit: Unit, revoked: Owned, reason: str) -> None:
        unit.note("apikey.revoked", revoked.account_id, key=revoked.id, reason=reason, private={"name": revoked.name})
        unit.signal("apikey", revoked.id)


def _tell(unit: Unit, kind: str, account_id: str, name: str, hint: str) -> None:
    unit.later(
        "letter", kind=kind, account_id=account_id, when=unit.now, agent=unit.caller.agent or "",
        address=unit.caller.address or "unknown", name=name, key=hint,
    )  # fmt: skip
