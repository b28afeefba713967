"""How habits come about: from accepted sign-ins only, fading, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.risk.baseline import HOUR_MS, VERSION, Baseline, Spot

if TYPE_CHECKING:
    from ostiary.risk.facts import Facts

HALF_LIFE_MS = 90 * 24 * HOUR_MS
"""After this time a habit weighs half: who moves house is at home there within a season."""

FORGOTTEN_BELOW = 0.05
"""A single sign-in is forgotten after 390 days."""

LEAST = 0.1
"""What is seen for the first time weighs so much at least, or nobody would know it the next time."""

MOST_NETWORKS = 20
MOST_COUNTRIES = 20


def learned(baseline: Baseline, facts: Facts) -> Baseline:
    """Return the habits after one more accepted sign-in.

    It weighs as much of an hour as has passed since the one before, at most one: however often somebody
    signs in, a script or an intruder, an hour adds no more than one sign-in of a person.
    """
    passed = max(0, facts.at - baseline.learned_at)
    gain = min(1.0, passed / HOUR_MS) if baseline.signins else 1.0
    fading = 0.5 ** (passed / HALF_LIFE_MS) if baseline.signins else 1.0
    spot = baseline.last
    if facts.latitude is not None and facts.longitude is not None:
        spot = Spot(facts.at, facts.latitude, facts.longitude, facts.radius_km)
    return Baseline(
        version=VERSION, signins=baseline.signins + 1, learned_at=max(baseline.learned_at, facts.at),
        networks=_with(baseline.networks, facts.network, gain, fading, MOST_NETWORKS),
        providers=_with(baseline.providers, facts.provider, gain, fading, MOST_NETWORKS),
        countries=_with(baseline.countries, facts.country, gain, fading, MOST_COUNTRIES),
        hours=tuple(
            round(weight * fading + (gain if hour == facts.hour else 0.0), 6)
            for hour, weight in enumerate(baseline.hours or (0.0,) * 24)
        ),
        last=spot,
    )  # fmt: skip


def _with(known: dict[str, float], seen: str | None, gain: float, fading: float, most: int) -> dict[str, float]:
    """Return weights after fading, with what was seen; the heaviest stay."""
    faded = {name: weight * fading for name, weight in known.items()}
    if seen is not None:
        faded[seen] = max(LEAST, faded.get(seen, 0.0) + gain)
    # Of equals the one just seen stays: a list full of strays must not keep out whoever comes next.
    kept = sorted(faded.items(), key=lambda pair: (-pair[1], pair[0] != seen, pair[0]))[:most]
    return {name: round(weight, 6) for name, weight in kept if weight >= FORGOTTEN_BELOW}
