"""Where an address is, as far as somebody can tell; and how far two places are apart."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Any, Protocol

EARTH_KM = 6371.0
USUAL_RADIUS_KM = 50.0
"""Taken for a place whose accuracy nobody tells: city databases are seldom better."""


class Place(Protocol):
    """What is known of an address. A `radius_km`, where there is one, says how exact the coordinates are."""

    @property
    def country(self) -> str | None:
        """Two letters of ISO 3166-1, or None."""
        ...

    @property
    def latitude(self) -> float | None:
        """Degrees north, or None."""
        ...

    @property
    def longitude(self) -> float | None:
        """Degrees east, or None."""
        ...

    @property
    def asn(self) -> int | None:
        """Number of the network's operator (RFC 6996 calls it the autonomous system), or None."""
        ...


class Places(Protocol):
    """Finds places from memory; never waits and never raises (D14: without places the rest goes on)."""

    def find(self, address: str | None) -> Place | None:
        """Return what is known of an address, or None."""
        ...

    def refuses(self, place: Any) -> bool:  # noqa: ANN401 - what its own `find` returned, or None
        """Return whether a rule keeps out who comes from there (R14)."""
        ...


class NoPlaces:
    """Where no database of places is configured."""

    def find(self, address: str | None) -> Place | None:
        """Return None."""
        return None

    def refuses(self, place: Any) -> bool:  # noqa: ANN401
        """Return False: where nothing is known, nothing is refused."""
        return False


def distance_km(here: tuple[float, float], there: tuple[float, float]) -> float:
    """Return the great-circle distance of two points, each (latitude, longitude) in degrees (haversine)."""
    north, other_north = radians(here[0]), radians(there[0])
    rise = sin((other_north - north) / 2) ** 2
    turn = sin(radians(there[1] - here[1]) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(rise + cos(north) * cos(other_north) * turn)))
