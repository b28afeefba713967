"""What protects an account, as a whole: for its owner's eyes and the keeper's hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ostiary.accounts import DISOWN

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.apikeys import ApiKeys
    from ostiary.client import Strength
    from ostiary.codes import RecoveryCodes
    from ostiary.codes import Standing as Codes
    from ostiary.core.db import Database, Unit
    from ostiary.federation import Identities
    from ostiary.passkeys import Passkeys
    from ostiary.passwords import Passwords
    from ostiary.sessions import Sessions
    from ostiary.texts import Telephone, Texts
    from ostiary.totp import Authenticator, Totp


class Factors(Protocol):
    """Knows every kind of second factor; the front desk keeps the real one."""

    async def highest(self, account_id: str) -> Strength:
        """Return how strong a sign-in to an account can be, as it is now."""
        ...

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        """Remove every second factor of an account."""
        ...


class Browsers(Protocol):
    """Knows the browsers that need not show a second factor; the front desk keeps the real one."""

    async def number(self, account_id: str) -> int:
        """Return how many an account has."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What protects an account.

    Attributes:
        strongest: How strong a sign-in to it can be.
        has_password: Whether one opens it.
        totp: The authenticator app, or None.
        codes: How many recovery codes are left.
        passkeys: How many there are.
        phone: The number that codes are texted to, or None.
        browsers: How many need not show a second factor.
        sessions: On how many devices somebody is signed in.
        api_keys: How many programs hold a key.
        connections: How many identities elsewhere open it.
    """

    strongest: Strength
    has_password: bool
    totp: Authenticator | None
    codes: Codes
    passkeys: int
    phone: Telephone | None
    browsers: int
    sessions: int
    api_keys: int
    connections: int


@dataclass(frozen=True, slots=True)
class Mfa:
    """Knows each thing that protects an account; how one is shown and removed, its own slice knows."""

    database: Database
    accounts: Accounts
    sessions: Sessions
    passwords: Passwords
    totp: Totp
    codes: RecoveryCodes
    passkeys: Passkeys
    texts: Texts
    api_keys: ApiKeys
    identities: Identities
    factors: Factors
    browsers: Browsers

    async def standing(self, account_id: str) -> Standing:
        """Return what protects an account."""
        async with self.database.unit() as unit:
            has_password = await self.passwords.has_one(unit, account_id)
        return Standing(
            strongest=await self.factors.highest(account_id), has_password=has_password,
            totp=await self.totp.find(account_id), codes=await self.codes.standing(account_id),
            passkeys=len(await self.passkeys.listed(account_id)), phone=await self.texts.shown(account_id),
            browsers=await self.browsers.number(account_id), sessions=len(await self.sessions.listed(account_id)),
            api_keys=len(await self.api_keys.listed(account_id)),
            connections=len(await self.identities.listed(account_id)),
        )  # fmt: skip

    async def forget(self, unit: Unit, account_id: str, reason: str) -> int:
        """Remove every second factor of an account, as the keeper may who has seen who asks; its owner is told.

        Whatever was granted to the account ends: who comes next shows the password, or a letter for a new one.

        Returns:
            How many sessions ended, for this reason.

        Raises:
            NoSuchAccount: It is not there.
        """
        await unit.lock(f"{DISOWN} {account_id}")  # one that is just being set up comes wholly before, or not at all
        await self.accounts.raise_epoch(unit, account_id)
        await self.factors.forget_all(unit, account_id)
        unit.note("factors.forgotten", account_id)
        unit.later(
            "letter", kind="factor_removed", account_id=account_id, factor="all", when=unit.now, agent="",
            address="unknown",
        )  # fmt: skip
        return await self.sessions.end_others(unit, account_id, "", reason)
