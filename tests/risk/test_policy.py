"""A policy: what is refused, and that a file holds all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import ValidationError
from tests.risk.strategies import POLICIES

from ostiary.core.errors import Misconfigured
from ostiary.risk import Policy, RiskSettings, policy_in, policy_text
from ostiary.settings import load


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"weights": {"new_device": -1}}, "greater than or equal"),
        ({"weights": {"new_moon": 1}}, "Extra inputs"),
        ({"thresholds": {"notify": 60}}, "must not fall"),
        ({"thresholds": {"deny": 150}}, "a refused country is refused"),
        ({"travel_speed": 1}, "greater than or equal"),
        ({"unusual_hour": float("nan")}, "equal to"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Policy.model_validate(values)


def test_the_start_is_refused_too_and_says_which_setting(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"risk\.thresholds: notify, challenge and deny must not fall"):
        load(tmp_path, {"risk": {"thresholds": {"notify": 60}}})


@settings(deadline=None)
@given(POLICIES)
def test_a_policy_written_and_read_is_the_same(tmp_path_factory: pytest.TempPathFactory, policy: Policy) -> None:
    path = tmp_path_factory.getbasetemp() / "policy.toml"
    path.write_text(policy_text(policy))
    read = policy_in(path)
    assert read.fingerprint() == policy.fingerprint()
    assert read.model_dump(include=set(Policy.model_fields)) == policy.model_dump()


def test_a_fingerprint_is_of_what_decides() -> None:
    assert RiskSettings(bad_networks=Path("list")).fingerprint() == Policy().fingerprint()
    assert Policy(many_failures=6).fingerprint() != Policy().fingerprint()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[risk\n", "is not TOML"),
        ("[web]\n", r"has no section \[risk\]"),
        ("risk = 1\n", r"has no section \[risk\]"),
        ("[risk]\nmany_failures = 0\n", "risk.many_failures: Input should be greater"),
        ("[risk.weights]\nnew_moon = 1\n", "risk.weights.new_moon: Extra inputs"),
    ],
)
def test_a_file_that_is_no_policy_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=words):
        policy_in(path)
    with pytest.raises(Misconfigured, match="cannot be read"):
        policy_in(tmp_path)


def test_what_a_file_leaves_out_is_default(tmp_path: Path) -> None:
    path = tmp_path / "ostiary.toml"
    path.write_text("[web]\nproduct_name = 'x'\n[risk.weights]\nnew_device = 60\n")
    assert policy_in(path).weights.new_device == 60
    assert policy_in(path).thresholds == Policy().thresholds
