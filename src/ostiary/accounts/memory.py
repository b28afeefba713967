"""Accounts in memory: exact, as whatever changes one says so before the next request is answered (R55)."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ostiary.accounts.queries import Account
    from ostiary.core.signals import Signals


class Memory:
    """Accounts as they were read last.

    Attributes:
        accounts: By id.
        drops: How often something was forgotten; what was read while this moved is not kept.
    """

    def __init__(self, signals: Signals, size: int) -> None:
        self._size = size
        self.accounts: OrderedDict[str, Account] = OrderedDict()
        self.drops = 0
        signals.on("account", self._forget)
        signals.on("role", self._forget_holders)

    def keep(self, account: Account) -> None:
        """Remember an account, and no more than so many."""
        self.accounts[account.id] = account
        if len(self.accounts) > self._size:
            self.accounts.popitem(last=False)

    def _forget(self, account_id: str) -> None:
        self.drops += 1
        self.accounts.pop(account_id, None)

    def _forget_holders(self, role_id: str) -> None:
        """Forget whoever held a role when they were read: one entry of the feed tells of them all."""
        self.drops += 1
        for account_id in [account.id for account in self.accounts.values() if role_id in account.held]:
            del self.accounts[account_id]
