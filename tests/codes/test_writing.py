"""How codes are written, and what is read from paper."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.codes.writing import ALPHABET, LENGTH, canonical, grouped, new_code


def test_a_code_has_bits_enough_for_a_plain_digest() -> None:
    """ASVS 6.5.2 and SP 800-63B-4 section 3.1.2: from 112 bits on."""
    assert len(set(ALPHABET)) == 32
    assert LENGTH * math.log2(len(ALPHABET)) >= 112
    codes = {new_code() for _ in range(1000)}
    assert len(codes) == 1000
    assert {sign for code in codes for sign in code} == set(ALPHABET)  # none is left out


def test_it_is_shown_in_groups_that_are_read_back() -> None:
    code = new_code()
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){5}[0-9A-HJKMNP-TV-Z]{4}", grouped(code))
    assert canonical(grouped(code)) == code


CODE = "0123456789ABCDEFGHJKMNPQ"


@pytest.mark.parametrize(
    "answer",
    [
        "0123-4567-89AB-CDEF-GHJK-MNPQ", "0123 4567 89ab cdef ghjk mnpq", "  0123456789abcdefghjkmnpq\n",
        "0123–4567—89AB‑CDEF−GHJK.MNPQ", "O123456789ABCDEFGHJKMNPQ", "oi23456789abcdefghjkmnpq",
        "0L23456789ABCDEFGHJKMNPQ", "--0123--4567\u00a089AB\tCDEF_GHJK\u00adMNPQ--",
    ],
)  # fmt: skip
def test_case_spaces_dashes_and_misread_signs_do_not_matter(answer: str) -> None:
    assert canonical(answer) == CODE


@pytest.mark.parametrize(
    "answer",
    [
        "", "-", CODE[:-1], CODE + "0", CODE[:-1] + "U", CODE[:-1] + "ß", CODE[:-1] + "\u212a", CODE[:-1] + "\u017f",
        CODE[:-2] + "ﬁ", CODE[:-1] + "\x00", "０" + CODE[1:], CODE + "-" * 200, " " * 1_000_000 + CODE, "'; --",
    ],
)  # fmt: skip
def test_what_is_no_code_has_no_spelling(answer: str) -> None:
    assert canonical(answer) is None


@given(st.text(max_size=140))
def test_a_spelling_is_one_or_none(answer: str) -> None:
    code = canonical(answer)
    assert code is None or (len(code) == LENGTH and set(code) <= set(ALPHABET) and canonical(code) == code)
