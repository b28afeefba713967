"""Signed statements about the journal, and what follows from them. No database, no settings: the offline part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ostiary.audit.verdict import Findings
from ostiary.client import KeySource, SigningKey, TokenRefused
from ostiary.client.jws import read, sign
from ostiary.client.strict import decode_base64url, encode_base64url
from ostiary.core.chain import GENESIS
from ostiary.core.clock import Millis, iso

CHECKPOINT_TYP: Final = "ostiary-checkpoint+jwt"
EXPORT_TYP: Final = "ostiary-export+jwt"
"""A purpose, a `typ` (RFC 8725 section 3.11): neither passes for the other, nor for an access token."""

LONGEST: Final = 65_000
"""Characters of a checkpoint: some hundred strands, and still one datagram of UDP."""


class StatementRefused(Exception):  # noqa: N818 - reads as what it says
    """It is no checkpoint of this house; the message is a short word for why."""


class End(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a checkpoint says of one strand; chain values in base64url."""

    strand: int
    entries: int
    head: str
    base: int
    before: str
    """The chain value before the first kept entry."""

    @property
    def head_chain(self) -> bytes:
        """The chain value of the last entry."""
        return _chain(self.head)

    @property
    def base_chain(self) -> bytes:
        """The chain value that the first kept entry goes on from."""
        return _chain(self.before)


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state of the whole journal at one moment.

    Attributes:
        sequence: Checkpoints are numbered from 0, without gaps.
        at: When it was made.
        previous: SHA-256 of the checkpoint before, in base64url; empty for the first.
        register: How many strands there are.
        strands: One line for each, in order.
    """

    sequence: int
    at: Millis
    previous: str
    register: int
    strands: tuple[End, ...]

    @property
    def entries(self) -> int:
        """Entries of all strands ever written."""
        return sum(end.entries for end in self.strands)

    @property
    def name(self) -> str:
        """For a person."""
        return f"the checkpoint of {iso(self.at)}"


def end(strand: int, entries: int, head: bytes, base: int, before: bytes) -> End:
    """Return what a checkpoint says of a strand."""
    return End(strand, entries, encode_base64url(head), base, encode_base64url(before))


def signed(statement: Statement, key: SigningKey) -> str:
    """Return a statement as a compact JWS."""
    claims = msgspec.to_builtins(statement)
    return sign(claims, key, CHECKPOINT_TYP, longest=LONGEST)


def digest_of(jws: str) -> str:
    """Return what the next checkpoint says of this one."""
    return encode_base64url(hashlib.sha256(jws.encode()).digest())


def opened(jws: str, keys: KeySource) -> Statement:
    """Return what a checkpoint says.

    Raises:
        StatementRefused: Not signed by these keys for this purpose, or not of this form.
    """
    try:
        claims = read(jws, keys, CHECKPOINT_TYP, longest=LONGEST)
    except TokenRefused as refused:
        raise StatementRefused(refused.reason) from None
    try:
        statement = msgspec.convert(claims, Statement)
    except msgspec.ValidationError:
        raise StatementRefused("form") from None
    for number, line in enumerate(statement.strands):
        if line.strand != number or not 0 <= line.base <= line.entries:
            raise StatementRefused("form")
        if len(line.head_chain) != len(GENESIS) or len(line.base_chain) != len(GENESIS):
            raise StatementRefused("form")
    if statement.register != len(statement.strands):
        raise StatementRefused("form")
    return statement


def _chain(text: str) -> bytes:
    return decode_base64url(text) or b""


@dataclass(slots=True)
class Expectations:
    """What earlier checkpoints say must be there; asked for each entry that is read, and for each strand's end."""

    wanted: dict[tuple[int, int], list[tuple[bytes, str]]] = field(default_factory=dict)
    longest: dict[int, tuple[int, str]] = field(default_factory=dict)

    def add(self, statement: Statement) -> None:
        """Expect what a checkpoint says."""
        for line in statement.strands:
            if line.entries:
                known = self.wanted.setdefault((line.strand, line.entries - 1), [])
                if all(chain != line.head_chain for chain, _ in known):
                    known.append((line.head_chain, statement.name))
            if line.entries >= self.longest.get(line.strand, (0, ""))[0]:
                self.longest[line.strand] = (line.entries, statement.name)

    def look(self, strand: int, position: int, chain: bytes, findings: Findings) -> None:
        """Compare one entry's chain value, or that before a strand's first kept one."""
        for expected, name in self.wanted.get((strand, position), ()):
            if expected != chain:
                words = f"entry {position} of strand {strand} is not the one that {name} saw: the past was exchanged"
                findings.add(strand, position, "set-back", words)

    def look_at_ends(self, ends: Iterable[tuple[int, int]], findings: Findings) -> None:
        """Compare how long the strands are with how long they were."""
        entries = dict(ends)
        for strand, (longest, name) in sorted(self.longest.items()):
            there = entries.get(strand, 0)
            if there < longest:
                words = f"{name} saw {longest} entries of strand {strand}, here are {there}: an old state was put back"
                findings.add(strand, there, "set-back", words)
