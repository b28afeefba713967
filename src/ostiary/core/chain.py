"""What an entry of the journal says, and how it is bound to the one before. No database, no keys."""

from __future__ import annotations

import hashlib

import msgspec

from ostiary.client.strict import encode_base64url
from ostiary.core.clock import Millis

GENESIS = hashlib.sha256(b"ostiary journal v1").digest()

BREAK = "journal.break_found"
"""Written by the house itself where it must go on from an end that somebody has tampered with."""


class Entry(msgspec.Struct, frozen=True):
    """One line of the journal as stored; `sealed` holds what is personal."""

    strand: int
    position: int
    at: Millis
    action: str
    account_id: str | None
    session_id: str | None
    request_id: str
    details: str
    sealed: bytes | None
    chain: bytes


def link(previous: bytes, entry: Entry) -> bytes:
    """Return the chain value of an entry: SHA-256 over the one before and everything it says."""
    said = (
        entry.strand, entry.position, entry.at, entry.action, entry.account_id, entry.session_id,
        entry.request_id, entry.details, None if entry.sealed is None else encode_base64url(entry.sealed),
    )  # fmt: skip
    return hashlib.sha256(previous + msgspec.json.encode(said)).digest()
