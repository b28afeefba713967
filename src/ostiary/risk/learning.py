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

MOST_NETWORKS = 20
MOST_COUNTRIES = 20


def learned(baseline: Baseline, facts: Facts) -> Baseline:
    """Return the habits after one more accepted sign-in."""
    passed = max(0, facts.at - baseline.learned_at) if baseline.signins else 0
    # A script that signs in every minute is one habit, and must not drown a person's.
    repeats = passed < HOUR_MS and baseline.signins > 0 and baseline.last_network == facts.network
    fading = 1.0 if repeats else 0.5 ** (passed / HALF_LIFE_MS)
    hours = tuple(weight * fading for weight in baseline.hours) or (0.0,) * 24
    if not repeats:
        hours = tuple(round(weight + (hour == facts.hour), 4) for hour, weight in enumerate(hours))
    spot = baseline.last
    if facts.latitude is not None and facts.longitude is not None:
        spot = Spot(facts.at, facts.latitude, facts.longitude, facts.radius_km)
    return Baseline(
        version=VERSION, signins=baseline.signins + 1,
        # A repetition leaves the time alone, or a steady script would keep everything from fading.
        learned_at=baseline.learned_at if repeats else max(baseline.learned_at, facts.at),
        networks=_with(baseline.networks, facts.network, fading, MOST_NETWORKS, repeats=repeats),
        providers=_with(baseline.providers, facts.provider, fading, MOST_NETWORKS, repeats=repeats),
        countries=_with(baseline.countries, facts.country, fading, MOST_COUNTRIES, repeats=repeats),
        hours=hours, last=spot, last_network=facts.network,
    )  # fmt: skip


def _with(known: dict[str, float], seen: str | None, fading: float, most: int, *, repeats: bool) -> dict[str, float]:
    """Return weights after fading, with one more for what was seen; the heaviest stay.

    An intruder who signs in from a hundred networks pushes out strays like his own, never a home.
    """
    if repeats:
        return known if seen is None or seen in known or len(known) >= most else {**known, seen: 1.0}
    faded = {name: weight * fading for name, weight in known.items()}
    if seen is not None:
        faded[seen] = faded.get(seen, 0.0) + 1.0
    kept = sorted(faded.items(), key=lambda pair: (-pair[1], pair[0] != seen, pair[0]))[:most]
    return {name: round(weight, 4) for name, weight in kept if weight >= FORGOTTEN_BELOW}
