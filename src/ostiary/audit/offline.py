"""Verifies an export with nothing but the export and public keys: no database, no settings, no house."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec

from ostiary.audit.formats import JsonLine
from ostiary.audit.lines import END, KIND, Footer, Header
from ostiary.audit.links import Strand, numbered
from ostiary.audit.statement import EXPORT_TYP, Expectations, Statement, StatementRefused, digest_of, opened
from ostiary.audit.verdict import Findings, Verdict
from ostiary.client import KeySource, TokenRefused
from ostiary.client.jws import read
from ostiary.client.strict import decode_base64url, decode_object, encode_base64url
from ostiary.core.chain import Entry

LONGEST_LINE = 4 * 1024 * 1024
NOWHERE = -1
"""For findings that are not of one strand."""


@dataclass(slots=True)
class _Reading:
    """What is known of an export as its lines go by."""

    header: Header
    findings: Findings
    expectations: Expectations
    strands: dict[int, Strand] = field(default_factory=dict)

    def take(self, line: bytes, number: int) -> None:
        """Check one line that must be an entry."""
        entry = _entry(line, is_sealed=self.header.sealed)
        if entry is None:
            self.findings.add(NOWHERE, number, "altered", f"line {number} of the export is no entry")
            return
        self.findings.entries += 1
        if not self.header.filters:  # with filters, nothing goes on from the line before
            self.strand(entry.strand).take(entry, self.findings, self.expectations)

    def strand(self, number: int) -> Strand:
        """Return a strand of the export."""
        return self.strands.setdefault(number, Strand(number))


def verify_export(file: BinaryIO, keys: KeySource, anchored: Sequence[str] = ()) -> Verdict:
    """Return whether an export is what the house wrote, and holds all that its checkpoint covers.

    Args:
        file: The export in JSON Lines, opened for bytes; read once, line by line.
        keys: The public keys of checkpoints (`ostiary journal public-key`), from a place that you trust.
        anchored: Checkpoints kept elsewhere: the export must hold what they saw.
    """
    findings, expectations = Findings(), Expectations()
    for number, jws in enumerate(anchored, 1):
        try:
            expectations.add(opened(jws, keys))
        except StatementRefused as refused:
            words = f"checkpoint {number} of the file was not signed by these keys ({refused})"
            findings.add(NOWHERE, number, "checkpoint-forged", words)
    lines = _lines(file)
    header = _header(next(lines, b""))
    if header is None:
        findings.add(NOWHERE, 1, "altered", "the first line is not the head of an export")
        return Verdict(0, 0, tuple(findings.found))
    try:
        begun = opened(header.checkpoint, keys)
    except StatementRefused as refused:
        words = f"the checkpoint in the first line was not signed by these keys ({refused})"
        findings.add(NOWHERE, 1, "checkpoint-forged", words)
        return Verdict(0, 0, tuple(findings.found))
    reading = _Reading(header, findings, expectations)
    if not header.filters:
        expectations.add(begun)
        for end in begun.strands:
            reading.strands[end.strand] = Strand(end.strand, end.base, end.base_chain)
            expectations.look(end.strand, end.base - 1, end.base_chain, findings)
    digest = hashlib.sha256(msgspec.json.encode(header) + b"\n")
    last, number = b"", 1
    for number, line in enumerate(lines, 2):
        if last:
            digest.update(last)
            reading.take(last, number - 1)
        last = line
    _check_footer(reading, last, number, digest.digest(), keys)
    return Verdict(findings.entries, len(reading.strands), tuple(findings.found))


def _check_footer(reading: _Reading, line: bytes, number: int, digest: bytes, keys: KeySource) -> None:
    findings = reading.findings
    footer = _footer(line)
    if footer is None:
        if line:
            reading.take(line, number)
        findings.add(NOWHERE, number, "cut", "the export has no end: it was cut off, or is not written to its end")
        return
    try:
        statement = opened(footer.checkpoint, keys)
    except StatementRefused as refused:
        words = f"the checkpoint of the export was not signed by these keys ({refused})"
        findings.add(NOWHERE, number, "checkpoint-forged", words)
        return
    if (footer.register, footer.strands) != (statement.register, statement.strands):
        findings.add(NOWHERE, number, "altered", "the last line does not say what its checkpoint says")
    if not reading.header.filters:
        _check_ends(reading, statement)
        reading.expectations.look_at_ends(((end.strand, end.entries) for end in statement.strands), findings)
    _check_signature(footer, number, digest, keys, findings)
    if reading.header.filters:
        words = f"made with filters ({', '.join(reading.header.filters)}): that nothing else was left out is not proved"
        findings.add(NOWHERE, 1, "partial", words)


def _check_ends(reading: _Reading, statement: Statement) -> None:
    """Compare where each strand ends with what the checkpoint says."""
    findings = reading.findings
    for end in statement.strands:
        strand = reading.strand(end.strand)
        if strand.seen == 0 and strand.expected < end.entries:
            words = f"strand {end.strand} is left out: {end.entries - strand.expected} entries"
            findings.add(end.strand, strand.expected, "strand-missing", words)
        elif strand.expected < end.entries:
            words = f"{numbered(strand.expected, end.entries)} at the end of strand {end.strand} gone"
            findings.add(end.strand, strand.expected, "truncated", words)
        elif strand.expected > end.entries:
            words = f"strand {end.strand} has entries behind its end"
            findings.add(end.strand, end.entries, "extra", words)
        elif strand.chain != end.head_chain:
            words = f"strand {end.strand} does not end as it was written: entries were edited and linked anew"
            findings.add(end.strand, max(0, strand.expected - 1), "edited", words)
    for number in reading.strands.keys() - {end.strand for end in statement.strands}:
        findings.add(number, 0, "extra", f"strand {number} is not in the checkpoint")


def _check_signature(footer: Footer, number: int, digest: bytes, keys: KeySource, findings: Findings) -> None:
    """Look at the house's word for every byte: it covers what the chain does not, such as `private`."""
    try:
        claims = read(footer.signature, keys, EXPORT_TYP)
    except TokenRefused as refused:
        words = f"the export was not signed by these keys ({refused.reason})"
        findings.add(NOWHERE, number, "checkpoint-forged", words)
        return
    told = (claims.get("sha256"), claims.get("entries"), claims.get("checkpoint"))
    if told != (encode_base64url(digest), footer.entries, digest_of(footer.checkpoint)):
        words = "a line was changed, added, moved or taken away since the house wrote the export"
        findings.add(NOWHERE, number, "altered", words)
    elif footer.entries != findings.entries:
        findings.add(NOWHERE, number, "altered", "the number of entries is not the one that the house wrote")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        yield line


def _members(line: bytes) -> bytes | None:
    """Return a line without its end, if parsers agree about what it says (RFC 8725 section 3.10 has the reason)."""
    text = line.removesuffix(b"\n")
    return text if text != line and decode_object(text) is not None else None


def _header(line: bytes) -> Header | None:
    text = _members(line)
    try:
        header = msgspec.json.decode(text or b"", type=Header)
    except msgspec.MsgspecError:
        return None
    is_ours = header.kind == KIND and header.version == 1 and msgspec.json.encode(header) == text
    return header if is_ours else None


def _footer(line: bytes) -> Footer | None:
    text = _members(line)
    try:
        footer = msgspec.json.decode(text or b"", type=Footer)
    except msgspec.MsgspecError:
        return None
    return footer if footer.kind == END and msgspec.json.encode(footer) == text else None


def _entry(line: bytes, *, is_sealed: bool) -> Entry | None:
    text = _members(line)
    try:
        told = msgspec.json.decode(text or b"", type=JsonLine)
        chain = bytes.fromhex(told.chain)
    except (msgspec.MsgspecError, ValueError):
        return None
    sealed = None if told.sealed is None else decode_base64url(told.sealed)
    if (told.sealed is not None and sealed is None) or is_sealed != (told.private is msgspec.UNSET):
        return None
    if msgspec.json.encode(told) != text:  # one spelling, so that every change shows
        return None
    return Entry(
        told.strand, told.position, told.at, told.action, told.account_id, told.session_id, told.request_id,
        told.details, sealed, chain,
    )  # fmt: skip
