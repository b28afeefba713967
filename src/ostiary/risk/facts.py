"""The facts of one sign-in: everything a verdict may use, recorded when it happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ostiary.core.clock import Millis
from ostiary.risk.baseline import HOUR_MS, share_of_hour
from ostiary.risk.networks import network_of
from ostiary.risk.places import USUAL_RADIUS_KM, distance_km

if TYPE_CHECKING:
    from ostiary.risk.baseline import Baseline
    from ostiary.risk.places import Place

VERSION = 1
SHORTEST_HOURS = 1 / 3600
"""A second: two sign-ins at one moment have a speed, too."""


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was known of a sign-in when it was judged. Personal: kept sealed only.

    Attributes:
        version: Of this shape; a reader that does not know it leaves the facts alone.
        at: When.
        signins: Accepted ones learned before; 0 at the first.
        known_device: Whether this browser signed in to the account before.
        network: The /24 or /48 of the address, or None where unknown.
        network_seen: Whether it, or its operator, is among the account's habits.
        provider: Number of the operator, as text, or None.
        country: Of the address, or None.
        countries: Countries seen before, with how often of late.
        distance_km: From the last known place, less what either may be off; None if either is unknown.
        hours_since: Since then.
        speed_kmh: The two divided.
        hour: Of the day, in UTC.
        hour_share: Share of the account's sign-ins in this hour, smoothed; None at the first.
        failures: Wrong passwords of strangers for this account lately.
        country_refused: A rule on places refuses the country.
    """

    version: int
    at: Millis
    signins: int
    hour: int
    known_device: bool = False
    network: str | None = None
    network_seen: bool = False
    provider: str | None = None
    country: str | None = None
    countries: dict[str, int] = {}
    latitude: float | None = None
    longitude: float | None = None
    radius_km: float = USUAL_RADIUS_KM
    distance_km: float | None = None
    hours_since: float | None = None
    speed_kmh: float | None = None
    hour_share: float | None = None
    failures: int = 0
    under_review: bool = False
    breached: bool = False
    bad_network: bool = False
    under_attack: bool = False
    country_refused: bool = False


_decoder = msgspec.json.Decoder(Facts)
_encoder = msgspec.json.Encoder(order="deterministic")


def written(facts: Facts) -> str:
    """Return facts as JSON text; reading it back gives equal facts."""
    return _encoder.encode(facts).decode()


def read(text: str) -> Facts | None:
    """Return recorded facts, or None if they are no facts of a known version."""
    try:
        facts = _decoder.decode(text)
    except msgspec.MsgspecError:
        return None
    return facts if facts.version == VERSION else None


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """What others have found out about a sign-in, handed in by whoever asks for a verdict."""

    known_device: bool
    failures: int = 0
    under_review: bool = False
    breached: bool = False
    bad_network: bool = False
    under_attack: bool = False
    country_refused: bool = False


def gather(at: Millis, address: str | None, place: Place | None, baseline: Baseline, signs: Signs) -> Facts:
    """Return the facts of a sign-in, compared with the habits of its account."""
    network, provider = network_of(address), None
    country = latitude = longitude = None
    radius = USUAL_RADIUS_KM
    if place is not None:
        provider = None if place.asn is None else str(place.asn)
        country = place.country
        if place.latitude is not None and place.longitude is not None:
            latitude, longitude = round(place.latitude, 2), round(place.longitude, 2)
            told = getattr(place, "radius_km", None)  # not every database tells
            radius = USUAL_RADIUS_KM if told is None else float(told)
    distance, hours, speed = _travel(at, latitude, longitude, radius, baseline)
    hour = at // HOUR_MS % 24
    return Facts(
        version=VERSION, at=at, signins=baseline.signins, hour=hour, known_device=signs.known_device,
        network=network, network_seen=network in baseline.networks or provider in baseline.providers,
        provider=provider, country=country,
        countries={name: max(1, round(weight)) for name, weight in baseline.countries.items()},
        latitude=latitude, longitude=longitude, radius_km=radius, distance_km=distance, hours_since=hours,
        speed_kmh=speed, hour_share=share_of_hour(baseline, hour), failures=signs.failures,
        under_review=signs.under_review, breached=signs.breached, bad_network=signs.bad_network,
        under_attack=signs.under_attack, country_refused=signs.country_refused,
    )  # fmt: skip


def _travel(
    at: Millis, latitude: float | None, longitude: float | None, radius: float, baseline: Baseline
) -> tuple[float | None, float | None, float | None]:
    last = baseline.last
    if last is None or latitude is None or longitude is None:
        return None, None, None
    # What either place may be off is taken off: a doubt speaks for the traveller.
    apart = distance_km((last.latitude, last.longitude), (latitude, longitude))
    apart = round(max(0.0, apart - last.radius_km - radius), 1)
    hours = max(SHORTEST_HOURS, round((at - last.at) / HOUR_MS, 4))
    return apart, hours, round(apart / hours, 1)
