"""What leaves the house of an alert: ids and numbers, and nothing that says who somebody is."""

from __future__ import annotations

from typing import Any

import msgspec

from ostiary.alerts.kinds import KINDS
from ostiary.core.clock import Millis, iso


class Notice(msgspec.Struct, frozen=True):
    """An alert as it is told.

    Attributes:
        count_before: How often it was raised in the quiet time before this one, 0 if never.
        is_last: Whether more of this kind are only listed for a while.
    """

    id: str
    kind: str
    severity: str
    at: Millis
    account_id: str | None
    details: dict[str, Any]
    count_before: int = 0
    is_last: bool = False

    @property
    def facts(self) -> str:
        """The details on one line, for people."""
        said = [f"{name.replace('_', ' ')}: {value}" for name, value in sorted(self.details.items())]
        if self.account_id:
            said.insert(0, f"account: {self.account_id}")
        if self.count_before > 1:
            said.append(f"raised {self.count_before} times in the quiet time before")
        if self.is_last:
            said.append("more of this kind are only listed for a while")
        return "; ".join(said) or "none"

    def body(self) -> bytes:
        """Return the body of a webhook: `type`, `timestamp`, `data`, as Standard Webhooks asks for."""
        kind = KINDS[self.kind]
        data = {
            "id": self.id, "severity": self.severity, "words": kind.words, "advice": kind.advice,
            "account_id": self.account_id, "details": self.details, "count_before": self.count_before,
            "is_last": self.is_last,
        }  # fmt: skip
        return msgspec.json.encode({"type": f"alert.{self.kind}", "timestamp": iso(self.at), "data": data})
