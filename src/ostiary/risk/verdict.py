"""From facts and a policy to a verdict: one pure function, whose every step can be told to a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ostiary.risk.countries import country_name
from ostiary.risk.facts import Facts, written

if TYPE_CHECKING:
    from ostiary.risk.settings import Policy

Action = Literal["allow", "notify", "challenge", "deny"]
ACTIONS: tuple[Action, ...] = ("allow", "notify", "challenge", "deny")
"""From the mildest to the strictest."""

FASTEST_TOLD = 10_000
"""Kilometres an hour; beyond, the figure says nothing more to a person."""


class Reason(msgspec.Struct, frozen=True):
    """One finding.

    Attributes:
        code: Its name in the journal; tells nothing personal.
        weight: What it adds to the score; below zero only for a known browser.
        words: A sentence for a person, which may tell something personal.
    """

    code: str
    weight: int
    words: str


class Assessment(msgspec.Struct, frozen=True):
    """A verdict with all that led to it; the reasons' weights sum up to the score.

    Attributes:
        policy: Fingerprint of the policy that gave it.
    """

    facts: Facts
    score: int
    reasons: tuple[Reason, ...]
    action: Action
    policy: str

    def details(self) -> dict[str, Any]:
        """Return what may stand in the journal in clear: `unit.note(..., risk=assessment.details())`."""
        return {
            "action": self.action, "score": self.score, "policy": self.policy,
            "reasons": {reason.code: reason.weight for reason in self.reasons},
        }  # fmt: skip

    def private(self) -> str:
        """Return the facts as JSON, to be sealed: `unit.note(..., private={"facts": assessment.private()})`."""
        return written(self.facts)


def assess(facts: Facts, policy: Policy, *, named: str = "") -> Assessment:
    """Return the verdict of a policy on the facts of a sign-in. Reads nothing else: not the clock, not the habits.

    Args:
        facts: What was recorded at the sign-in.
        policy: Weights, thresholds, rules.
        named: The policy's fingerprint, if the caller has it at hand; computed otherwise.
    """
    habits = [reason for reason in (*_of_device(facts, policy), *_of_place(facts, policy)) if reason.weight]
    habits += [reason for reason in _of_threats(facts, policy) if reason.weight]
    sum_ = sum(reason.weight for reason in habits)
    if facts.known_device and (credit := min(policy.weights.known_device, sum_)):
        habits.append(Reason("device.known", -credit, "This browser has signed in to the account before."))
    reasons = (*habits, *(reason for reason in _of_rules(facts, policy) if reason.weight))
    score = sum(reason.weight for reason in reasons)
    return Assessment(facts, score, reasons, _action(score, policy), named or policy.fingerprint())


def _action(score: int, policy: Policy) -> Action:
    steps = policy.thresholds
    if score >= steps.deny:
        return "deny"
    if score >= steps.challenge:
        return "challenge"
    return "notify" if score >= steps.notify else "allow"


def _of_device(facts: Facts, policy: Policy) -> Iterator[Reason]:
    weights = policy.weights
    if not facts.known_device:
        yield Reason("device.new", weights.new_device, "A browser that has not signed in to this account before.")
    if facts.signins == 0:
        yield Reason(
            "signin.first", weights.first_signin, "The first sign-in that is remembered: there are no habits yet."
        )


def _of_place(facts: Facts, policy: Policy) -> Iterator[Reason]:
    weights = policy.weights
    if facts.network is not None and facts.signins and not facts.network_seen:
        yield Reason("network.new", weights.new_network, f"First sign-in from the network {facts.network}.")
    # Habits without any country were learned before there were places: then no country is news.
    if facts.country is not None and facts.countries and facts.country not in facts.countries:
        yield Reason(
            "country.new", weights.new_country,
            f"First sign-in from {country_name(facts.country)}; so far {_counted(facts.countries)}.",
        )  # fmt: skip
    if facts.speed_kmh is not None and facts.distance_km is not None and facts.hours_since is not None:
        is_far = facts.distance_km >= policy.travel_distance
        if is_far and facts.speed_kmh > policy.travel_speed:
            yield Reason(
                "travel.impossible", weights.impossible_travel,
                f"{facts.distance_km:,.0f} km from the sign-in {_ago(facts.hours_since)} before, "
                f"which is {_speed(facts.speed_kmh)} km an hour.",
            )  # fmt: skip
    share = facts.hour_share if facts.signins >= policy.hours_learned else None
    if share is not None and share < policy.unusual_hour:
        yield Reason(
            "hour.unusual", weights.unusual_hour,
            f"Signed in between {facts.hour}:00 and {(facts.hour + 1) % 24}:00 UTC; "
            f"{100 * share:.1f}% of the sign-ins so far were around this hour.",
        )  # fmt: skip


def _of_threats(facts: Facts, policy: Policy) -> Iterator[Reason]:
    weights = policy.weights
    if facts.failures >= policy.many_failures:
        yield Reason(
            "password.guessed_at", weights.guessing, f"{facts.failures} wrong passwords from strangers lately."
        )
    if facts.under_review:
        yield Reason("account.under_review", weights.under_review, "The account is under review.")
    if facts.breached:
        yield Reason("password.breached", weights.breached_password, "The password is in a published leak.")
    if facts.bad_network:
        yield Reason("network.bad", weights.bad_network, "The address is on the list of known-bad networks.")
    if facts.under_attack:
        yield Reason("server.under_attack", weights.under_attack, "The server was under attack.")


def _of_rules(facts: Facts, policy: Policy) -> Iterator[Reason]:
    if facts.country_refused:
        where = "unknown places" if facts.country is None else country_name(facts.country)
        yield Reason("country.refused", policy.weights.refused_country, f"Sign-ins from {where} are refused by a rule.")


def _counted(countries: dict[str, int]) -> str:
    often = sorted(countries.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{country_name(code)} ({count})" for code, count in often)


def _speed(kmh: float) -> str:
    return f"{kmh:,.0f}" if kmh < FASTEST_TOLD else f"more than {FASTEST_TOLD:,}"


def _ago(hours: float) -> str:
    if hours < 1:
        return f"{max(1, round(hours * 60))} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} days"
