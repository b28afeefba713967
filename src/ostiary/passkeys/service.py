"""Passkeys: added, shown, renamed, removed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ostiary.accounts import clean_display_text, describe_agent
from ostiary.core.clock import Millis, iso
from ostiary.core.db import Duplicate
from ostiary.core.secrets import new_id
from ostiary.passkeys import queries
from ostiary.passkeys.attestation import OF_POLICY, Attestation
from ostiary.passkeys.ceremony import (
    CREATE,
    Attested,
    Made,
    Registration,
    Site,
    Unconvincing,
    verify_registration,
)
from ostiary.passkeys.challenges import REGISTRATION, Challenges, Issued
from ostiary.passkeys.errors import (
    AuthenticatorNotAllowed,
    LastWayIn,
    NoSuchPasskey,
    PasskeyNotAccepted,
    TooManyPasskeys,
)
from ostiary.passkeys.options import creation_options
from ostiary.passkeys.proving import PasskeyProofs
from ostiary.passkeys.queries import Passkey
from ostiary.sessions import NotSignedIn
from ostiary.web.reception import AddressNotProven

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.alerts import Alerts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.core.secrets import Macs
    from ostiary.passkeys.settings import PasskeySettings
    from ostiary.sessions import Sessions

HANDLE_BYTES = 64
LONGEST_NAME = 60
TRANSPORTS = frozenset({"usb", "nfc", "ble", "smart-card", "hybrid", "internal"})
"""Section 5.8.4; others are left out."""

HasPassword = Callable[["Unit", str], Awaitable[bool]]
EndCodes = Callable[["Unit", str], Awaitable[None]]
"""Drops recovery codes if no second factor is left."""


class Passkeys(PasskeyProofs):
    """Keeps a public key for each authenticator; never a secret."""

    def __init__(
        self, database: Database, accounts: Accounts, sessions: Sessions, alerts: Alerts, macs: Macs,
        has_password: HasPassword, end_codes: EndCodes, site: Site, settings: PasskeySettings,
    ) -> None:  # fmt: skip
        super().__init__(database, accounts, alerts, Challenges(macs, database.clock), site)
        self._sessions = sessions
        self._has_password = has_password
        self._end_codes = end_codes
        self._settings = settings
        self._attestation = Attestation(settings)

    # --- Adding

    async def begin_registration(self, caller: Caller) -> dict[str, Any]:
        """Return what the caller's browser needs to make a passkey (PublicKeyCredentialCreationOptionsJSON).

        Raises:
            NotSignedIn: The session has just ended.
            AddressNotProven: Nobody could be told of it.
            TooManyPasskeys: The account has as many as it can.
        """
        async with self._database.unit(caller) as unit:
            account = await self._able(unit, caller)
            handle = await self._handle(unit, account.id)
            held = await unit.all(queries.OF_ACCOUNT, account_id=account.id)
        challenge = self.challenges.issue(REGISTRATION, caller.session_id or "")
        return creation_options(self.site, account, handle, challenge, held, self._attestation.options())

    async def finish_registration(self, caller: Caller, answer: Registration, name: str = "") -> Passkey:
        """Store the passkey that the caller's browser has made, and tell the owner.

        Args:
            caller: Who asks; from the session that began.
            answer: What the authenticator said.
            name: The owner's word for it; empty is named by the browser.

        Raises:
            PasskeyNotAccepted: The answer fails a step, or was given before.
            AuthenticatorNotAllowed: Attestation is asked for, and this one's make will not do.
            NotSignedIn: The session has just ended.
            AddressNotProven: Nobody could be told of it.
            TooManyPasskeys: The account has as many as it can.
            InvalidFields: The name is too long.
        """
        name = clean_display_text(name, LONGEST_NAME, field="name") or describe_agent(caller.agent or "")
        try:
            challenge = self.issued(answer.client_data, CREATE, REGISTRATION, caller.session_id or "")
            made = await asyncio.to_thread(verify_registration, answer, self.site, self._judge(answer))
        except Unconvincing as doubt:
            is_policy = doubt.reason in OF_POLICY
            await self.refuse(
                caller, caller.account_id, doubt.reason,
                AuthenticatorNotAllowed() if is_policy else PasskeyNotAccepted(),
            )  # fmt: skip
        async with self._database.unit(caller) as unit:
            account = await self._able(unit, caller)
            passkey = _passkey(unit.now, account.id, made, answer.transports, name)
            await self._add(unit, challenge, passkey)
            self.tell(unit, "passkey_added", passkey)
        return passkey

    def _judge(self, answer: Registration) -> Callable[[Attested], str]:
        at = self._database.clock.now()
        return lambda told: self._attestation.judge(told, answer.client_data, at)

    async def _add(self, unit: Unit, challenge: Issued, passkey: Passkey) -> None:
        if not await self.challenges.spend(unit, challenge):
            unit.note("passkey.refused", passkey.account_id, reason="spent")
            raise PasskeyNotAccepted
        try:
            await unit.run(queries.ADD, **{name: getattr(passkey, name) for name in Passkey.__struct_fields__})
        except Duplicate:  # of this account or of another: whose, nobody is told
            unit.note("passkey.refused", passkey.account_id, reason="known")
            raise PasskeyNotAccepted from None
        unit.note(
            "passkey.added", passkey.account_id, passkey=passkey.id, aaguid=passkey.aaguid,
            backup_eligible=passkey.backup_eligible, attestation=passkey.attestation, private={"name": passkey.name},
        )  # fmt: skip

    async def _able(self, unit: Unit, caller: Caller) -> Account:
        """Return the caller's account if it can have one more passkey; until the unit ends nobody else changes them.

        The session is looked at under the lock that `forget_all` takes, too: what a thief has asked for before
        "this wasn't me" must not be stored after it.
        """
        account_id = caller.account_id or ""
        await unit.lock(_lock_of(account_id))
        account = await self._accounts.get(unit, account_id)
        if not await self._sessions.stands(unit, caller.session_id or "", account):
            raise NotSignedIn
        if not account.is_alive or not account.email_verified:
            raise AddressNotProven
        if await self._count(unit, account_id) >= self._settings.most:
            raise TooManyPasskeys
        return account

    async def _handle(self, unit: Unit, account_id: str) -> bytes:
        await unit.run(queries.NAME_OWNER, account_id=account_id, handle=secrets.token_bytes(HANDLE_BYTES))
        return (await unit.get(queries.HANDLE, account_id=account_id)).handle

    # --- Keeping

    async def listed(self, account_id: str) -> list[Passkey]:
        """Return an account's passkeys, the oldest first."""
        return await self._database.all(queries.OF_ACCOUNT, account_id=account_id)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return an account's passkeys for its export, without what proves anything."""
        found = await unit.all(queries.OF_ACCOUNT, account_id=account_id)
        times = ("created_at", "last_used_at")
        hidden = ("account_id", "credential_id", "public_key", *times)
        return {
            "passkeys": [
                {name: value for name, value in msgspec.structs.asdict(one).items() if name not in hidden}
                | {name: iso(at) if (at := getattr(one, name)) is not None else None for name in times}
                for one in found
            ]
        }

    async def handle(self, account_id: str) -> bytes | None:
        """Return the name by which authenticators know an account, or None if none was ever asked to."""
        found = await self._database.find(queries.HANDLE, account_id=account_id)
        return found.handle if found else None

    async def rename(self, caller: Caller, passkey_id: str, name: str) -> Passkey:
        """Call one of the caller's passkeys something else.

        Raises:
            NoSuchPasskey: It is not the caller's.
            InvalidFields: The name is too long, or nothing is left of it.
        """
        name = clean_display_text(name, LONGEST_NAME, field="name") or describe_agent("")
        async with self._database.unit(caller) as unit:
            renamed = await unit.run(queries.RENAME, passkey_id=passkey_id, of_account=caller.account_id, becomes=name)
            if not renamed:
                raise NoSuchPasskey
            unit.note("passkey.renamed", caller.account_id, passkey=passkey_id, private={"name": name})
            return await unit.get(queries.OWN, passkey_id=passkey_id, account_id=caller.account_id)

    async def remove(self, caller: Caller, passkey_id: str) -> None:
        """Remove one of the caller's passkeys, and tell the owner.

        Raises:
            NoSuchPasskey: It is not the caller's.
            LastWayIn: The account has neither a password nor another.
        """
        account_id = caller.account_id or ""
        async with self._database.unit(caller) as unit:
            await unit.lock(_lock_of(account_id))  # of the last two, two requests must not remove both
            passkey = await unit.find(queries.OWN, passkey_id=passkey_id, account_id=account_id)
            if passkey is None:
                raise NoSuchPasskey
            if await self._count(unit, account_id) == 1 and not await self._has_password(unit, account_id):
                raise LastWayIn
            await unit.run(queries.REMOVE, passkey_id=passkey_id, of_account=account_id)
            unit.note("passkey.removed", account_id, passkey=passkey_id, private={"name": passkey.name})
            await self._end_codes(unit, account_id)
            self.tell(unit, "passkey_removed", passkey)

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        """Remove every passkey of an account, and the name by which authenticators knew it (decision 33)."""
        await unit.lock(_lock_of(account_id))
        removed = await unit.run(queries.REMOVE_ALL, of_account=account_id)
        await unit.run(queries.FORGET_OWNER, of_account=account_id)
        if removed:
            unit.note("passkey.all_forgotten", account_id, number=removed)

    async def prune(self) -> int:
        """Drop used challenges that nobody could answer any more."""
        return await self._database.run(queries.PRUNE, before=self._database.clock.now())

    # --- Between

    async def has_one(self, unit: Unit, account_id: str) -> bool:
        """Return whether an account has a passkey, so that one may be asked for."""
        return await self._count(unit, account_id) > 0

    async def _count(self, unit: Unit, account_id: str) -> int:
        return (await unit.get(queries.COUNT, account_id=account_id)).number


def _lock_of(account_id: str) -> str:
    return f"passkeys {account_id}"


def _passkey(now: Millis, account_id: str, made: Made, transports: tuple[str, ...], name: str) -> Passkey:
    return Passkey(
        id=new_id(now), account_id=account_id, credential_id=made.credential_id, public_key=made.public_key,
        sign_count=made.sign_count, aaguid=made.aaguid, attestation=made.attestation,
        transports=" ".join(sorted(TRANSPORTS.intersection(transports))),
        backup_eligible=made.is_backup_eligible, backed_up=made.is_backed_up, user_verified=True, name=name,
        created_at=now, last_used_at=None,
    )  # fmt: skip
