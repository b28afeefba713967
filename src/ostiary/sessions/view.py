"""The revocation view: what ended lately, in memory, so that a request reads no database (D3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from ostiary.core.clock import Clock, Millis, millis
from ostiary.core.signals import steady_seconds

if TYPE_CHECKING:
    from ostiary.core.signals import Signals


class Revocations:
    """Ended sessions, remembered no longer than an access token of theirs could live.

    Both the time of day and a clock that nobody sets must say that it is over:
    a time of day that jumps ahead and back again must not revive a token.
    """

    def __init__(
        self, signals: Signals, clock: Clock, remember: timedelta, *, steady: Callable[[], float] = steady_seconds
    ) -> None:
        self._clock = clock
        self._steady = steady
        self._remember = remember
        self._ended: OrderedDict[str, tuple[Millis, float]] = OrderedDict()
        signals.on("session", self._note)

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._ended

    def __len__(self) -> int:
        return len(self._ended)

    def _note(self, session_id: str) -> None:
        now, steady = self._clock.now(), self._steady()
        self._ended[session_id] = now + millis(self._remember), steady + self._remember.total_seconds()
        self._ended.move_to_end(session_id)
        while self._ended:
            over_at, over_steadily_at = next(iter(self._ended.values()))
            if over_at > now or over_steadily_at > steady:
                break
            self._ended.popitem(last=False)
