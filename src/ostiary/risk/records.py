"""Judged sign-ins as the journal keeps them, read back."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ostiary.core.clock import Millis
from ostiary.risk.facts import Facts, read
from ostiary.risk.verdict import Action

if TYPE_CHECKING:
    from ostiary.audit import Audit, Line

Progress = Callable[[int], None]

ACCEPTED, REFUSED = "login.succeeded", "login.refused"
DEMANDED = "factor.demanded"
"""The password was right and a second factor is owed: judged, but not the end of a sign-in."""
DISOWNED = "account.disowned"
"""Written when an owner says, by the link in a letter, that it was not them."""

DISOWNED_WITHIN: Millis = 7 * 24 * 3_600_000
"""How long such a link works: what was accepted so long before is meant."""

PAGE = 500
_PLACE = re.compile(r"(?:(?P<at>\d{1,18}):)?(?P<strand>\d{1,9}):(?P<position>\d{1,18})")
_OWN_ID = re.compile(r"[A-Za-z0-9_-]{22}")


class Verdict(msgspec.Struct, frozen=True):
    """What was decided at the sign-in, as it stands in clear in the entry's `risk`."""

    action: Action
    score: int
    policy: str
    reasons: dict[str, int]


class Recorded(msgspec.Struct, frozen=True):
    """One judged sign-in.

    Attributes:
        place: `AT:STRAND:POSITION` in the journal.
        verdict: What was decided then.
        facts: None if the account is erased, or another version wrote them.
        is_erased: Whether the account's key is gone, and the facts with it (D12).
    """

    place: str
    at: Millis
    action: str
    account_id: str | None
    session_id: str | None
    request_id: str
    verdict: Verdict
    facts: Facts | None
    is_erased: bool

    @property
    def was_accepted(self) -> bool:
        """Whether it started a session."""
        return self.action == ACCEPTED

    def is_among(self, disowned: dict[str, list[Millis]]) -> bool:
        """Return whether its owner, says `Records.disowned`, meant this one: accepted, and on an unknown browser."""
        is_strange = self.was_accepted and self.facts is not None and not self.facts.known_device
        times = disowned.get(self.account_id or "", ()) if is_strange else ()
        return any(self.at <= told <= self.at + DISOWNED_WITHIN for told in times)


@dataclass(frozen=True, slots=True)
class Records:
    """Reads judged sign-ins a page at a time; never holds more than one page."""

    audit: Audit

    async def all(
        self, since: Millis = 0, account_id: str | None = None, progress: Progress | None = None,
        actions: tuple[str, ...] = (ACCEPTED, REFUSED),
    ) -> AsyncIterator[Recorded]:  # fmt: skip
        """Yield the judged sign-ins from a moment on: first those accepted, the newest first, then those refused."""
        seen = 0
        for action in actions:
            async for line in self._lines(action, since=since, account_id=account_id):
                seen += 1
                if progress is not None:
                    progress(seen)
                if found := recorded_in(line):
                    yield found

    async def disowned(self, since: Millis = 0, account_id: str | None = None) -> dict[str, list[Millis]]:
        """Return when owners said that it was not them, by account."""
        found: dict[str, list[Millis]] = {}
        async for line in self._lines(DISOWNED, since=since, account_id=account_id):
            found.setdefault(line.account_id or "", []).append(line.at)
        return found

    async def find(self, identity: str, progress: Progress | None = None) -> Recorded | None:
        """Return the judged sign-in that a request id, a session id or a place in the journal names, or None.

        Places and session ids tell when it was, and are found at once; for a
        request id the sign-ins are looked through from the newest on.
        """
        for since, until in _times_in(identity):
            for line in await self.audit.listed(since=since, until=until, most=1000):
                if _is_named(line, identity) and (found := recorded_in(line)):
                    return found
        async for found in self.all(progress=progress, actions=(ACCEPTED, REFUSED, DEMANDED)):
            if identity in {found.session_id, found.request_id, found.place, found.place.partition(":")[2]}:
                return found
        return None

    async def _lines(self, action: str, *, since: Millis, account_id: str | None) -> AsyncIterator[Line]:
        after = None
        while page := await self.audit.listed(account_id, action=action, since=since, after=after, most=PAGE):
            for line in page:
                yield line
            after = page[-1].place


def recorded_in(line: Line) -> Recorded | None:
    """Return the judged sign-in that a line of the journal tells of, or None if it tells of none."""
    try:
        verdict = msgspec.convert(line.details.get("risk"), Verdict)
    except msgspec.ValidationError:
        return None
    private = line.private
    return Recorded(
        _place_of(line), line.at, line.action, line.account_id, line.session_id, line.request_id, verdict,
        read(private.get("facts", "")) if private is not None else None, private is None,
    )  # fmt: skip


def _place_of(line: Line) -> str:
    return f"{line.at}:{line.strand}:{line.position}"


def _is_named(line: Line, identity: str) -> bool:
    return identity in {line.session_id, line.request_id, _place_of(line)}


def _times_in(identity: str) -> list[tuple[Millis, Millis]]:
    """Return when the entry that is named was written, as far as its name tells."""
    place = _PLACE.fullmatch(identity)
    if place and place["at"]:
        return [(int(place["at"]), int(place["at"]) + 1)]
    if not _OWN_ID.fullmatch(identity):
        return []
    # 48 bits of milliseconds stand before the random ones: `ostiary.core.secrets.new_id`.
    at = int.from_bytes(urlsafe_b64decode(identity + "==")[:6])
    return [(at, at + 1)]
