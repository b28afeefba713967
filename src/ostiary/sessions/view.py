"""The revocation view: what ended lately, in memory, so that a request reads no database (D3)."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING

from ostiary.core.clock import Clock, Millis, millis

if TYPE_CHECKING:
    from ostiary.core.signals import Signals


class Revocations:
    """Ended sessions, remembered no longer than an access token of theirs could live."""

    def __init__(self, signals: Signals, clock: Clock, remember: timedelta) -> None:
        self._clock = clock
        self._remember = millis(remember)
        self._ended: OrderedDict[str, Millis] = OrderedDict()
        signals.on("session", self._note)

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._ended

    def __len__(self) -> int:
        return len(self._ended)

    def _note(self, session_id: str) -> None:
        now = self._clock.now()
        self._ended[session_id] = now + self._remember
        while self._ended:
            oldest = next(iter(self._ended.values()))
            if oldest > now:
                break
            self._ended.popitem(last=False)
