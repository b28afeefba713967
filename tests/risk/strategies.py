"""Any facts and any policy."""

from __future__ import annotations

from hypothesis import strategies as st

from ostiary.risk import Facts, Policy
from ostiary.risk.settings import Thresholds, Weights

COUNTRIES = st.sampled_from(["DE", "AT", "FR", "JP", "ZZ"])
AMOUNTS = st.floats(0, 1e6, allow_nan=False)
PROVIDER = "AS64501"
"""No digits alone: the fingerprint of a policy, which is hexadecimal, may hold any few of them."""

FACTS = st.builds(
    Facts, version=st.just(1), at=st.integers(0, 2**45), signins=st.integers(0, 10_000), hour=st.integers(0, 23),
    known_device=st.booleans(), network=st.none() | st.sampled_from(["192.0.2.0/24", "2001:db8::/48"]),
    network_seen=st.booleans(), provider=st.none() | st.just(PROVIDER), country=st.none() | COUNTRIES,
    countries=st.dictionaries(COUNTRIES, st.integers(1, 500), max_size=4), latitude=st.none() | st.floats(-90, 90),
    longitude=st.none() | st.floats(-180, 180), radius_km=AMOUNTS, distance_km=st.none() | AMOUNTS,
    hours_since=st.none() | AMOUNTS, speed_kmh=st.none() | AMOUNTS, hour_share=st.none() | st.floats(0, 1),
    failures=st.integers(0, 100), under_review=st.booleans(), breached=st.booleans(), bad_network=st.booleans(),
    under_attack=st.booleans(), country_refused=st.booleans(),
)  # fmt: skip


@st.composite
def _policies(draw: st.DrawFn) -> Policy:
    weights = {name: draw(st.integers(0, 300)) for name in Weights.model_fields}
    notify, challenge, deny = sorted(draw(st.lists(st.integers(1, 500), min_size=3, max_size=3)))
    weights["refused_country"] = draw(st.integers(deny, 1000))
    return Policy(
        weights=Weights(**weights), thresholds=Thresholds(notify=notify, challenge=challenge, deny=deny),
        travel_speed=draw(st.floats(100, 100_000)),
        travel_distance=draw(st.floats(0, 20_000)), hours_learned=draw(st.integers(1, 100)),
        unusual_hour=draw(st.floats(0, 1)), many_failures=draw(st.integers(1, 50)),
    )  # fmt: skip


POLICIES = _policies()
