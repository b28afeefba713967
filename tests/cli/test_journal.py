"""What the keeper types about the journal."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.cli.test_commands import ADD, data, run, said, sign_in

from ostiary.cli import ostiary
from ostiary.cli.common import run_with_house
from ostiary.cli.times import instant
from ostiary.core.caller import Caller
from ostiary.core.clock import iso
from ostiary.wiring import Ostiary

__all__ = ["data"]
NOW = 1_790_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", NOW - 7_200_000),
        ("3d", NOW - 3 * 86_400_000),
        ("0s", NOW),
        ("1w", NOW - 7 * 86_400_000),
        ("2026-01-31", 1_769_817_600_000),
        ("2026-01-31T12:00", 1_769_860_800_000),
        ("2026-01-31T12:00:00Z", 1_769_860_800_000),
        ("2026-01-31T12:00:00+02:00", 1_769_853_600_000),
    ],
)
def test_a_time_is_iso_or_an_age(text: str, expected: int) -> None:
    assert instant(text, NOW) == expected, iso(instant(text, NOW))


def test_a_time_without_a_zone_is_utc_wherever_the_keeper_sits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    try:
        assert instant("2026-01-31T12:00", NOW) == 1_769_860_800_000
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "h", "-2h", "2 h", "2y", "yesterday", "2026-13-01", "999999w"])
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(click.ClickException, match="is no time"):
        instant(text, NOW)


def test_the_journal_is_asked(data: Path) -> None:
    said(data, *ADD)
    sign_in(data)
    assert "login.succeeded" in said(data, "journal", "list", "--action", "login.*", "--since", "2h")
    assert said(data, "journal", "list", "--until", "2h") == ""
    assert said(data, "journal", "list", "--address", "203.0.113.0/24") == ""
    stopped = run(data, "journal", "list", "--address", "203.0.113.7", "--most-read", "3")
    assert "Stopped after 3 entries" in stopped.stderr
    for wrong in (("--address", "x"), ("--since", "x"), ("--action", "login;"), ("--account", "nobody")):
        assert run(data, "journal", "list", *wrong).exit_code == 1
    assert said(data, "journal", "list", "--account", "A" * 22) == ""  # of an account that is deleted


def test_what_strangers_and_intruders_wrote_is_nothing_that_a_terminal_obeys(data: Path) -> None:
    """CWE-150: C1 controls, which some terminals obey, and what turns the direction of writing."""
    said(data, *ADD)
    planted = "Mozilla\x9b31m\x7f\u202e"

    async def visit(house: Ostiary) -> None:
        async with house.database.unit(Caller(request_id="r-1", address="203.0.113.7", agent=planted)) as unit:
            unit.note("login.failed", None)

    run_with_house(data, visit)
    listed = said(data, "journal", "list", "--action", "login.failed")
    assert "Mozilla\\u009b31m\\u007f\\u202e" in listed
    assert all(character.isprintable() or character == "\n" for character in listed)

    with sqlite3.connect(data / "ostiary.db") as database:
        rest = "0, at, action, account_id, session_id, request_id, details, sealed, chain"
        database.execute(f"INSERT INTO journal SELECT 'x' || char(155), {rest} FROM journal LIMIT 1")
        database.execute(f"UPDATE journal SET at = {2**61} WHERE position = 1")
    assert str(2**61) in said(data, "journal", "list")
    assert str(2**61) in said(data, "journal", "export", "--format", "csv")
    found = run(data, "journal", "verify")
    assert found.exit_code == 1
    assert "the whole: extra: strand x\\u009b has entries" in found.stdout


def test_an_export_is_verified_without_the_house(data: Path, tmp_path: Path) -> None:
    said(data, *ADD)
    out, keys, anchored = (str(tmp_path / name) for name in ("journal.jsonl", "keys.json", "anchored.jws"))
    said(data, "journal", "export", "--out", out)
    Path(keys).write_text(said(data, "journal", "public-key"))
    Path(anchored).write_text("<109>1 - - ostiary - checkpoint - " + CheckpointOf(data).text + "\n")
    assert Path(out).stat().st_mode & 0o077 == 0
    assert run(data, "journal", "export", "--out", out).exit_code == 1  # never over a file that is there

    def verify(*more: str) -> tuple[int, str]:
        result = CliRunner().invoke(ostiary, ["journal", "verify-export", out, "--key", keys, *more])
        return result.exit_code, result.output

    assert verify() == (0, verify()[1])
    assert "The export is whole" in verify()[1]
    said(data, "journal", "verify", "--checkpoint", anchored)
    Path(out).write_text(Path(out).read_text().replace("account.opened", "account.closed"))
    code, words = verify("--checkpoint", anchored)
    assert code == 1
    assert "strand 0, position" in words
    assert "edited" in words
    Path(keys).write_text('{"keys": []}')
    assert verify()[0] == 1


class CheckpointOf:
    """The newest checkpoint as the command prints it."""

    def __init__(self, folder: Path) -> None:
        self.text = run(folder, "journal", "checkpoint").stdout.strip()


def test_the_other_formats_go_to_the_standard_output(data: Path) -> None:
    assert run(data, "journal", "export", "--format", "csv").stdout.startswith('"at","action"')
    assert run(data, "journal", "export", "--format", "cef").stdout.startswith("CEF:0|Ostiary|")


def test_pruning_asks_first_and_a_dry_run_deletes_nothing(data: Path) -> None:
    said(data, *ADD)
    assert "would be deleted" in said(data, "journal", "prune", "--before", "0s", "--dry-run")
    assert "account.opened" in said(data, "journal", "list")
    assert run(data, "journal", "prune", "--before", "0s", typed="n\n").exit_code == 1
    assert "account.opened" in said(data, "journal", "list")
    assert "entries are deleted" in said(data, "journal", "prune", "--before", "0s", typed="y\n")
    assert "account.opened" not in said(data, "journal", "list")
    assert "journal.pruned" in said(data, "journal", "list")
    assert "The journal is whole" in said(data, "journal", "verify")
    assert "0 entries would be deleted" in said(data, "journal", "prune", "--before", "9d")


def test_an_interrupted_export_that_follows_gets_its_end(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "journal.jsonl"
    words = [sys.executable, "-m", "ostiary", "journal", "export", "--follow", "--out", str(out), "--data", str(data)]
    following = subprocess.Popen(words, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        deadline = time.monotonic() + 60
        while not (out.exists() and b"journal.exported" in out.read_bytes()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        said(data, *ADD)
        while b"account.opened" not in out.read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        following.send_signal(signal.SIGINT)
        assert following.wait(30) == 0
    finally:
        following.kill()
        following.communicate()
    assert json.loads(out.read_text().splitlines()[-1])["kind"] == "end"
    keys = tmp_path / "keys.json"
    keys.write_text(said(data, "journal", "public-key"))
    assert CliRunner().invoke(ostiary, ["journal", "verify-export", str(out), "--key", str(keys)]).exit_code == 0
