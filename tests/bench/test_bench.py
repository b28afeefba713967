"""The benchmark suite itself: what it says of a number, and that one part of it runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from bench.plan import QUICK
from bench.report import Figure, Row

from bench import __main__ as command
from bench import report

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("value", "more", "verdict"),
    [
        (0.5, True, "MISSED"),
        (0.8, True, "met"),
        (0.96, True, "stretch"),
        (1.2, False, "MISSED"),
        (0.85, False, "stretch"),
    ],
)  # fmt: skip
def test_a_number_is_judged_by_the_side_on_which_better_lies(value: float, more: bool, verdict: str) -> None:
    target, stretch = (0.6, 0.95) if more else (1.0, 0.9)

    assert Figure("some ratio", value, target, stretch, more=more).verdict == verdict


def test_a_number_without_an_aim_only_informs() -> None:
    assert Figure("requests/s", 30_000).verdict == ""


def test_what_a_client_pays_to_verify_a_token_is_measured_and_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)

    rows = command.run(QUICK, ["tokens"])
    saved = json.loads(report.save(rows, report.facts(), mode="quick").read_text())

    assert [row["target"] for row in saved["rows"]] == ["T12"]
    first, again = (figure["value"] for figure in saved["rows"][0]["figures"])
    assert first > again > 0


def test_errors_stand_out_in_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    report.show(Row("T5", "refresh", [Figure("CPU over floor", 9.0, 14, 8)], errors=3))

    assert "[errors: 3  <-- MUST BE 0]" in capsys.readouterr().out
