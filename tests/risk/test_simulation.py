"""The default policy against invented people and intruders: bounds, and the documented figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scripts.risk_simulation import INTRUDERS, OWNER, PICTURE, TRAVELLER, Tally, picture, simulate, table
from tests.architecture.source import ROOT

from ostiary.risk import Policy

PAGE, GUIDE = ROOT / "docs" / "explanation" / "risk.md", ROOT / "docs" / "guides" / "risk-policy.md"


def rows_in(page: Path) -> list[str]:
    """Return the rows of a page's table of figures."""
    return re.findall(r"^\| (?:owner|stranger|mimic|thief).*%.*\|$", page.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def tally() -> Tally:
    """Ninety days, from one seed."""
    return simulate(Policy())


def test_owners_are_hardly_ever_bothered(tally: Tally) -> None:
    for owner, most_letters in ((OWNER, 0.03), (TRAVELLER, 0.2)):  # a journey costs a letter
        assert tally.of[owner].total() > 300
        assert tally.share(owner, "deny") == 0
        assert tally.share(owner, "challenge") < 0.01
        assert tally.share(owner, "notify") < most_letters


def test_strangers_from_another_country_are_challenged(tally: Tally) -> None:
    assert tally.share("stranger abroad", "challenge", "deny") > 0.95
    assert tally.share("stranger abroad, bad network", "challenge", "deny") == 1


def test_no_new_browser_gets_in_without_a_letter_at_least(tally: Tally) -> None:
    for intruder in INTRUDERS.keys() - {"thief of the browser"}:
        assert tally.share(intruder, "allow") == 0, intruder


def test_a_copied_cookie_used_in_another_country_betrays_itself(tally: Tally) -> None:
    assert tally.share("thief of the browser", "notify", "challenge", "deny") > 0.95


def test_a_policy_that_challenges_every_new_browser_stops_all_but_the_thief_of_one() -> None:
    """The stricter policy of the guide, and what it costs."""
    found = simulate(Policy.model_validate({"weights": {"new_device": 50}}))
    for intruder in INTRUDERS.keys() - {"thief of the browser"}:
        assert found.share(intruder, "challenge", "deny") == 1, intruder
    assert found.share(OWNER, "challenge") < 0.03
    assert rows_in(GUIDE) == table(found)


def test_the_documentation_tells_these_figures(tally: Tally) -> None:
    assert rows_in(PAGE) == table(tally), "run: .venv/bin/python -m scripts.risk_simulation"
    assert PICTURE.read_text(encoding="utf-8") == picture(tally), "run: .venv/bin/python -m scripts.risk_simulation"


def test_a_policy_that_looks_at_nothing_lets_everybody_in() -> None:
    """The bounds above can fail."""
    blind = Policy.model_validate(
        {"weights": dict.fromkeys(("new_device", "new_country", "new_network", "impossible_travel", "unusual_hour"), 0)}
    )
    assert simulate(blind, people=20).share("stranger abroad", "allow") == 1
