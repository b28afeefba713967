"""What an `Accept-Language` header asks for (RFC 9110 section 12.5.4, RFC 4647)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.web.languages import LONGEST, Languages, parsed

HERE = Languages(["en", "de", "pt-BR", "zh-Hant"], "en")


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("de", "de"),
        ("DE-de", "de"),
        ("de-AT, en;q=0.5", "de"),  # the region before another language
        ("en;q=0.5, de-CH-1996;q=0.9", "de"),
        ("fr, de;q=0.2, en;q=0.1", "de"),
        ("fr;q=1.000,en;q=0.001", "en"),
        ("en;Q=0.2 , de ;\tq=0.3", "de"),
        (",, de ,", "de"),
        ("pt-BR", "pt-BR"),
        ("pt", "pt-BR"),
        ("pt-PT, de", "de"),
        ("zh-hant-tw", "zh-Hant"),
        ("de-x-anything, fr", "de"),
        ("en;q=0, de;q=0.1", "de"),
        ("de;q=0", None),
        ("fr", None),
        ("*", None),
        ("*, de;q=0.1", "de"),
        ("fr, *;q=0.5", None),
        ("", None),
    ],
)
def test_the_most_wanted_language_that_is_here(header: str, chosen: str | None) -> None:
    assert HERE.asked_for(header.encode()) == chosen


@pytest.mark.parametrize(
    "header",
    [
        "de_DE", "de;q=1.5", "de;q=nan", "de;q=-1", "de;q=0.1234", "de;q=", "de;level=1", "de;q=1;q=1", "de en", "\x00",
        "-de", "de-", "deutschland", "de;q=1,<script>", "d\u00e9", "de\r\nX: y", "*-DE",
    ],
)  # fmt: skip
def test_a_header_that_breaks_the_grammar_asks_for_nothing(header: str) -> None:
    assert HERE.asked_for(header.encode()) is None
    assert HERE.asked_for(f"de, {header}".encode()) is None


def test_what_is_too_long_asks_for_nothing_and_is_not_kept() -> None:
    assert HERE.asked_for(b"de," * (LONGEST // 3)) == "de"
    before = HERE._chosen.cache_info().currsize
    assert HERE.asked_for(b"de," * LONGEST) is None
    assert HERE._chosen.cache_info().currsize == before


@given(st.binary(max_size=LONGEST))
def test_whatever_is_sent_gets_a_language_of_the_house_or_none(header: bytes) -> None:
    assert HERE.asked_for(header) in {None, *HERE.tags}


@pytest.mark.parametrize(
    "piece", [b"a-" * 200, b"a-a" + b" " * 397, b"de;q=0." + b"0" * 393, b"a," * 200, b";q=" * 133]
)
def test_no_header_takes_long_to_read(piece: bytes) -> None:
    began = time.thread_time()  # other threads of the process may work meanwhile
    for _ in range(20):
        parsed(piece)
    assert (time.thread_time() - began) / 20 < 0.01


def test_a_language_is_found_however_it_is_written() -> None:
    assert HERE.find("PT-br") == "pt-BR"
    assert HERE.find("pt") is HERE.find("") is HERE.find(None) is None
