"""Whether a password is known from a breach: a filter on disk, and a service that may be asked beside it (R5)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.core.clock import Clock, millis
from ostiary.core.errors import Misconfigured
from ostiary.core.hashing import normalise
from ostiary.core.outbound import OutboundFailed, OutboundRefused
from ostiary.passwords.breaches.filter import Filter, FilterDamaged, key_of

if TYPE_CHECKING:
    from ostiary.core.outbound import Outbound
    from ostiary.passwords.policy import PasswordSettings

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).with_name("common.filter")
"""What is looked up while no other file is named: written by `scripts/common_passwords.py`."""

LOOK_AGAIN = timedelta(seconds=30)
"""How often a filter is looked for that has replaced the one in use."""

_LINE = re.compile(rb"([0-9A-Fa-f]{35}):([0-9]{1,18})")
_File = tuple[int, int, int, int]


class Breaches:
    """Knows passwords that others have lost.

    A filter that cannot be read stops the start. Later on nothing here stops
    anybody: a file that is damaged while it is in use, and a service that does
    not answer, are logged, and the password passes (D14: degrade).
    """

    def __init__(self, settings: PasswordSettings, outbound: Outbound, clock: Clock, folder: Path) -> None:
        self._settings = settings
        self._outbound = outbound
        self._clock = clock
        self.path = folder / settings.breach_filter if settings.breach_filter else SHIPPED
        self._filter: Filter | None = None
        self._file: _File | None = None
        self._looked_at = 0
        self._looking = threading.Lock()
        self._has_complained = False

    @property
    def filter(self) -> Filter | None:
        """The filter in use; None before `open`, and where breaches are not looked for."""
        return self._filter

    def open(self) -> None:
        """Open the filter.

        Raises:
            Misconfigured: It cannot be read, or is not what `ostiary breach build` wrote.
        """
        if self._settings.breaches == "off":
            return
        try:
            self._take(self.path)
        except (FilterDamaged, OSError) as wrong:
            raise Misconfigured(
                f"passwords.breach_filter: {self.path} cannot be used: {_why(wrong)}.\n"
                "Build it again by `ostiary breach build`, or remove the setting to use the list that comes with "
                "the package."
            ) from None

    def close(self) -> None:
        """Let go of the file, which closes when the last question to it is answered."""
        self._filter = None

    def holds(self, password: str) -> bool:
        """Return whether the filter knows a password; may wait for the disk, so call it in a thread."""
        self._look_for_another()
        current = self._filter
        if current is None:
            return False
        try:
            return knows(current, password)
        except (FilterDamaged, OSError) as wrong:
            self._complain("cannot be read any more, and passwords pass without it", wrong)
            return False

    async def know(self, password: str) -> bool:
        """Return whether the filter knows a password; microseconds, off the loop where it lies on a disk."""
        if self._filter is None:
            return False
        if self._filter.is_resident and not self._is_time_to_look:
            return self.holds(password)
        return await asyncio.to_thread(self.holds, password)

    async def ask(self, password: str) -> bool:
        """Return whether the service knows a password that somebody has chosen; False where none is asked.

        It learns the first 20 bits of the password's SHA-1, and by padding not
        even how long its answer was (k-anonymity).
        """
        if self._settings.breaches != "range":
            return False
        for text in _forms(password):
            digest = hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()
            try:
                if digest[5:].encode() in await self.suffixes(digest[:5]):
                    return True
            except (OutboundFailed, OutboundRefused) as end:
                # Nothing of the password, not even its prefix.
                log.warning("the breach service was of no help (%s); a password passes without it", end)
                return False
        return False

    async def suffixes(self, prefix: str) -> frozenset[bytes]:
        """Ask the service which hashes begin with five digits; return the rest of each.

        Raises:
            OutboundFailed: No usable answer in time.
            OutboundRefused: The service lies where the house does not go.
        """
        reply = await self._outbound.request(
            "GET", f"{self._settings.range_url}{prefix}", headers=[("Add-Padding", "true")],
            within=self._settings.range_timeout,
        )  # fmt: skip
        if reply.status != 200:
            raise OutboundFailed(f"status {reply.status}")
        lines = [line for line in reply.body.splitlines() if line]
        found = [match for line in lines if (match := _LINE.fullmatch(line))]
        if len(found) != len(lines) or not found:
            raise OutboundFailed("an answer of another form")
        return frozenset(match[1].upper() for match in found if int(match[2]))  # padding has a count of 0

    @property
    def _is_time_to_look(self) -> bool:
        return self._clock.now() - self._looked_at >= millis(LOOK_AGAIN)

    def _look_for_another(self) -> None:
        """Take up a filter that has replaced the one in use; of simultaneous callers one does."""
        if not self._is_time_to_look or not self._looking.acquire(blocking=False):
            return
        try:
            self._looked_at = self._clock.now()
            if self._filter is None or _identity(self.path) == self._file:
                return
            self._take(self.path)
            log.info("another filter of breached passwords is in use: %s entries", f"{self._filter.facts.entries:,}")
        except (FilterDamaged, OSError) as wrong:
            self._complain("cannot be used; the last good one stays in use", wrong)
        finally:
            self._looking.release()

    def _take(self, path: Path) -> None:
        file = _identity(path)  # before it is opened: if it changes in between, it is taken up once more
        # The one before it closes by itself, when the last question to it is answered.
        self._filter, self._file, self._has_complained = Filter(path), file, False
        self._looked_at = self._clock.now()

    def _complain(self, what: str, wrong: Exception) -> None:
        if not self._has_complained:
            log.error("the filter of breached passwords %s %s: %s", self.path, what, _why(wrong))
            self._has_complained = True


def knows(opened: Filter, password: str) -> bool:
    """Return whether a filter holds a password, in one of its forms.

    Raises:
        FilterDamaged: The part of the file that knows it was altered.
    """
    return any(key_of(text) in opened for text in _forms(password))


def _forms(password: str) -> set[str]:
    """Return a password as it was typed, and as it is hashed: lists hold what people typed elsewhere."""
    return {password, normalise(password)}


def _identity(path: Path) -> _File:
    found = os.stat(path)  # noqa: PTH116 - Path.stat by another name, and quicker
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _why(wrong: Exception) -> str:
    return wrong.strerror or type(wrong).__name__ if isinstance(wrong, OSError) else str(wrong)
