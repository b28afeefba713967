"""Becoming somebody: registration, and addresses that are claimed and then proven (D4)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ostiary.accounts import (
    Account,
    AccountSettings,
    Address,
    TokenSpent,
    Username,
    UsernameTaken,
    check_address,
    check_username,
    clean_display_text,
    has_mail_exchanger,
)
from ostiary.core.errors import FieldError, InvalidFields
from ostiary.core.secrets import new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from ostiary.accounts import Accounts, Claim
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.core.jobs import Outbox
    from ostiary.core.onetime import OneTimeTokens
    from ostiary.mail import Letters, Post
    from ostiary.passwords import Passwords
    from ostiary.protection import Protection
    from ostiary.sessions import Grant, Sessions

PURPOSE = "address.prove"
CLAIM_LETTER = "claim_letter"


@dataclass(frozen=True, slots=True)
class Application:
    """What somebody fills in to get an account."""

    username: str
    email: str
    password: str
    full_name: str = ""

    def __repr__(self) -> str:
        return "Application(…)"


class Checked(NamedTuple):
    """The parts of an application that can stand."""

    username: Username
    address: Address
    full_name: str


@dataclass(frozen=True, slots=True)
class Registration:
    """Opens provisional accounts, and makes claimed addresses proven ones.

    The states and what moves between them: docs/explanation/registration.md.
    """

    database: Database
    accounts: Accounts
    passwords: Passwords
    sessions: Sessions
    protection: Protection
    tokens: OneTimeTokens
    letters: Letters
    post: Post
    settings: AccountSettings

    def serve(self, outbox: Outbox) -> None:
        """Take on the jobs that registration queues."""
        outbox.on(CLAIM_LETTER, self.send_claim_letter)

    async def register(self, caller: Caller, application: Application) -> Grant:
        """Open a provisional account and sign its maker in.

        An address that is known already is treated exactly like an unknown
        one; what differs is the letter, which only its holder reads (D4).

        Raises:
            InvalidFields: Some fields cannot stand; one entry for each.
            WeakPassword: The password will not do.
            UsernameTaken: The name is taken; names are public.
            LimitReached: Too many accounts from here.
            TooBusy: The hashing pool is full.
        """
        checked = await self._examined(caller, application)
        await self.protection.admit_signup(caller)
        hashed = await self._hashed(application, checked)
        async with self.database.unit(caller) as unit:
            account = await self._opened(unit, checked, hashed)
            device_id = caller.device_id or new_id(unit.now)
            session = await self.sessions.start(unit, account, methods=("pwd",), device_id=device_id)
        return self.sessions.grant(account, session)

    async def open(self, caller: Caller, application: Application) -> Account:
        """Open a provisional account for somebody else, as the keeper may; nobody is signed in.

        Raises:
            InvalidFields: Some fields cannot stand.
            WeakPassword: The password will not do.
            UsernameTaken: The name is taken.
        """
        checked = await self._examined(caller, application)
        hashed = await self._hashed(application, checked)
        async with self.database.unit(caller) as unit:
            return await self._opened(unit, checked, hashed)

    async def look(self, caller: Caller, token: str) -> tuple[Account, Claim] | None:
        """Return what a confirmation link is about, without using it up; None if it is not valid."""
        async with self.database.unit(caller) as unit:
            alive = await self.tokens.look(unit, PURPOSE, token)
            claim = await self.accounts.find_claim(unit, alive.subject) if alive else None
            return (await self.accounts.get(unit, claim.account_id), claim) if claim else None

    async def confirm(self, caller: Caller, token: str) -> Account:
        """Use a confirmation link: the claimed address becomes the account's own.

        Raises:
            TokenSpent: The link is unknown, used or too old.
            AddressTaken: Another account has proven the address first.
        """
        async with self.database.unit(caller) as unit:
            spent = await self.tokens.spend(unit, PURPOSE, token)
            proven = await self.accounts.prove(unit, spent.subject) if spent else None
            if proven is None:
                unit.note("address.proof_refused", spent.account_id if spent else None)
                raise TokenSpent
            account, previous = proven
            if previous is not None:
                unit.later(
                    "letter", kind="address_changed", account_id=account.id, to=previous, when=unit.now,
                    new_address=account.email,
                )  # fmt: skip
        return account

    async def claim_new_address(self, caller: Caller, email: str, current_password: str) -> None:
        """Begin to change the caller's address; the old one stays until the new one is proven.

        Raises:
            InvalidFields: It is no address that this house takes.
            WrongCurrentPassword: The password is not the account's (ASVS 7.5.1).
            LimitReached: Too many wrong ones.
        """
        account_id = caller.account_id
        assert account_id is not None
        address = check_address(email, self.settings.addresses)
        await self._check_mail_exchanger(address)
        await self.passwords.recheck(caller, account_id, current_password, field="current_password")
        async with self.database.unit(caller) as unit:
            await self._claim(unit, account_id, address)

    async def resend(self, caller: Caller) -> None:
        """Send the letter of the caller's open claim again; of an address never proven, claim it anew."""
        account_id = caller.account_id
        assert account_id is not None
        async with self.database.unit(caller) as unit:
            claim = await self.accounts.claim_of(unit, account_id)
            if claim is not None:
                unit.later(CLAIM_LETTER, claim_id=claim.id)
                return
            account = await self.accounts.get(unit, account_id)
            if not account.email_verified:
                await self._claim(unit, account_id, check_address(account.email, self.settings.addresses))

    async def send_claim_letter(self, payload: dict[str, Any]) -> None:
        """Write to a claimed address: with a link that proves it, or, if somebody has it, without one.

        Decided here, long after the answer: the request that claimed a known
        address did exactly what any other does, in exactly the same time.
        """
        async with self.database.unit() as unit:
            claim = await self.accounts.find_claim(unit, payload["claim_id"])
            if claim is None:
                return
            account = await self.accounts.get(unit, claim.account_id)
            holder = await self.accounts.find_holder(unit, claim.email_key)
        if not await self.protection.admit_letter(claim.email_key):
            return
        if holder is not None:
            # Somebody else's request caused it: the reader's language, and not that one's.
            language = self.letters.language_of(holder.language, is_asked=False)
            await self.post.deliver(self.letters.compose("address_already_yours", claim.email, language=language))
            return
        async with self.database.unit() as unit:
            token = await self.tokens.issue(unit, PURPOSE, account.id, claim.id, self.settings.claim_lifetime)
        kind = "confirm_new_address" if account.email_verified else "confirm_address"
        hours = int(self.settings.claim_lifetime.total_seconds() // 3600)
        letter = self.letters.compose(
            kind, claim.email, language=account.language, username=account.username,
            link=f"/auth/confirm?token={token}", hours=hours,
        )  # fmt: skip
        await self.post.deliver(letter)

    async def _examined(self, caller: Caller, application: Application) -> Checked:
        checked = await asyncio.to_thread(self._checked, application)
        await self._check_mail_exchanger(checked.address)
        # Said early, before a hash is spent on it; the insert decides.
        async with self.database.unit(caller) as unit:
            if await self.accounts.is_name_taken(unit, checked.username):
                raise UsernameTaken
        return checked

    async def _hashed(self, application: Application, checked: Checked) -> str:
        return await self.passwords.hash_new(
            application.password, username=checked.username.shown, email=checked.address.shown,
            full_name=checked.full_name,
        )  # fmt: skip

    async def _opened(self, unit: Unit, checked: Checked, hashed: str) -> Account:
        account = await self.accounts.open(unit, checked.username, checked.address, checked.full_name)
        await self.passwords.set(unit, account.id, hashed)
        await self._claim(unit, account.id, checked.address)
        return account

    async def _claim(self, unit: Unit, account_id: str, address: Address) -> None:
        claim = await self.accounts.claim_address(unit, account_id, address)
        unit.later(CLAIM_LETTER, claim_id=claim.id)

    async def _check_mail_exchanger(self, address: Address) -> None:
        settings = self.settings.addresses
        if settings.check_mx and await has_mail_exchanger(address.domain, settings.mx_timeout) is False:
            raise InvalidFields(errors=(FieldError("email", "This domain does not take mail.", "no-mail"),))

    def _checked(self, application: Application) -> Checked:
        """Return the parts of an application that can stand.

        Raises:
            InvalidFields: With an entry for each that cannot.
        """
        errors: list[FieldError] = []

        def attempt(check: Callable[[], Any]) -> Any:  # noqa: ANN401
            try:
                return check()
            except InvalidFields as invalid:
                errors.extend(invalid.errors)
                return None

        username = attempt(lambda: check_username(application.username, self.settings.usernames))
        address = attempt(lambda: check_address(application.email, self.settings.addresses))
        full_name = attempt(lambda: clean_display_text(application.full_name))
        verdict = self.passwords.examine(
            application.password, username=application.username, email=application.email,
            full_name=application.full_name,
        ) if errors else None  # fmt: skip
        if verdict is not None and not verdict.acceptable:
            errors.extend(FieldError("password", reason.sentence, reason.code) for reason in verdict.reasons)
        if errors:
            raise InvalidFields(errors=tuple(errors))
        return Checked(username, address, full_name)
