"""One entry as a line of JSON, CSV or CEF. No database: text in, text out."""

from __future__ import annotations

import csv
import io
import re
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from ostiary.audit.wanted import address_of
from ostiary.client.strict import encode_base64url
from ostiary.core.clock import Millis, iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ostiary.core.chain import Entry

Private = dict[str, str] | None


class JsonLine(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An entry in an export: everything that the chain covers, and what is personal where that is wanted."""

    strand: int
    position: int
    at: Millis
    action: str
    account_id: str | None
    session_id: str | None
    request_id: str
    details: str
    sealed: str | None
    chain: str
    private: Private | msgspec.UnsetType = msgspec.UNSET


def json_line(entry: Entry, private: Private | msgspec.UnsetType) -> bytes:
    """Return an entry as a line of JSON; without `private`, nothing that is not covered by the chain."""
    line = JsonLine(
        strand=entry.strand, position=entry.position, at=entry.at, action=entry.action, account_id=entry.account_id,
        session_id=entry.session_id, request_id=entry.request_id, details=entry.details,
        sealed=None if entry.sealed is None else encode_base64url(entry.sealed), chain=entry.chain.hex(),
        private=private,
    )  # fmt: skip
    return msgspec.json.encode(line) + b"\n"


def when(at: Millis) -> str:
    """Return the time of an entry for people; a number that is no time, which no house writes, as it is."""
    try:
        return iso(at)
    except (ValueError, OverflowError):
        return str(at)


# CSV

COLUMNS = (
    "at", "action", "account_id", "session_id", "request_id", "address", "agent", "details", "private", "strand",
    "position", "chain",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection); the wide forms, too."""
_WITHIN = re.compile(r"""(?<=[;|\t\r\n])(?=[ "'\u00a0]*[=+\-@＝＋－＠])""")


def csv_head() -> bytes:
    """Return the line that names the columns."""
    return _csv(COLUMNS)


def csv_line(entry: Entry, private: Private | msgspec.UnsetType) -> bytes:
    """Return an entry as a line of CSV (RFC 4180), every cell quoted and harmless."""
    known, rest = _split(private)
    return _csv((
        when(entry.at), entry.action, entry.account_id or "", entry.session_id or "", entry.request_id,
        known.get("address", ""), known.get("agent", ""), entry.details, rest, str(entry.strand), str(entry.position),
        entry.chain.hex(),
    ))  # fmt: skip


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet computes: an apostrophe before what would be a formula.

    Quotes and blanks before it are looked through: what strips them once more
    would find the formula behind. The same within a cell, behind what parts
    cells elsewhere: where people write 0,5, spreadsheets take the semicolon,
    and to them these quotes do not hold a cell together.
    """
    cell = _WITHIN.sub("'", cell)
    if cell.startswith(_FORMULA) or cell.lstrip(" \"'\u00a0").startswith(_FORMULA):
        return f"'{cell}"
    return cell


def _csv(cells: tuple[str, ...]) -> bytes:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow([harmless(cell) for cell in cells])
    return line.getvalue().encode("utf-8", "replace")


# CEF

SEVERITIES: tuple[tuple[str, int], ...] = (
    ("journal.break_found", 10), ("session.theft_detected", 9), ("key.killed", 8), ("journal.pruned", 6),
    ("journal.exported", 6), ("account.deleted", 6), ("account.status_changed", 6), ("login.failed", 5),
    ("login.refused", 5), ("attempt.refused", 5), ("password.recheck_failed", 5), ("password.changed", 5),
    ("account.unlocked", 5), ("address.proof_refused", 4), ("key.", 4), ("session.grace_used", 4),
)  # fmt: skip
"""How bad, from 0 to 10, by how an action begins; the first that fits counts."""
ORDINARY = 2
_OTHER_ENDS = dict.fromkeys(map(ord, "\v\f\x1c\x1d\x1e\x85\u2028\u2029\0"), " ")


def cef_line(entry: Entry, private: Private | msgspec.UnsetType) -> bytes:
    """Return an entry as a line of CEF (ArcSight Common Event Format, version 0)."""
    known, rest = _split(private)
    header = "|".join(
        _cef_header(part)
        for part in ("Ostiary", "Ostiary", _version(), entry.action, _named(entry.action))
    )  # fmt: skip
    fields = {
        "rt": str(entry.at), "externalId": f"{entry.strand}:{entry.position}", "suid": entry.account_id,
        **_source(known.get("address")), "requestClientApplication": known.get("agent"),
        **_labelled(1, "session", entry.session_id), **_labelled(2, "request", entry.request_id),
        **_labelled(3, "chain", entry.chain.hex()), **_labelled(4, "private", rest or None), "msg": entry.details,
    }  # fmt: skip
    extension = " ".join(f"{name}={_cef_value(value)}" for name, value in fields.items() if value is not None)
    return f"CEF:0|{header}|{severity_of(entry.action)}|{extension}\n".encode("utf-8", "replace")


@cache
def _version() -> str:
    return version("ostiary")


def severity_of(action: str) -> int:
    """Return how bad an action is, from 0 to 10."""
    return next((severity for begins, severity in SEVERITIES if action.startswith(begins)), ORDINARY)


def _named(action: str) -> str:
    return action.replace(".", " ").replace("_", " ")


def _labelled(number: int, label: str, value: str | None) -> dict[str, str | None]:
    return {} if value is None else {f"cs{number}Label": label, f"cs{number}": value}


def _source(text: str | None) -> dict[str, str | None]:
    address = address_of(text or "")
    if address is None:
        return {}
    if address.version == 6:  # `src` holds IPv4 only
        return {"c6a2Label": "Source IPv6 Address", "c6a2": str(address)}
    return {"src": str(address)}


def _cef_header(text: str) -> str:
    return _one_line(text.replace("\\", "\\\\").replace("|", "\\|"), " ", " ")


def _cef_value(text: str) -> str:
    return _one_line(text.replace("\\", "\\\\").replace("=", "\\="), "\\n", "\\r")


def _one_line(text: str, feed: str, carriage: str) -> str:
    """Keep one entry one line, whatever a reader takes for the end of one."""
    return text.replace("\r", carriage).replace("\n", feed).translate(_OTHER_ENDS)


def _split(private: Private | msgspec.UnsetType) -> tuple[Mapping[str, str], str]:
    """Return the private part, and what of it has no column of its own as JSON."""
    if private is msgspec.UNSET:
        return {}, ""
    if private is None:
        return {}, "erased"
    assert isinstance(private, dict)
    rest: dict[str, Any] = {name: value for name, value in private.items() if name not in {"address", "agent"}}
    return private, msgspec.json.encode(rest, order="sorted").decode() if rest else ""
