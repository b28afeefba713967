"""Which numbers are taken, how they are shown, and where texts may go."""

from __future__ import annotations

import pytest

from ostiary.core.errors import InvalidFields
from ostiary.texts.numbers import allowed_prefix, masked, read_number


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("+46701234567", "+46701234567"),
        (" +46 (0)70-123 45 67 ", "+46701234567"),
        ("+1 (201) 555-0123", "+12015550123"),
        ("+49 1512 3456789", "+4915123456789"),
        ("+46\u00a070\u00a01234567", "+46701234567"),
    ],
)
def test_a_mobile_number_in_any_spelling_is_one_number(typed: str, read: str) -> None:
    assert read_number(typed) == read


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("0701234567", "no-country"),
        ("0046701234567", "no-country"),
        ("+", "malformed"),
        ("+46 8 123 456 78", "not-mobile"),
        ("+46701234567 ext. 5", "not-mobile"),
        ("+88216 1234567890", "not-mobile"),  # of no country, and reached by the Internet
        ("+1 900 555 0123", "not-mobile"),  # costs whoever calls it
        ("+44 7700 900123", "not-mobile"),  # kept free for drama: nobody's
        ("+4670123", "not-mobile"),
        ("+99970123456", "malformed"),
        ("+46" + "1" * 40, "no-country"),
        ("tel:+46701234567;ext=1", "no-country"),
    ],
)
def test_what_is_no_mobile_number_is_refused_with_a_reason(typed: str, code: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        read_number(typed)
    assert [error.code for error in refused.value.errors] == [code]
    assert typed.strip("+") == "" or typed not in str(refused.value)


def test_a_shown_number_says_its_country_and_two_digits() -> None:
    assert masked("+46701234567") == "+46 ••• 67"


def test_the_longest_prefix_decides() -> None:
    allowed, barred = ("+46", "+1", "+1868"), ("+1876", "+18681")
    found = {
        number: allowed_prefix(number, allowed, barred)
        for number in ("+46701234567", "+12015550123", "+18765550123", "+18682910000", "+18681234567", "+33612345678")
    }
    assert list(found.values()) == ["+46", "+1", None, "+1868", None, None]
    assert allowed_prefix("+46701234567", (), ()) is None
