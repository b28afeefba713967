"""`ostiary risk` on a real data folder."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.house import CHEAP_HASHING
from tests.risk.world import BERLIN, TOKYO, caller_at, mira, risk_of, sign_in

from ostiary.cli import ostiary
from ostiary.core.errors import Misconfigured
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary


class Kept:
    """A data folder in which mira signed in twice at home and once, perhaps, in Tokyo."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = self.tokyo = ""
        asyncio.run(self._live())
        (folder / "ostiary.toml").write_text("[hashing]\nmemory_kib = 8\npasses = 1\n")

    async def _live(self) -> None:
        async with Ostiary.at(self.folder, post=Mailbox(), hashing=CHEAP_HASHING) as house:
            risk, account_id = risk_of(house), await mira(house)
            await sign_in(house, risk, account_id, caller_at(BERLIN))
            self.home = (await sign_in(house, risk, account_id, caller_at(BERLIN)))[1] or ""
            self.tokyo = (await sign_in(house, risk, account_id, caller_at(TOKYO), known_device=False))[1] or ""

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(ostiary, ["risk", *words, "--data", str(self.folder)])

    def said(self, *words: str) -> str:
        result = self.run(*words)
        assert result.exit_code == 0, f"{words}: {result.output}\n{result.exception!r}"
        return result.stdout


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "data")


def test_a_verdict_is_explained(kept: Kept) -> None:
    said = kept.said("explain", kept.tokyo)
    assert "Decided then: challenge, score 85" in said
    assert "First sign-in from Japan; so far Germany (1)." in said
    assert "+30  travel.impossible" in said
    assert "85  score; notify from 20, challenge from 50, deny from 100" in said
    assert "Action: challenge" in said
    assert 'network          "203.0.113.0/24"' in said
    assert "Action: allow" in kept.said("explain", kept.home)


def test_a_place_of_the_explanation_leads_back_to_it(kept: Kept) -> None:
    said = kept.said("explain", kept.tokyo)
    place = said.partition("place ")[2].split()[0]
    assert kept.said("explain", place) == said
    assert kept.said("explain", place.partition(":")[2]) == said


def test_under_another_policy_both_verdicts_are_shown(kept: Kept) -> None:
    with (kept.folder / "ostiary.toml").open("a") as settings:
        settings.write("[risk.thresholds]\nnotify = 20\nchallenge = 90\n")
    said = kept.said("explain", kept.tokyo)
    assert "Decided then: challenge" in said
    assert "Now it would be: notify" in said


def test_of_an_erased_account_only_the_verdict_is_told(kept: Kept) -> None:
    assert CliRunner().invoke(ostiary, ["user", "delete", "mira", "--yes", "--data", str(kept.folder)]).exit_code == 0
    said = kept.said("explain", kept.tokyo)
    assert "The account is erased" in said
    assert "travel.impossible +30" in said
    assert "Japan" not in said
    assert "203.0.113" not in said


def test_what_was_never_judged_is_not_explained(kept: Kept) -> None:
    result = kept.run("explain", "nothing-of-that-name")
    assert result.exit_code == 1
    assert "a wrong password is not judged" in result.output


def test_the_policy_in_force_is_printed_and_tried(kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(kept.said("policy"))
    said = kept.said("replay", "--policy", str(path))
    assert "3 sign-ins judged anew" in said
    assert "→ deny" in said
    assert "for example" not in said, "the policy in force changes nothing"

    path.write_text(path.read_text().replace("new_device = 20", "new_device = 95"))
    said = kept.said("replay", "--policy", str(path), "--account", "mira")
    assert "challenge → deny, for example:" in said
    assert "First sign-in from Japan" in said
    assert "Accepted, never disowned, and now: 1 denied, 0 newly challenged." in said
    found = json.loads(kept.said("replay", "--policy", str(path), "--json"))
    assert found["table"]["challenge"]["deny"] == 1
    assert found["refused_by_mistake"] == 1
    assert kept.said("replay", "--policy", str(path), "--since", "0m").startswith("0 sign-ins judged")


def test_a_file_that_is_no_policy_and_a_span_that_is_none_are_refused(kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("[risk]\nnew_moon = 1\n")
    result = kept.run("replay", "--policy", str(path))
    assert isinstance(result.exception, Misconfigured)
    assert "risk.new_moon" in str(result.exception)
    path.write_text("[risk]\n")
    result = kept.run("replay", "--policy", str(path), "--since", "a while")
    assert result.exit_code == 2
    assert "write 30m" in result.output
