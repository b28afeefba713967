"""How strong what was shown is, and which demand it meets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.client import STRENGTHS, Strength, reaches
from ostiary.sessions import acr_of, together

WORDS = ["pwd", "mail", "fed", "otp", "sms", "rc", "hwk", "swk", "user", "mfa", "unheard-of", ""]


@pytest.mark.parametrize(
    ("methods", "acr"),
    [
        ("", "aal1"), ("pwd", "aal1"), ("mail", "aal1"), ("otp", "aal1"), ("hwk", "aal1"), ("user", "aal1"),
        ("pwd otp", "aal2"), ("pwd sms", "aal2"), ("pwd rc", "aal2"), ("mail otp", "aal2"), ("pwd hwk", "aal2"),
        # What reads the mailbox can choose the password: a letter beside it proves nothing more.
        ("pwd mail", "aal1"),
        # A provider's word begins a sign-in as a password does, and is no second factor of ours.
        ("fed", "aal1"), ("fed pwd", "aal1"), ("fed mail", "aal1"), ("fed otp", "aal2"), ("fed rc", "aal2"),
        # Two things held are one kind; a word that says "several" is looked behind.
        ("otp sms", "aal1"), ("otp rc", "aal1"), ("pwd mfa", "aal1"), ("mfa", "aal1"), ("pwd unheard-of mfa", "aal1"),
        ("hwk user", "phr"), ("swk user mfa", "phr"), ("pwd hwk user mfa", "phr"),
    ],
)  # fmt: skip
def test_strength_is_what_was_shown(methods: str, acr: str) -> None:
    assert acr_of(methods.split()) == acr


@given(st.lists(st.sampled_from(WORDS)), st.lists(st.sampled_from(WORDS)))
def test_showing_more_is_never_weaker_and_says_so(first: list[str], more: list[str]) -> None:
    both = together(first, more)

    assert reaches(acr_of(both), acr_of(first))
    assert acr_of(both) == acr_of([*first, *more])
    assert {*first, *more} <= set(both)
    assert len(set(both)) == len(both)
    assert acr_of(both) == "aal1" or "mfa" in both


@pytest.mark.parametrize("held", [*STRENGTHS, "", "aal9", "PHR", "phr "])
@pytest.mark.parametrize("wanted", STRENGTHS)
def test_a_demand_is_met_by_as_much_or_more(held: str, wanted: Strength) -> None:
    known = {"aal1": 1, "aal2": 2, "phr": 3}
    assert reaches(held, wanted) == (known.get(held, 1) >= known[wanted])


@pytest.mark.parametrize("wanted", ["", "aal3", "mfa"])
def test_a_demand_that_nobody_knows_is_a_mistake(wanted: str) -> None:
    with pytest.raises(ValueError, match="not in"):
        reaches("phr", wanted)  # type: ignore[arg-type]
