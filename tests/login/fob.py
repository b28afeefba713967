"""A second factor that is text: true to the protocol of the front desk, with its codes in memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from ostiary.core.caller import Caller
from ostiary.core.db import Unit


@dataclass(frozen=True)
class FobProof:
    """A code that was right, and is not used up yet."""

    account_id: str
    code: str


@dataclass
class Fob:
    """Shows the next of a list of codes, each good once.

    Attributes:
        looked_at: How many answers were compared with a code, right or wrong.
    """

    method: str = "fob"
    amr: tuple[str, ...] = ("otp",)
    codes: dict[str, list[str]] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)
    looked_at: int = 0

    def give(self, account_id: str, *codes: str) -> None:
        """Let an account have a fob that shows these codes."""
        self.codes[account_id] = list(codes)

    async def is_set_up(self, unit: Unit, account_id: str) -> bool:
        return account_id in self.codes

    async def prove(self, caller: Caller, account_id: str, answer: str, bound_to: str) -> FobProof | None:
        self.looked_at += 1
        await asyncio.sleep(0)  # slow work: others get their turn
        if answer not in self.codes.get(account_id, ()) or (account_id, answer) in self.used:
            return None
        return FobProof(account_id, answer)

    async def confirm(self, unit: Unit, proof: FobProof) -> bool:
        if (proof.account_id, proof.code) in self.used:
            return False
        self.used.add((proof.account_id, proof.code))  # at once: nothing else runs in between
        return True

    async def forget_all(self, unit: Unit, account_id: str) -> None:
        self.codes.pop(account_id, None)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        return {"fobs": len(self.codes.get(account_id, ()))}


@dataclass
class Pager(Fob):
    """A factor whose code has to be sent, and is good for the attempt alone that it was sent for."""

    method: str = "pager"
    amr: tuple[str, ...] = ("sms",)
    sent: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    async def send(self, caller: Caller, account_id: str, bound_to: str) -> None:
        code = f"{len(self.sent[account_id]):06}"
        self.sent[account_id].append((bound_to, code))

    async def prove(self, caller: Caller, account_id: str, answer: str, bound_to: str) -> FobProof | None:
        if (bound_to, answer) not in self.sent[account_id]:
            return None
        return FobProof(account_id, f"{bound_to} {answer}")
