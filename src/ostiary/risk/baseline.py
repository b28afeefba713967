"""What an account is used to, in the shape in which it is sealed."""

from __future__ import annotations

import msgspec

from ostiary.core.clock import Millis

VERSION = 1
HOUR_MS = 3_600_000
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
    """The habits of one account; every weight counts sign-ins and fades.

    Attributes:
        networks: Weight of each /24 or /48.
        providers: Weight of each operator's number, as text.
        countries: Weight of each country.
        hours: Weight of each hour of the day in UTC; empty before the first sign-in.
        last: The last place, or None.
    """

    version: int
    signins: int
    learned_at: Millis
    networks: dict[str, float] = {}
    providers: dict[str, float] = {}
    countries: dict[str, float] = {}
    hours: tuple[float, ...] = ()
    last: Spot | None = None


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
