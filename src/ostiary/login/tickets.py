"""Tickets: what somebody holds who has proven a part of who they are (docs/explanation/signing-in.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import msgspec

from ostiary.core.secrets import b64, plain_digest
from ostiary.passwords import TicketSpent

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.core.db import Unit
    from ostiary.core.onetime import OneTimeTokens
    from ostiary.passwords import Passwords

SECOND_FACTOR, LIFETIME = "login.second_factor", timedelta(minutes=10)


class Earned(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The evidence that earned a ticket, and what it is good for.

    Attributes:
        epoch: The account's: whatever ends everything ends this, too (D13).
        methods: What was shown (RFC 8176).
        mark: Of the account's password, or of its having none: another one ends the ticket.
        session_id: The session that is to be stepped up, and no other; empty where a new one is to be started.
        must_change: Whether the password is breached, and has to be replaced before anything else.
        failures: Of strangers before it; the counter is set back by what earned the ticket.
        breached: Whether the password is known from a breach.
    """

    epoch: int
    methods: tuple[str, ...]
    mark: str
    session_id: str = ""
    must_change: bool = False
    failures: int = 0
    breached: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """An attempt that waits for its second factor.

    Attributes:
        id: Names it without giving it away.
        account: Whose it is, and nobody else's: an answer never says who it is for.
    """

    id: str
    account: Account
    earned: Earned


def pending_id(ticket: str) -> str:
    """Return the name of an attempt."""
    return b64(plain_digest(f"{SECOND_FACTOR} {ticket}"))


@dataclass(frozen=True, slots=True)
class Tickets:
    """Writes and reads the state of a sign-in; the row decides who uses it up."""

    tokens: OneTimeTokens
    accounts: Accounts
    passwords: Passwords

    async def issue(self, unit: Unit, account: Account, earned: Earned) -> str:
        """Return a ticket for what was shown in this unit."""
        subject = msgspec.json.encode(earned).decode()
        return await self.tokens.issue(unit, SECOND_FACTOR, account.id, subject, LIFETIME)

    async def look(self, unit: Unit, ticket: str) -> Pending:
        """Return what a ticket stands for, without using it up.

        Raises:
            TicketSpent: It is unknown, used, too old, or the account is not what it was.
        """
        pending = await self._read(unit, ticket)
        if await self.passwords.mark(unit, pending.account.id) != pending.earned.mark:
            self._refuse(unit, pending.account.id)
        return pending

    async def hold(self, unit: Unit, ticket: str) -> Pending:
        """As `look`, and see that until the unit ends nobody changes the password that earned it.

        Raises:
            TicketSpent: As `look`.
        """
        pending = await self._read(unit, ticket)
        if not await self.passwords.stands(unit, pending.account.id, pending.earned.mark):
            self._refuse(unit, pending.account.id)
        return pending

    async def spend(self, unit: Unit, ticket: str, pending: Pending) -> None:
        """Use a ticket up: of many who do at the same moment, one goes on.

        Raises:
            TicketSpent: Another was quicker.
        """
        if await self.tokens.spend(unit, SECOND_FACTOR, ticket) is None:
            self._refuse(unit, pending.account.id)

    async def _read(self, unit: Unit, ticket: str) -> Pending:
        alive = await self.tokens.look(unit, SECOND_FACTOR, ticket)
        if alive is None:
            raise TicketSpent
        account = await self.accounts.find(unit, alive.account_id)
        earned = msgspec.json.decode(alive.subject, type=Earned)
        if account is None or not account.is_alive or account.epoch != earned.epoch:
            self._refuse(unit, alive.account_id)
        if earned.session_id and (account.id, earned.session_id) != (unit.caller.account_id, unit.caller.session_id):
            self._refuse(unit, account.id)  # to raise a session one has to be in it
        return Pending(pending_id(ticket), account, earned)

    @staticmethod
    def _refuse(unit: Unit, account_id: str) -> NoReturn:
        unit.note("login.ticket_refused", account_id)
        raise TicketSpent
