"""From facts and a policy to a verdict: the documented defaults, the words, and what always holds."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from tests.risk.strategies import FACTS, POLICIES, PROVIDER
from tests.risk.world import codes

from ostiary.risk import ACTIONS, Facts, Policy, assess
from ostiary.risk.countries import NAMES
from ostiary.risk.facts import read, written

USUAL: dict[str, Any] = {
    "version": 1, "at": 1_790_000_000_000, "signins": 40, "hour": 9, "known_device": True, "network": "192.0.2.0/24",
    "network_seen": True, "country": "DE", "countries": {"DE": 41, "AT": 3}, "distance_km": 0.0, "hours_since": 20.0,
    "speed_kmh": 0.0, "hour_share": 0.2,
}  # fmt: skip
NEW_DEVICE = {"known_device": False}
FLOWN = {"distance_km": 8900.0, "hours_since": 2.0, "speed_kmh": 4450.0}
FRANCE = {"country": "FR"}


def facts(*changes: dict[str, Any]) -> Facts:
    found = USUAL
    for change in changes:
        found = found | change
    return Facts(**found)


@pytest.mark.parametrize(
    ("changes", "action", "score"),
    [
        ([], "allow", 0),
        ([NEW_DEVICE], "notify", 20),
        ([NEW_DEVICE, FLOWN], "challenge", 50),
        ([NEW_DEVICE, FRANCE, {"network_seen": False}], "challenge", 55),
        ([NEW_DEVICE, FRANCE, FLOWN, {"network_seen": False, "hour_share": 0.001}], "challenge", 95),
        ([NEW_DEVICE, FRANCE, FLOWN, {"bad_network": True}], "deny", 120),
        ([FRANCE, {"network_seen": False}], "notify", 20),
        ([FRANCE, FLOWN, {"network_seen": False}], "challenge", 50),
        ([FLOWN], "allow", 15),
        ([{"country_refused": True}], "deny", 100),
        ([{"under_review": True}], "allow", 15),
        ([NEW_DEVICE, {"under_review": True}], "challenge", 50),
        ([{"failures": 5}], "allow", 0),
        ([NEW_DEVICE, {"failures": 5}], "notify", 35),
        ([NEW_DEVICE, {"failures": 4}], "notify", 20),
        ([NEW_DEVICE, {"breached": True}], "notify", 35),
        ([NEW_DEVICE, {"under_attack": True}], "notify", 30),
        ([{"bad_network": True}], "notify", 25),
        ([NEW_DEVICE, {"signins": 0, "countries": {}, "network_seen": False, "hour_share": None}], "notify", 20),
    ],
)
def test_the_default_policy_does_what_its_page_says(changes: list[dict[str, Any]], action: str, score: int) -> None:
    found = assess(facts(*changes), Policy())
    assert (found.action, found.score) == (action, score), codes(found)


def test_habits_alone_never_deny_by_default() -> None:
    weights = Policy().weights
    habits = weights.new_device + weights.new_network + weights.new_country
    habits += weights.impossible_travel + weights.unusual_hour + weights.first_signin
    assert habits < Policy().thresholds.deny


def test_reasons_are_sentences_for_a_person() -> None:
    found = assess(
        facts(NEW_DEVICE, FRANCE, FLOWN, {"network_seen": False, "hour_share": 0.0012, "hour": 23, "failures": 7}),
        Policy(),
    )
    assert [reason.words for reason in found.reasons] == [
        "A browser that has not signed in to this account before.",
        "First sign-in from the network 192.0.2.0/24.",
        "First sign-in from France; so far Germany (41), Austria (3).",
        "8,900 km from the sign-in 2.0 h before, which is 4,450 km an hour.",
        "Signed in between 23:00 and 0:00 UTC; 0.1% of the sign-ins so far were around this hour.",
        "7 wrong passwords from strangers lately.",
    ]


def test_a_known_browser_takes_off_what_there_is_and_never_from_a_rule() -> None:
    assert codes(assess(facts({"network_seen": False}), Policy())) == {"network.new": 5, "device.known": -5}
    refused = assess(facts({"country_refused": True}), Policy())
    assert codes(refused) == {"country.refused": 100}
    assert refused.reasons[0].words == "Sign-ins from Germany are refused by a rule."


def test_an_hour_is_unusual_only_after_twenty_sign_ins() -> None:
    night = {"hour_share": 0.001}
    assert "hour.unusual" in codes(assess(facts(night, {"signins": 20}), Policy()))
    assert "hour.unusual" not in codes(assess(facts(night, {"signins": 19}), Policy()))


def test_no_country_is_news_to_habits_that_know_none() -> None:
    assert codes(assess(facts(FRANCE, {"countries": {}}), Policy())) == {}


def test_a_short_way_is_no_journey_however_fast() -> None:
    short = {"distance_km": 299.0, "hours_since": 0.01, "speed_kmh": 29_900.0}
    assert codes(assess(facts(short), Policy())) == {}


@settings(deadline=None)
@given(FACTS, POLICIES)
def test_recorded_facts_get_the_same_verdict_again(seen: Facts, policy: Policy) -> None:
    live = assess(seen, policy)
    recorded = read(live.private())
    assert recorded == seen
    again = assess(recorded, Policy.model_validate_json(policy.model_dump_json()))
    assert again == live
    assert again.details() == live.details()


@settings(deadline=None)
@given(FACTS, POLICIES)
def test_the_weights_sum_up_to_the_score_and_the_score_decides(seen: Facts, policy: Policy) -> None:
    found = assess(seen, policy)
    assert found.score == sum(codes(found).values()) >= 0
    assert len(codes(found)) == len(found.reasons), "each code once"
    assert 0 not in codes(found).values()
    steps = policy.thresholds
    assert found.action == ACTIONS[sum(found.score >= step for step in (steps.notify, steps.challenge, steps.deny))]


@settings(deadline=None)
@given(FACTS, POLICIES)
def test_a_threat_or_a_strange_browser_never_makes_it_milder(seen: Facts, policy: Policy) -> None:
    before = assess(seen, policy).score
    for worse in (
        {"known_device": False}, {"under_review": True}, {"breached": True}, {"bad_network": True},
        {"under_attack": True}, {"country_refused": True}, {"failures": seen.failures + 50},
    ):  # fmt: skip
        assert assess(msgspec.structs.replace(seen, **worse), policy).score >= before


@settings(deadline=None)
@given(FACTS, POLICIES)
def test_what_stands_in_clear_tells_nothing_personal(seen: Facts, policy: Policy) -> None:
    details = assess(seen, policy).details()
    assert details.keys() == {"action", "score", "policy", "reasons"}
    text = msgspec.json.encode(details).decode()
    assert not any(
        told in text for told in ("192.0.2", "2001:db8", PROVIDER, *(NAMES.get(c, c) for c in seen.countries))
    )


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "nonsense", '{"version":2,"at":1,"signins":0,"hour":0}', '{"version":1}']
)
def test_what_is_no_record_of_a_known_version_is_left_alone(text: str) -> None:
    assert read(text) is None
    assert read(written(facts())) == facts()


def test_every_country_has_a_name() -> None:
    assert len(NAMES) == 250
    assert all(len(code) == 2 and code.isupper() and name.strip() == name for code, name in NAMES.items())
