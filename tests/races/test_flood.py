"""Strangers flood in: who is served, and what the others are told (D7, R10)."""

from __future__ import annotations

import pytest
from tests.races.flood import ENVIRONMENT, flooded, p99, said
from tests.services.fixtures import StartOstiary

SECONDS = 6.0


@pytest.mark.quiet
async def test_in_a_flood_known_browsers_sign_in_and_the_signed_in_go_on(start_ostiary: StartOstiary) -> None:
    server = start_ostiary(environment=ENVIRONMENT)

    seen = await flooded(server, SECONDS, strangers=300, pause=0.2)

    words = said(seen, SECONDS)
    assert not seen.odd, words
    assert set(seen.honest) == {200}, words
    # Nearly all of them; on a machine that is busy all the same, ten times as likely as strangers.
    served, lucky = (
        counts[right] / sum(counts.values()) for counts, right in ((seen.known, 200), (seen.strangers, 401))
    )
    assert served > min(0.9, 10 * lucky), words
    assert seen.strangers[503] > seen.strangers[401], words  # it was a flood
    assert p99(seen.known_times) < 4, words  # a busy machine; `python -m tests.races.flood` on a quiet one says more
    assert seen.peak_mb < 200, words
