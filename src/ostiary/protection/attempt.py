"""One attempt to sign in, as its protection sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from ostiary.core.limits import Spend


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a login attempt has spent, to be settled when its outcome is known.

    Attributes:
        name: As it was looked up, whoever has it or nobody.
        account_id: Whom it names, or None.
        is_known_device: Whether this browser was signed in to that account before, or let in by its owner.
        may_check: False where the account's own budget is gone though this
            name's is not: the password must not be checked, and the answer
            must be that of a wrong one.
        locks: Whether this attempt, if it fails, is the one that shuts this name, or its account, to strangers.
        is_first: Whether it is the first of this name in ten minutes whose outcome is told.
        failures: Attempts of strangers on this account since its owner last acted, this one left out.
        forgotten: Counters that a success sets back.
        given_back: Counters that a success gives one back to.
        is_last_of_hour: Whether the address has none left in this hour.
    """

    name: str
    account_id: str | None
    is_known_device: bool
    may_check: bool
    locks: bool
    is_first: bool
    failures: int
    forgotten: tuple[Spend, ...]
    given_back: tuple[Spend, ...]
    is_last_of_hour: bool

    @classmethod
    def earned(cls, account_id: str, *, is_known_device: bool, failures: int = 0) -> Self:
        """Return an attempt that has nothing to settle: a ticket stands for the one that earned it."""
        return cls(
            "", account_id, is_known_device=is_known_device, may_check=True, locks=False, is_first=False,
            failures=failures, forgotten=(), given_back=(), is_last_of_hour=False,
        )  # fmt: skip
