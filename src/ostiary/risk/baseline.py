"""What an account is used to: learned from accepted sign-ins, fading, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ostiary.core.clock import Millis

if TYPE_CHECKING:
    from ostiary.risk.facts import Facts

VERSION = 1
HOUR_MS = 3_600_000
HALF_LIFE_MS = 90 * 24 * HOUR_MS
"""After this time a habit weighs half: who moves house is at home there within a season."""

FORGOTTEN_BELOW = 0.05
"""A single sign-in is forgotten after 390 days."""

MOST_NETWORKS = 20
MOST_COUNTRIES = 20
KERNEL = ((0, 0.4), (-1, 0.2), (1, 0.2), (-2, 0.1), (2, 0.1))
"""A sign-in at nine says something about eight and ten, too; this also bears daylight saving time."""

DOUBT = 0.5
"""Sign-ins' worth of evidence, spread evenly over the day, that stand against what was learned."""


class Spot(msgspec.Struct, frozen=True):
    """Where the last sign-in with a known place was."""

    at: Millis
    latitude: float
    longitude: float
    radius_km: float


class Baseline(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The habits of one account; every count fades with `HALF_LIFE_MS`.

    Attributes:
        networks: Weight of each /24 or /48.
        providers: Weight of each operator's number, as text.
        countries: Weight of each country.
        hours: Weight of each hour of the day in UTC; empty before the first sign-in.
        last: The last place, or None.
        last_network: Of the last sign-in: a script that repeats itself there counts once an hour.
    """

    version: int
    signins: int
    learned_at: Millis
    networks: dict[str, float] = {}
    providers: dict[str, float] = {}
    countries: dict[str, float] = {}
    hours: tuple[float, ...] = ()
    last: Spot | None = None
    last_network: str | None = None


NOTHING = Baseline(version=VERSION, signins=0, learned_at=0)

_decoder = msgspec.json.Decoder(Baseline)
_encoder = msgspec.json.Encoder()


def packed(baseline: Baseline) -> bytes:
    """Return habits as they are sealed."""
    return _encoder.encode(baseline)


def unpacked(plain: bytes) -> Baseline | None:
    """Return habits as they were packed, or None if another version wrote them."""
    try:
        baseline = _decoder.decode(plain)
    except msgspec.MsgspecError:
        return None
    return baseline if baseline.version == VERSION and len(baseline.hours) in (0, 24) else None


def share_of_hour(baseline: Baseline, hour: int) -> float | None:
    """Return which share of this account's sign-ins falls into an hour, smoothed; None before the first."""
    if not baseline.hours:
        return None
    near = sum(part * baseline.hours[(hour + step) % 24] for step, part in KERNEL)
    return (near + DOUBT / 24) / (sum(baseline.hours) + DOUBT)


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
