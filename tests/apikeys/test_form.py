"""The form of a key: read strictly, told from what looks like one, and found in anybody's text."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.apikeys.steps import body_of, with_checksum

from ostiary.apikeys import found_in, read
from ostiary.apikeys.form import LONGEST, checksum, new_key
from ostiary.core.clock import ManualClock

NOW = ManualClock().now()
ID, KEY = new_key("ost", NOW)


def test_a_new_key_has_the_written_form_and_names_itself() -> None:
    prefix, id_, rest = KEY.split("_")

    assert (prefix, id_, len(rest)) == ("ost", ID, 49)
    assert read(KEY) == ("ost", ID)
    assert len(new_key("a" * 16, NOW)[1]) == LONGEST
    assert new_key("ost", NOW + 1)[0] > ID  # ids sort by time
    # What public scanners compute: CRC-32 of all before it, in base62, here written out once by hand.
    assert checksum("ost_" + "0" * 22 + "_" + "0" * 43) == "1oqns2"


def test_a_thousand_keys_differ_in_id_and_secret() -> None:
    keys = [new_key("ost", NOW)[1] for _ in range(1000)]

    assert len({key.split("_")[1] for key in keys}) == len({key.split("_")[2] for key in keys}) == 1000


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(KEY) - 1), character=st.characters(min_codepoint=32, max_codepoint=255))
def test_no_character_can_be_another(place: int, character: str) -> None:
    changed = KEY[:place] + character + KEY[place + 1 :]

    assert read(changed) is None or changed == KEY


@pytest.mark.parametrize("length", range(len(KEY)))
def test_a_part_of_a_key_is_no_key(length: int) -> None:
    assert read(KEY[:length]) is None
    assert read(KEY[len(KEY) - length :]) is None


@pytest.mark.parametrize(
    "text",
    ["", "ost", "ost__", KEY.upper(), KEY.swapcase(), f" {KEY}", f"{KEY}\n", KEY + "0", KEY * 2, KEY.replace("_", "-"),
     "OST" + KEY[3:], with_checksum("Ost" + body_of(KEY)[3:]), with_checksum("o" + body_of(KEY)[3:]),
     with_checksum("a" * 17 + body_of(KEY)[3:]), "ost_" + "x" * 100_000],
    ids=range(15),
)  # fmt: skip
def test_what_is_not_written_like_a_key_is_none(text: str) -> None:
    assert read(text) is None


# Finding


def found(text: bytes | str, size: int = 1 << 20) -> list[tuple[int, str]]:
    raw = text.encode() if isinstance(text, str) else text
    chunks = [raw[begin : begin + size] for begin in range(0, len(raw), size)]
    return [(one.line, one.name.hint) for one in found_in(chunks)]


HINT = f"ost_{ID}"


@pytest.mark.parametrize(
    "around",
    ["{}", "KEY={}", "Authorization: Bearer {}", '{{"key":"{}"}}', "{}and more", "my_{}", "x{}", "\\n{}\\n", "ünï{}",
     "https://example.org/?key={}&x=1"],
)  # fmt: skip
def test_a_key_is_found_whatever_stands_around_it(around: str) -> None:
    assert [hint for _, hint in found(around.format(KEY))] == [HINT]


def test_a_key_of_another_prefix_is_found_and_what_merely_looks_like_one_is_not() -> None:
    id_, other = new_key("acme9", NOW)
    alike = f"ost_{secrets.token_hex(11)}_{'a' * 49}"

    wrong = KEY[:-1] + ("0" if KEY[-1] != "0" else "1")
    assert found(f"{alike}\n{other}\n{wrong}\n{KEY.lower()}") == [(2, f"acme9_{id_}")]


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 700), gaps=st.lists(st.integers(0, 300), min_size=1, max_size=4))
def test_each_key_is_found_once_however_the_text_is_cut(size: int, gaps: list[int]) -> None:
    text, expected, line = "", [], 1
    for gap in gaps:
        id_, key = new_key("ost", NOW)
        text += "." * (gap % 7) + "\n" * gap + key + "\n"
        line += gap
        expected.append((line, f"ost_{id_}"))
        line += 1

    assert found(text, size) == expected


def test_random_bytes_hold_none() -> None:
    assert found(secrets.token_bytes(1 << 18)) == []
