"""What a verification found, in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "edited", "missing", "extra", "truncated", "strand-missing", "head-forged", "register-forged",
    "base-forged",  # where a strand begins since old entries were deleted
    "checkpoint-forged", "checkpoint-missing",
    "set-back",  # not what an earlier checkpoint saw
    "partial", "cut", "altered",  # of exports: made with filters; without its end; not as it was exported
]  # fmt: skip

MOST_FINDINGS = 1000
"""A journal that was rewritten from the start on would fill the memory with findings."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where the journal is not as it was written.

    Attributes:
        strand: Which chain; -1 for what is of none.
        position: Which entry of it, counted from 0; of a range, the first.
        kind: What was done.
        words: The same for a person.
    """

    strand: int
    position: int
    kind: Kind
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a verification.

    Attributes:
        entries: How many entries were read.
        strands: How many chains there are.
        findings: The first thousand places that are not as they were written.
    """

    entries: int
    strands: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether the journal is as it was written."""
        return not self.findings


@dataclass(slots=True)
class Findings:
    """Gathers findings while a verification goes on."""

    entries: int = 0
    found: list[Finding] = field(default_factory=list)

    def add(self, strand: int, position: int, kind: Kind, words: str) -> None:
        """Note a place; where SQLite was given text for a number, the words alone say where."""
        if len(self.found) < MOST_FINDINGS:
            strand, position = (number if type(number) is int else -1 for number in (strand, position))
            self.found.append(Finding(strand, position, kind, words))
