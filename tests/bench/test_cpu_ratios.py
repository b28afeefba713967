"""The guard of speed: what a request costs over an empty handler must not creep up.

CPU time, not wall time, and a ratio taken in turns: a busy machine slows both sides.
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from bench.__main__ import GUARDED, RECORDED
from tests.services.parts import WRK, do_without

from bench import requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUNDS = 3
ATTEMPTS = 4
ROOM = 1.25

MEASURES: dict[str, Callable[[requests.Found, str], list[float]]] = {
    "cpu_over_floor": requests.Found.cpu_ratios,
    "yardsticks_beyond_floor": requests.Found.yardsticks,
}
"""What a regression raises by a quarter on every machine; a strange machine raises the first without the second."""

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CPU time of a process is read from /proc"),
    pytest.mark.xdist_group("bench"),
    pytest.mark.quiet,
]


def test_no_request_costs_a_quarter_more_than_recorded(tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        do_without(WRK)
    recorded = json.loads(RECORDED.read_text())
    best: dict[str, dict[str, float]] = {measure: dict.fromkeys(GUARDED, float("inf")) for measure in MEASURES}
    assert {measure: ratios.keys() for measure, ratios in recorded.items()} == {key: set(GUARDED) for key in MEASURES}

    dearer: dict[str, object] = {}
    for attempt in range(ATTEMPTS):
        found = requests.take_turns(tmp_path / str(attempt), rounds=ROUNDS, window=1)
        assert {kind: turns.errors for kind, turns in found.turns.items()} == dict.fromkeys(requests.KINDS, 0)
        # The best round: whatever else this machine does can only add to it. What costs more costs it every time.
        for measure, ratios in MEASURES.items():
            best[measure] = {kind: min(best[measure][kind], *ratios(found, kind)) for kind in GUARDED}
        dearer = {
            kind: {measure: (best[measure][kind], recorded[measure][kind]) for measure in MEASURES}
            for kind in GUARDED
            if all(best[measure][kind] > ROOM * recorded[measure][kind] for measure in MEASURES)
        }
        if not dearer:
            break
    assert not dearer, (
        f"CPU (measured, recorded): {dearer}. Make it cheaper; if it must cost that, say why and record it anew: "
        "python3 tasks.py bench --record"
    )
