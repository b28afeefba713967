"""Broad traffic limits, in the memory of each process: the hot path writes nothing (R10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.core.clock import millis
from ostiary.core.limits import LimitReached
from ostiary.web.address import counted

if TYPE_CHECKING:
    from ostiary.core.clock import Clock, Millis
    from ostiary.core.limits import Limit
    from ostiary.web.headers import Header
    from ostiary.web.visit import Visit

MOST_COUNTED = 100_000
"""Different addresses or accounts in a window; whoever has more than that is not held by counting each."""


class Meter:
    """Counts for one limit. All counters begin anew together, so nothing old is ever looked through.

    Of several processes each allows its share: together they allow the number.
    """

    def __init__(self, limit: Limit, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._window = millis(limit.window)
        self._counts: dict[str, int] = {}
        self._closes_at: Millis = 0
        self._name = limit.name.encode()
        self.share_among(1)

    def __len__(self) -> int:
        return len(self._counts)

    def share_among(self, processes: int) -> None:
        """Take a share of the number: what this process allows."""
        self._allowed = -(-self._limit.number // processes)
        seconds = self._window // 1000
        self._policy: Header = (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (self._name, self._allowed, seconds))

    def admit(self, key: str, answers: list[Header]) -> None:
        """Count one, and let the answer say what is left.

        Raises:
            LimitReached: It is one too many.
        """
        now = self._clock.now()
        left = self._allowed - self._count(key, now)
        seconds = (self._closes_at - now + 999) // 1000
        if left < 0:
            raise LimitReached.of(self._limit, self._closes_at, now)
        answers.append(self._policy)
        answers.append((b"ratelimit", b'"%b";r=%d;t=%d' % (self._name, left, seconds)))

    def count(self, key: str) -> None:
        """Count one that is answered already."""
        self._count(key, self._clock.now())

    def is_spent(self, key: str) -> bool:
        """Return whether the next one would be too many."""
        return self._counts.get(key, 0) >= self._allowed and self._clock.now() < self._closes_at

    def is_idle(self) -> bool:
        """Return whether nothing at all is counted."""
        return not self._counts

    def _count(self, key: str, now: Millis) -> int:
        counts = self._counts
        if now >= self._closes_at:
            counts.clear()
            self._closes_at = now + self._window
        elif len(counts) >= MOST_COUNTED:
            counts.clear()
        count = counts[key] = counts.get(key, 0) + 1
        return count


class Traffic:
    """The two broad limits: of an address that shows no credential, and of an account."""

    def __init__(self, anonymous: Limit, signed_in: Limit, clock: Clock) -> None:
        self._anonymous = Meter(anonymous, clock)
        self._signed_in = Meter(signed_in, clock)

    def share_among(self, processes: int) -> None:
        """Take this process's share of both."""
        self._anonymous.share_among(processes)
        self._signed_in.share_among(processes)

    def admit_stranger(self, visit: Visit) -> None:
        """Count a request without a credential.

        Raises:
            LimitReached: Too many from this address. One that is not known (D6) has no counter: it may be everybody's.
        """
        if visit.address is not None:
            self._anonymous.admit(counted(visit.address), visit.answers)

    def admit_account(self, visit: Visit, account_id: str) -> None:
        """Count a request whose credential was verified, once.

        Raises:
            LimitReached: Too many of this account.
        """
        if not visit.is_counted:
            visit.is_counted = True
            self._signed_in.admit(account_id, visit.answers)

    def note_stranger(self, visit: Visit) -> None:
        """Count a request whose credential proved nothing."""
        if visit.address is not None:
            self._anonymous.count(counted(visit.address))

    def is_spent(self, visit: Visit) -> bool:
        """Return whether this address may show credentials only that prove something."""
        if visit.address is None or self._anonymous.is_idle():
            return False
        return self._anonymous.is_spent(counted(visit.address))
