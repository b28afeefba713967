"""Time, as a value that is passed in: whole milliseconds since 1970, UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

Millis = int
"""Milliseconds since 1970-01-01T00:00:00Z; the form in which tables hold times."""


class Clock(Protocol):
    """Tells the time; tests bring one that they can turn."""

    def now(self) -> Millis:
        """Return the current time."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> Millis:
        """Return the current time."""
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that moves only when told to, for tests and replays."""

    def __init__(self, start: Millis = 1_790_000_000_000) -> None:
        self._now = start

    def now(self) -> Millis:
        """Return the time it was last set to."""
        return self._now

    def advance(self, **delta: float) -> None:
        """Move forward by `timedelta(**delta)`."""
        self._now += millis(timedelta(**delta))


def millis(duration: timedelta) -> int:
    """Return a duration in whole milliseconds."""
    return duration // timedelta(milliseconds=1)


def moment(at: Millis) -> datetime:
    """Return a stored time as an aware datetime in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC)


def iso(at: Millis) -> str:
    """Return a stored time as RFC 3339 text, to the millisecond."""
    return moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(at: Millis | None) -> str | None:
    """Return a stored time as `iso` does, or None for a time that never was."""
    return None if at is None else iso(at)
