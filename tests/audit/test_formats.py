"""A line for a spreadsheet computes nothing; a line for a SIEM stays one line."""

from __future__ import annotations

import csv
import io

import pytest

from ostiary.audit.formats import COLUMNS, cef_line, csv_head, csv_line, severity_of
from ostiary.core.journal import Entry

ENTRY = Entry(0, 3, 1_790_000_000_000, "login.failed", None, "s-1", "r-1", '{"why":"test"}', None, bytes(32))

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x"]


def cell(agent: str) -> str:
    """Return the cell of an agent as a reader of RFC 4180 gets it."""
    text = (csv_head() + csv_line(ENTRY, {"agent": agent})).decode()
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert len(rows) == 2
    assert tuple(rows[0]) == COLUMNS
    return dict(zip(COLUMNS, rows[1], strict=True))["agent"]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("before", ["", '"', "'", "''", '" ', "  ", "\u00a0"])
def test_a_cell_is_no_formula(formula: str, before: str) -> None:
    found = cell(before + formula)
    assert found.startswith("'")
    assert found.replace("'", "") == (before + formula).replace("'", "")  # nothing else is changed


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_begins_within_another(formula: str) -> None:
    """Quotes and separators in a value must not end its cell (OWASP, CSV Injection)."""
    for agent in (f'x",{formula}', f"x,{formula}", f'x""{formula}'):
        assert cell(agent).replace("'", "") == agent


@pytest.mark.parametrize("formula", [found.strip() for found in FORMULAS])
@pytest.mark.parametrize("separator", [";", "\t", "|", "\r\n"])
@pytest.mark.parametrize("before", ["", " ", '"', "' \""])
def test_no_cell_begins_within_another_where_another_separator_is_usual(
    formula: str, separator: str, before: str
) -> None:
    """Of Excel in German, say, the separator is the semicolon, whatever the file's is."""
    line = csv_line(ENTRY, {"agent": f"x{separator}{before}{formula}", "login": f"x{separator}{before}{formula}"})
    for taken in ("\t", "|", ";", ","):
        rows = csv.reader(io.StringIO(line.decode(), newline=""), delimiter=taken)
        cells = [found.lstrip(" \"'\u00a0")[:1] for row in rows for found in row if found[:1] != "'"]
        assert not set(cells) & {found.strip()[0] for found in FORMULAS}


@pytest.mark.parametrize("plain", ["Mozilla/5.0 (X11; Linux)", "", "a=b", "1-2", "mira@example.org", "'quoted'"])
def test_an_ordinary_cell_is_left_as_it_is(plain: str) -> None:
    assert cell(plain) == plain


def test_a_line_of_csv_ends_as_rfc_4180_wants_it() -> None:
    line = csv_line(ENTRY, {"address": "203.0.113.7", "login": "=who"})
    assert line.endswith(b"\r\n")
    assert line.count(b"\n") == 1
    assert b'"{""login"":""=who""}"' in line  # JSON begins with a brace, which computes nothing


def parsed(line: bytes) -> tuple[list[str], dict[str, str]]:
    """Read a line of CEF by its own rules: pipes part the header unless escaped, ` key=` parts the extension."""
    text = line.decode()
    assert text.count("\n") == 1
    header: list[str] = []
    part, rest = "", text.rstrip("\n")
    while len(header) < 7:
        character, rest = rest[0], rest[1:]
        if character == "\\":
            part, rest = part + rest[0], rest[1:]
        elif character == "|":
            header.append(part)
            part = ""
        else:
            part += character
    fields: dict[str, str] = {}
    import re  # noqa: PLC0415

    starts = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)(?<!\\)=", rest))
    for start, after in zip(starts, [*starts[1:], None], strict=True):
        value = rest[start.end() : after.start() if after else len(rest)]
        assert not re.search(r"(?<!\\)(?:\\\\)*=", value)
        fields[start[1]] = re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), value)
    return header, fields


NASTY = "a|b\\c=d\ne\rf src=10.0.0.1 \\| \\= \u2028g"


def test_what_a_sender_writes_stays_in_its_field_of_cef() -> None:
    from msgspec.structs import replace  # noqa: PLC0415

    entry = replace(ENTRY, action="test.a|b\\c", details='{"x":"y=z"}')
    line = cef_line(entry, {"address": "203.0.113.7", "agent": NASTY, "login": NASTY})
    header, fields = parsed(line)
    assert header[:3] == ["CEF:0", "Ostiary", "Ostiary"]
    assert header[4] == "test.a|b\\c"
    assert fields["requestClientApplication"] == NASTY.replace("\u2028", " ")
    assert fields["src"] == "203.0.113.7"
    assert fields["msg"] == '{"x":"y=z"}'
    assert fields["externalId"] == "0:3"
    assert fields["rt"] == "1790000000000"
    assert line.decode().splitlines() == [line.decode().rstrip("\n")]


@pytest.mark.parametrize(
    ("address", "field", "value"),
    [
        ("203.0.113.7", "src", "203.0.113.7"),
        ("::ffff:203.0.113.7", "src", "203.0.113.7"),
        ("2001:db8::1", "c6a2", "2001:db8::1"),
    ],
)
def test_cef_has_a_field_for_each_family(address: str, field: str, value: str) -> None:
    assert parsed(cef_line(ENTRY, {"address": address}))[1][field] == value


def test_what_is_worse_is_more_severe() -> None:
    assert severity_of("journal.break_found") > severity_of("session.theft_detected") > severity_of("login.failed")
    assert severity_of("login.failed") > severity_of("login.succeeded")
    assert severity_of("key.killed") > severity_of("key.published")


def test_what_is_erased_or_left_sealed_is_said_or_left_out() -> None:
    import msgspec  # noqa: PLC0415

    assert parsed(cef_line(ENTRY, None))[1]["cs4"] == "erased"
    assert "cs4" not in parsed(cef_line(ENTRY, msgspec.UNSET))[1]
