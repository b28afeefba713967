"""What changed lately, in memory, so that a request reads no database (D3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from ostiary.core.clock import Clock, Millis, millis
from ostiary.core.signals import steady_seconds

if TYPE_CHECKING:
    from ostiary.core.signals import Signals

ON_THE_WAY = timedelta(minutes=1)
"""How long requests may have been on their way that were sent before their session was bound."""


class Heard(msgspec.Struct, frozen=True):
    """When this process heard of something, by both clocks."""

    at: Millis
    steadily_at: float


class Lately:
    """Sessions that something befell, remembered no longer than an access token of theirs could live.

    Both the time of day and a clock that nobody sets must say that it is over:
    a time of day that jumps ahead and back again must not revive a token.
    """

    kind: str

    def __init__(
        self, signals: Signals, clock: Clock, remember: timedelta, *, steady: Callable[[], float] = steady_seconds
    ) -> None:
        self._clock = clock
        self._steady = steady
        self._remember = remember
        self._heard: OrderedDict[str, Heard] = OrderedDict()
        signals.on(self.kind, self._note)

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._heard

    def __len__(self) -> int:
        return len(self._heard)

    def _note(self, session_id: str) -> None:
        now, steady = self._clock.now(), self._steady()
        self._heard[session_id] = Heard(now, steady)
        self._heard.move_to_end(session_id)
        while self._heard:
            oldest = next(iter(self._heard.values()))
            if oldest.at + millis(self._remember) > now:
                break
            if oldest.steadily_at + self._remember.total_seconds() > steady:
                break
            self._heard.popitem(last=False)


class Revocations(Lately):
    """Sessions that ended: no token of theirs counts."""

    kind = "session"


class Statuses(Lately):
    """Places in status lists whose sessions ended."""

    kind = "status"

    def numbers(self) -> list[int]:
        """Return them."""
        return [int(number) for number in self._heard]


class Moved(Lately):
    """Accounts that changed: some of their sessions may count no more without having ended."""

    kind = "account"

    def accounts(self) -> list[tuple[str, Heard]]:
        """Return their ids, and when they changed last."""
        return [*self._heard.items()]


class Bindings(Lately):
    """Sessions that were bound to a device: tokens that were made before do not say so."""

    kind = "binding"

    def _note(self, session_id: str) -> None:
        if session_id not in self._heard:  # told twice, it is bound no later for that
            super()._note(session_id)

    def demand(self, session_id: str) -> bool:
        """Return whether a token of a session counts at its device alone, though it does not say so.

        What was sent before the session was bound comes without the device's cookie, and is let by for a minute.
        """
        heard = self._heard.get(session_id)
        if heard is None:
            return False
        # Either clock will do: the stricter one.
        return (
            self._clock.now() - heard.at > millis(ON_THE_WAY)
            or self._steady() - heard.steadily_at > ON_THE_WAY.total_seconds()
        )
