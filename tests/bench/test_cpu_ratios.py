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
    from pathlib import Path

ROUNDS = 3
ATTEMPTS = 4
ROOM = 1.25
ELSEWHERE = 3.0
"""Room on a machine that is slower than the one of the record: small caches and expensive system calls weigh on the
house more than on an empty handler, so there only what is grossly dearer is a finding."""

FLOOR_US = 27.0
"""CPU of the empty handler where the ratios were recorded, within a third of which a machine counts as alike."""

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CPU time of a process is read from /proc"),
    pytest.mark.xdist_group("bench"),
    pytest.mark.quiet,
]


def test_no_request_costs_a_quarter_more_than_recorded(tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        do_without(WRK)
    recorded = json.loads(RECORDED.read_text())["cpu_over_floor"]
    assert recorded.keys() == set(GUARDED)

    best = dict.fromkeys(GUARDED, float("inf"))
    floor_us = float("inf")
    dearer: dict[str, tuple[float, float]] = {}
    for attempt in range(ATTEMPTS):
        found = requests.take_turns(tmp_path / str(attempt), rounds=ROUNDS, window=1)
        assert {kind: turns.errors for kind, turns in found.turns.items()} == dict.fromkeys(requests.KINDS, 0)
        # The best round: whatever else this machine does can only add to it. What costs more costs it every time.
        best = {kind: min(best[kind], *found.cpu_ratios(kind)) for kind in GUARDED}
        floor_us = min(1e6 * min(found.turns["floor"].cpu), floor_us)
        room = ROOM if floor_us < FLOOR_US * 4 / 3 else ELSEWHERE
        dearer = {kind: (ratio, recorded[kind]) for kind, ratio in best.items() if ratio > room * recorded[kind]}
        if not dearer:
            break
    assert not dearer, (
        f"CPU over floor of {floor_us:.0f} us (measured, recorded): {dearer}. Make it cheaper; if it must cost that, "
        "say why and record it anew: python3 tasks.py bench --record"
    )
