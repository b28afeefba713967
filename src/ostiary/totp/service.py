"""Authenticator apps: set up in two steps, asked at a sign-in, removed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from ostiary.accounts import DISOWN
from ostiary.core.clock import Millis, iso, iso_or_none, millis
from ostiary.core.crypto import Unsealable
from ostiary.core.secrets import new_id
from ostiary.totp import queries
from ostiary.totp.algorithm import matching_step, new_secret, spelled, typed, uri_of
from ostiary.totp.errors import AuthenticatorCodeWrong, NoAuthenticator, NoEnrolment
from ostiary.totp.picture import drawn
from ostiary.totp.queries import Authenticator, Pending
from ostiary.web.reception import AddressNotProven

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.core.caller import Caller
    from ostiary.core.crypto import Sealer
    from ostiary.core.db import Database, Query, Unit
    from ostiary.protection import Protection
    from ostiary.sessions import HeldFactor

ENROLMENT_LIFETIME = timedelta(minutes=10)
"""How long a secret that was shown waits for its first code."""


class Companions(Protocol):
    """Recovery codes, as whoever adds or removes a second factor knows them."""

    async def begin(self, unit: Unit, account_id: str) -> tuple[str, ...]:
        """Make an account's codes with its first second factor; nothing, if it has some."""
        ...

    async def end_if_last(self, unit: Unit, account_id: str) -> None:
        """Drop an account's codes if no second factor is left."""
        ...


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An authenticator app that is about to be set up; all but the time is the secret, in three spellings.

    Attributes:
        secret: In base32, for typing it.
        uri: For apps on the same device.
        picture: The same as a QR code, one SVG element.
        expires_at: Until then a code can confirm it.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    picture: str = field(repr=False)
    expires_at: Millis


@dataclass(frozen=True, slots=True)
class Activated:
    """An authenticator app that is set up now.

    Attributes:
        added_at: Since when.
        codes: Recovery codes that were made with it, shown once; none if the account has some.
    """

    added_at: Millis
    codes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TotpProof:
    """Evidence that an account's app showed a code, to be confirmed in the unit that acts on it (D13).

    Attributes:
        authenticator_id: Whose secret the code was computed from: a proof of a former one proves nothing.
        step: The thirty seconds that it belongs to; good once.
    """

    account_id: str
    authenticator_id: str
    step: int


class Totp:
    """Keeps one secret for each account, sealed; a second factor of the front desk.

    Args:
        issuer: The product's name, as apps show it.
    """

    method: str = "totp"
    amr: tuple[str, ...] = ("otp",)  # RFC 8176
    held: Query[HeldFactor] = queries.HELD

    def __init__(
        self, database: Database, accounts: Accounts, protection: Protection, sealer: Sealer, codes: Companions,
        issuer: str,
    ) -> None:  # fmt: skip
        self._database = database
        self._accounts = accounts
        self._protection = protection
        self._sealer = sealer
        self._codes = codes
        self._issuer = issuer

    # --- Setting up

    async def enrol(self, caller: Caller) -> Enrolment:
        """Make a secret for the caller's app; it is no factor until a code confirms it. An older one of these falls.

        Raises:
            AddressNotProven: Nobody could be told of it.
        """
        account_id, enrolment_id, secret = caller.account_id or "", new_id(self._database.clock.now()), new_secret()
        async with self._database.unit(caller) as unit:
            account = await self._able(unit, account_id)
            pending = Pending(
                account_id, enrolment_id, caller.session_id or "", account.epoch,
                self._sealer.seal(secret, _enrolment(account_id, enrolment_id)), unit.now,
                unit.now + millis(ENROLMENT_LIFETIME),
            )  # fmt: skip
            await unit.run(queries.BEGIN, **_columns(pending))
            unit.note("totp.enrolment_started", account_id)
        return await self._shown(secret, account.username, pending.expires_at)

    async def pending(self, caller: Caller) -> Enrolment | None:
        """Return what the caller's session is about to set up once more, as after a code that was mistyped."""
        async with self._database.unit(caller) as unit:
            pending = await self._pending(unit)
            account = await self._accounts.find(unit, caller.account_id or "")
        if pending is None or account is None or account.epoch != pending.account_epoch:
            return None
        secret = self._opened(pending.sealed, _enrolment(pending.account_id, pending.id))
        return None if secret is None else await self._shown(secret, account.username, pending.expires_at)

    async def activate(self, caller: Caller, answer: str) -> Activated:
        """Set up the app that the caller's session began with, since it shows the right code; tell the owner.

        An app that was set up before is none any more. The code that confirms does not sign in.

        Raises:
            AuthenticatorCodeWrong: Neither the current code nor the previous one.
            NoEnrolment: None was begun here, or it is over.
            AddressNotProven: Nobody could be told of it.
            LimitReached: Too many wrong ones.
        """
        account_id = caller.account_id or ""
        spend = await self._protection.admit_enrolment(caller, account_id)
        async with self._database.unit(caller) as unit:
            pending = await self._pending(unit)
            if pending is None:
                raise NoEnrolment
        secret = self._opened(pending.sealed, _enrolment(account_id, pending.id))
        code = typed(answer)
        step = matching_step(secret, code, self._database.clock.now()) if secret and code else None
        async with self._database.unit(caller) as unit:
            if secret is None or step is None:
                unit.note("totp.refused", account_id, reason="enrolment")
                raise AuthenticatorCodeWrong
            codes = await self._activate(unit, pending, secret, step)
        await self._protection.enrolment_succeeded(spend)
        return Activated(unit.now, codes)

    async def _activate(self, unit: Unit, pending: Pending, secret: bytes, step: int) -> tuple[str, ...]:
        account_id = pending.account_id
        # "This wasn't me" comes wholly before, and raises the epoch, or wholly after, and finds what is stored here.
        await unit.lock(f"{DISOWN} {account_id}")
        account = await self._able(unit, account_id)
        if not await unit.run(
            queries.TAKE, of_account=account_id, enrolment_id=pending.id, of_session=pending.session_id,
            epoch=account.epoch, now=unit.now,
        ):  # fmt: skip
            raise NoEnrolment
        former = await self._find(unit, account_id)
        authenticator = Authenticator(
            account_id, pending.id, self._sealer.seal(secret, _authenticator(account_id, pending.id)), step, unit.now,
            None,
        )  # fmt: skip
        await unit.run(queries.PUT, **_columns(authenticator))
        if former is None:
            unit.note("totp.added", account_id)
        else:
            unit.note("totp.replaced", account_id)
        codes = await self._codes.begin(unit, account_id)
        self._tell(unit, "factor_added", account_id, replaces=former is not None, codes=len(codes))
        return codes

    # --- Proving: what the front desk asks of every second factor

    async def is_set_up(self, unit: Unit, account_id: str) -> bool:
        """Return whether an account has an authenticator app."""
        return await self._find(unit, account_id) is not None

    async def prove(self, caller: Caller, account_id: str, answer: str, bound_to: str) -> TotpProof | None:
        """Return evidence that an account's app shows this code now, or showed it thirty seconds ago.

        Guesses are counted by who asks. A code of a step that was used, or of one before it, proves nothing.

        Args:
            caller: Who asks.
            account_id: Whose app.
            answer: As typed.
            bound_to: Unused: an app knows nothing of attempts.
        """
        async with self._database.unit(caller) as unit:
            stored = await self._find(unit, account_id)
        code = typed(answer)
        secret = self._opened(stored.sealed, _authenticator(account_id, stored.id)) if stored else None
        step = matching_step(secret, code, self._database.clock.now()) if secret and code else None
        if stored is not None and step is not None and step > stored.last_step:
            return TotpProof(account_id, stored.id, step)
        reason = "none" if stored is None else "unreadable" if secret is None else "wrong" if step is None else "used"
        async with self._database.unit(caller) as unit:
            unit.note("totp.refused", account_id, reason=reason)
        return None

    async def confirm(self, unit: Unit, proof: TotpProof) -> bool:
        """Use a step up; False if it was, also by somebody at the same moment, or the app is another by now."""
        if await unit.run(
            queries.CONFIRM, of_account=proof.account_id, authenticator_id=proof.authenticator_id, shown=proof.step,
            becomes=proof.step, now=unit.now,
        ):  # fmt: skip
            return True
        unit.note("totp.refused", proof.account_id, reason="used")
        return False

    # --- Keeping

    async def find(self, account_id: str) -> Authenticator | None:
        """Return the app that is set up, or None."""
        return await self._database.find(queries.OF_ACCOUNT, account_id=account_id)

    async def remove(self, caller: Caller) -> None:
        """Remove the caller's app, and tell the owner.

        Raises:
            NoAuthenticator: There is none.
            AddressNotProven: Nobody could be told of it.
        """
        account_id = caller.account_id or ""
        async with self._database.unit(caller) as unit:
            await unit.lock(f"{DISOWN} {account_id}")
            await self._able(unit, account_id)
            if not await unit.run(queries.REMOVE, of_account=account_id):
                raise NoAuthenticator
            unit.note("totp.removed", account_id)
            await self._codes.end_if_last(unit, account_id)
            self._tell(unit, "factor_removed", account_id)

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        """Remove an account's app, and one that was about to be; whoever asks tells the owner, and asks the codes."""
        await unit.run(queries.DROP, of_account=account_id)
        if await unit.run(queries.REMOVE, of_account=account_id):
            unit.note("totp.forgotten", account_id)

    async def forget_since(self, unit: Unit, account_id: str, since: Millis) -> None:
        """Remove an app that was set up at a moment or later, and one that was about to be (decision 34)."""
        await unit.run(queries.DROP, of_account=account_id)
        if await unit.run(queries.REMOVE_YOUNG, of_account=account_id, since=since):
            unit.note("totp.forgotten", account_id)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return what is known of an account's app for its export, without the secret."""
        stored = await self._find(unit, account_id)
        pending = await unit.find(queries.ENROLMENT_OF, account_id=account_id)
        return {
            "authenticator": stored and {
                "id": stored.id, "added_at": iso(stored.added_at), "last_used_at": iso_or_none(stored.last_used_at),
                "last_step": stored.last_step,
            },
            "authenticator_enrolment": pending and {
                "id": pending.id, "session_id": pending.session_id, "epoch": pending.account_epoch,
                "begun_at": iso(pending.begun_at), "expires_at": iso(pending.expires_at),
            },
        }  # fmt: skip

    async def prune(self) -> int:
        """Drop secrets that nobody has confirmed in time."""
        return await self._database.run(queries.PRUNE, before=self._database.clock.now())

    # --- Between

    async def _find(self, unit: Unit, account_id: str) -> Authenticator | None:
        return await unit.find(queries.OF_ACCOUNT, account_id=account_id)

    async def _pending(self, unit: Unit) -> Pending | None:
        caller = unit.caller
        return await unit.find(
            queries.PENDING, account_id=caller.account_id or "", session_id=caller.session_id or "", now=unit.now
        )

    async def _able(self, unit: Unit, account_id: str) -> Account:
        """Return an account whose owner can be told of what is done to it."""
        account = await self._accounts.get(unit, account_id)
        if not account.is_alive or not account.email_verified:
            raise AddressNotProven
        return account

    async def _shown(self, secret: bytes, username: str, expires_at: Millis) -> Enrolment:
        uri = uri_of(secret, username, self._issuer)
        return Enrolment(spelled(secret), uri, await asyncio.to_thread(drawn, uri), expires_at)

    def _opened(self, sealed: bytes, context: str) -> bytes | None:
        """Return a secret, or None if it was edited or moved here from another row: that proves nothing (D14)."""
        try:
            return self._sealer.open(sealed, context)
        except Unsealable:
            return None

    def _tell(self, unit: Unit, kind: str, account_id: str, **more: Any) -> None:  # noqa: ANN401 - as a job's payload
        unit.later(
            "letter", kind=kind, account_id=account_id, factor=self.method, when=unit.now,
            agent=unit.caller.agent or "", address=unit.caller.address or "unknown", **more,
        )  # fmt: skip


def _authenticator(account_id: str, authenticator_id: str) -> str:
    """Return what a stored secret is sealed for: table, row and column."""
    return f"totp_authenticators {account_id} {authenticator_id} sealed"


def _enrolment(account_id: str, enrolment_id: str) -> str:
    return f"totp_enrolments {account_id} {enrolment_id} sealed"


def _columns(row: Authenticator | Pending) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}
