"""Following a strand from entry to entry, in a database or in an export. No database, no keys: the offline part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from ostiary.audit.statement import Expectations
from ostiary.audit.verdict import Findings, Kind
from ostiary.core.chain import BREAK, GENESIS, Entry, link

BREAKS: dict[str, tuple[Kind, str]] = {
    "head": ("head-forged", "the house found this strand's end not to be its own, and went on from there"),
    "strand": ("strand-missing", "the house found this strand's end gone, and began it anew"),
    "register": ("register-forged", "the house found the register of strands not to be its own"),
    "checkpoint": ("set-back", "the house found the journal not to be what its last checkpoint had seen"),
}


@dataclass(slots=True)
class Strand:
    """One strand as it is read, entry after entry.

    Attributes:
        number: Which.
        expected: Where the next entry belongs.
        chain: What it must go on from.
        seen: How many entries were read.
    """

    number: int
    expected: int = 0
    chain: bytes = field(default=GENESIS)
    seen: int = 0

    def take(self, entry: Entry, findings: Findings, expectations: Expectations) -> bool:
        """Check the next entry; return whether it stands at a place where the chain can go on from it."""
        position = entry.position
        if type(position) is not int:  # SQLite lets a shell put an entry between two others, at 1.5
            findings.add(self.number, self.expected, "extra", f"strand {self.number} has an entry between two others")
            return False
        if position < self.expected:
            words = f"entry {position} of strand {self.number} stands there again, or out of its order"
            findings.add(self.number, position, "extra", words)
            return False
        if position > self.expected:
            gone = numbered(self.expected, position)
            findings.add(self.number, self.expected, "missing", f"{gone} of strand {self.number} gone")
        if entry.action == BREAK:
            self._tell_break(entry, findings)
        elif position == self.expected and not follows(self.chain, entry):
            words = f"entry {position} of strand {self.number}, or the one before it, was edited or moved"
            findings.add(self.number, position, "edited", words)
        expectations.look(self.number, position, entry.chain, findings)
        self.chain, self.expected = entry.chain, position + 1
        self.seen += 1
        return True

    def _tell_break(self, entry: Entry, findings: Findings) -> None:
        kind, told = BREAKS.get(str(decoded(entry.details).get("what")), BREAKS["head"])
        words = f"entry {entry.position} of strand {self.number} says: {told}"
        findings.add(self.number, entry.position, kind, words)


def follows(chain: bytes, entry: Entry) -> bool:
    """Return whether an entry goes on from a chain value."""
    try:
        return link(chain, entry) == entry.chain
    except TypeError:  # SQLite lets a shell put text where bytes belong
        return False


def numbered(start: int, end: int) -> str:
    """Return a range of entries in words, with its verb."""
    return f"entry {start} is" if end - start == 1 else f"entries {start} to {end - 1} are"


def decoded(details: str) -> dict[str, Any]:
    """Return the details, which somebody may have edited into anything."""
    try:
        return msgspec.json.decode(details, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {"unreadable": details}
