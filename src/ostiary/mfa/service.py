"""Every second factor of an account at once, for its owner's eyes and the keeper's hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ostiary.accounts import DISOWN

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.codes import RecoveryCodes
    from ostiary.codes import Standing as Codes
    from ostiary.core.db import Unit
    from ostiary.passkeys import Passkeys
    from ostiary.sessions import Sessions
    from ostiary.texts import Texts
    from ostiary.totp import Authenticator, Totp


class Factors(Protocol):
    """Knows every kind of second factor; the front desk keeps the real one."""

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        """Remove every second factor of an account."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What is set up.

    Attributes:
        totp: The authenticator app, or None.
        codes: How many recovery codes are left.
        passkeys: How many there are.
        phone: The number that codes are texted to, masked, or None.
    """

    totp: Authenticator | None
    codes: Codes
    passkeys: int
    phone: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Mfa:
    """Knows each kind of second factor; how one is shown and removed, its own slice knows."""

    accounts: Accounts
    sessions: Sessions
    totp: Totp
    codes: RecoveryCodes
    passkeys: Passkeys
    texts: Texts
    factors: Factors

    async def standing(self, account_id: str) -> Standing:
        """Return what is set up for an account."""
        return Standing(
            await self.totp.find(account_id), await self.codes.standing(account_id),
            len(await self.passkeys.listed(account_id)), await self.texts.shown(account_id),
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
