"""What is learned: it fades, stays bounded, and cannot be drowned."""

from __future__ import annotations

import pytest
from tests.risk.world import BERLIN, Atlas

from ostiary.risk import Facts
from ostiary.risk.baseline import HOUR_MS, NOTHING, Baseline, packed, share_of_hour, unpacked
from ostiary.risk.facts import Signs, gather
from ostiary.risk.learning import HALF_LIFE_MS, MOST_COUNTRIES, MOST_NETWORKS, learned

MONDAY = 1_790_000_000_000 // (24 * HOUR_MS) * 24 * HOUR_MS
DAY = 24 * HOUR_MS
KNOWN = Signs(known_device=True)


def seen(at: int, network: str = "192.0.2.0/24", country: str | None = "DE", provider: str | None = "64501") -> Facts:
    return Facts(
        version=1, at=at, signins=0, hour=at // HOUR_MS % 24, network=network, country=country, provider=provider
    )


def taught(baseline: Baseline, *signed_in: Facts) -> Baseline:
    for facts in signed_in:
        baseline = learned(baseline, facts)
    return baseline


def mornings(days: int, start: int = MONDAY) -> list[Facts]:
    return [seen(start + day * DAY + 8 * HOUR_MS) for day in range(days)]


def test_what_was_done_before_is_known() -> None:
    baseline = taught(NOTHING, *mornings(3))
    assert baseline.signins == 3
    assert baseline.countries["DE"] == pytest.approx(3, abs=0.1)
    assert baseline.networks.keys() == {"192.0.2.0/24"}
    assert baseline.providers.keys() == {"64501"}


def test_an_old_habit_fades_and_is_forgotten() -> None:
    baseline = taught(NOTHING, *mornings(1), seen(MONDAY + 8 * HOUR_MS + HALF_LIFE_MS, "198.51.100.0/24", "AT", None))
    assert baseline.countries == {"AT": 1.0, "DE": 0.5}
    later = taught(baseline, seen(MONDAY + 6 * HALF_LIFE_MS, "198.51.100.0/24", "AT", None))
    assert later.countries.keys() == {"AT"}
    assert sum(later.hours) < 2


def test_what_is_kept_is_bounded() -> None:
    baseline = taught(
        NOTHING,
        *(
            seen(MONDAY + n * DAY, f"10.{n // 250}.{n % 250}.0/24", f"{chr(65 + n % 26)}{chr(65 + n // 26)}", str(n))
            for n in range(300)
        ),
    )
    assert len(baseline.networks) == len(baseline.providers) == MOST_NETWORKS
    assert len(baseline.countries) == MOST_COUNTRIES
    assert len(packed(baseline)) < 3000
    assert "10.1.49.0/24" in baseline.networks, "the newest is among them"


def test_an_intruder_who_signs_in_from_a_hundred_networks_does_not_push_out_a_home() -> None:
    baseline = taught(NOTHING, *mornings(30))
    baseline = taught(
        baseline, *(seen(MONDAY + 31 * DAY + n * 1000, f"10.0.{n % 100}.0/24", "JP", str(n)) for n in range(2000))
    )
    assert max(baseline.networks, key=lambda name: baseline.networks[name]) == "192.0.2.0/24"


def test_nobody_pushes_out_a_home_in_a_day_however_often_they_sign_in() -> None:
    baseline = taught(NOTHING, *mornings(30))
    minutes = (seen(MONDAY + 31 * DAY + n * 60_000, f"10.0.{n % 20}.0/24", "JP", str(n % 20)) for n in range(24 * 60))
    baseline = taught(baseline, *minutes)
    assert max(baseline.networks, key=lambda name: baseline.networks[name]) == "192.0.2.0/24"
    assert baseline.countries["JP"] < baseline.countries["DE"]


def test_a_script_that_signs_in_every_minute_counts_once_an_hour() -> None:
    baseline = taught(NOTHING, *(seen(MONDAY + minute * 60_000) for minute in range(24 * 60)))
    assert baseline.signins == 24 * 60
    assert sum(baseline.hours) == pytest.approx(25, abs=0.2)
    assert baseline.networks["192.0.2.0/24"] == pytest.approx(25, abs=0.2)


def test_what_is_seen_first_is_known_the_next_time_however_soon() -> None:
    baseline = taught(NOTHING, seen(MONDAY), seen(MONDAY, "198.51.100.0/24", "AT", "7"))
    assert baseline.networks == {"192.0.2.0/24": 1.0, "198.51.100.0/24": 0.1}
    assert baseline.countries == {"DE": 1.0, "AT": 0.1}


def test_a_clock_that_went_back_teaches_nothing_odd() -> None:
    baseline = taught(NOTHING, *mornings(2), seen(MONDAY - DAY, "198.51.100.0/24"))
    assert baseline.learned_at == mornings(2)[-1].at
    assert all(0 < weight <= 3 for weight in baseline.countries.values())


def test_an_hour_shares_with_its_neighbours_and_midnight_is_no_border() -> None:
    baseline = taught(NOTHING, *(seen(MONDAY + day * DAY + 23 * HOUR_MS) for day in range(40)))
    shares = [share_of_hour(baseline, hour) or 0 for hour in range(24)]
    assert sum(shares) == pytest.approx(1)
    assert shares[23] > shares[0] == shares[22] > shares[1] == shares[21] > 0.05
    assert shares[11] < 0.01
    assert share_of_hour(NOTHING, 11) is None


def test_habits_are_packed_and_unpacked_and_nothing_else_is() -> None:
    baseline = taught(NOTHING, *mornings(3))
    assert unpacked(packed(baseline)) == baseline
    for foreign in (
        b"",
        b"{}",
        b"x",
        packed(baseline).replace(b'"version":1', b'"version":2'),
        b'{"version":1,"signins":1,"learned_at":1,"hours":[1]}',
    ):
        assert unpacked(foreign) is None


def test_travel_is_measured_between_the_edges_of_what_is_known() -> None:
    place = Atlas().find(BERLIN)
    first = gather(MONDAY, BERLIN, place, NOTHING, KNOWN)
    assert (first.distance_km, first.speed_kmh) == (None, None)
    baseline = learned(NOTHING, first)
    munich = Atlas().find("192.0.2.101")

    later = gather(MONDAY + HOUR_MS, "192.0.2.101", munich, baseline, KNOWN)

    assert later.distance_km == pytest.approx(504 - 40, abs=3)  # 504 km, less 20 that each may be off
    assert later.hours_since == 1
    assert later.speed_kmh == later.distance_km
    assert gather(MONDAY + HOUR_MS, BERLIN, place, baseline, KNOWN).distance_km == 0
    assert gather(MONDAY, "192.0.2.101", munich, baseline, KNOWN).speed_kmh is not None, "at one moment, too"


def test_a_sign_in_without_a_place_leaves_the_last_place_as_it_was() -> None:
    baseline = learned(NOTHING, gather(MONDAY, BERLIN, Atlas().find(BERLIN), NOTHING, KNOWN))
    after = learned(baseline, gather(MONDAY + DAY, "10.0.0.1", None, baseline, KNOWN))
    assert after.last == baseline.last
    assert after.countries.keys() == {"DE"}


def test_a_network_is_known_by_its_numbers_or_by_its_operator() -> None:
    baseline = learned(NOTHING, gather(MONDAY, BERLIN, Atlas().find(BERLIN), NOTHING, KNOWN))
    assert gather(MONDAY, "192.0.2.77", None, baseline, KNOWN).network_seen
    assert gather(MONDAY, "10.9.9.9", Atlas().find(BERLIN), baseline, KNOWN).network_seen
    assert not gather(MONDAY, "10.9.9.9", None, baseline, KNOWN).network_seen
    assert gather(MONDAY, None, None, baseline, KNOWN).network is None
    six = learned(NOTHING, gather(MONDAY, "2001:db8:7:1::1", None, NOTHING, KNOWN))
    assert gather(MONDAY, "2001:db8:7:ffff::9", None, six, KNOWN).network_seen
    assert not gather(MONDAY, "2001:db8:8::1", None, six, KNOWN).network_seen
