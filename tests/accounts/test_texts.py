from __future__ import annotations

import html
import re
import unicodedata

import nh3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ostiary.accounts.texts import clean_display_text
from ostiary.core.errors import InvalidFields


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("<b>O'Neil & Sons</b>", "O'Neil & Sons"),
        ("O'Neil &amp; Sons", "O'Neil & Sons"),
        ("AT&T", "AT&T"),
        ('Mira "Mo" Jones', 'Mira "Mo" Jones'),
        ("  Mira \t\n Jones\u2003", "Mira Jones"),
        ("Mira\u2028Jones\x85Senior", "Mira Jones Senior"),
        ("Mi\x00ra\x1b[31m", "Mira[31m"),
        ("\u202egnp.evil\u202c", "gnp.evil"),
        ("Mi\u200bra\ufeff\u2060", "Mira"),
        ("Mira\u3164\u2800", "Mira"),
        ("\ud800Mira", "Mira"),
        ("Jose\u0301", "José"),
        ("a" + "\u0301" * 50, "á\u0301\u0301\u0301"),
        ("I <3 tea, 1 < 2 -> yes", "I <3 tea, 1 < 2 -> yes"),
        ("<script>alert(1)</script>Mira", "Mira"),
        ("<style>*{}</style>Mira<img src=x onerror=alert(1)>", "Mira"),
        ("<<b>b>Mira", "Mira"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;Mira", "Mira"),
        ("&amp;lt;img src=x&amp;gt;Mira", "Mira"),
        ("&#60;svg onload=alert(1)&#x3e;Mira", "Mira"),
        ("<\u200bscript>alert(1)</script>Mira", "Mira"),
        ("Mira<", "Mira"),
        ("Mira <a", "Mira"),
        ("<!-- x -->Mira<![CDATA[<b>]]>", "Mira]]>"),
        ("", ""),
        ("田中さん 🙂", "田中さん 🙂"),
    ],
)
def test_words_stay_and_markup_goes(text: str, clean: str) -> None:
    assert clean_display_text(text) == clean


def test_a_text_that_is_too_long_is_refused_with_its_field() -> None:
    assert clean_display_text("<b>" + "m" * 100 + "</b>") == "m" * 100
    for text in ("m" * 101, "m" * 1_000_000):
        with pytest.raises(InvalidFields) as refused:
            clean_display_text(text, field="label")
        assert (refused.value.errors[0].field, refused.value.errors[0].code) == ("label", "too-long")


def test_a_text_in_twenty_layers_is_refused_before_it_costs_much() -> None:
    with pytest.raises(InvalidFields) as refused:
        clean_display_text("&" + "amp;" * 90 + "lt;b&gt;")
    assert refused.value.errors[0].code == "markup"


nasty = st.lists(
    st.sampled_from(
        [
            *"<>&;b/!?='\"",
            "&lt;",
            "&gt;",
            "&amp;",
            "&lt",
            "&#60",
            "&#x3c;",
            "script",
            "--",
            " ",
            "\n",
            "\x00",
            "\u200b",
            "\u202e",
            "\u0338",
            "\ud800",
            "é",
            "\u0301",
            "svg",
            "title",
            "onerror=x",
        ]
    ),
    max_size=25,
).map("".join)


@given(st.text(max_size=100) | nasty)
@example("&ltb&gt")
@example("<\u0338b>")
@example("&lt;\u0338b>")
def test_a_clean_text_is_plain_visible_and_stays_as_it_is(text: str) -> None:
    try:
        clean = clean_display_text(text)
    except InvalidFields:
        return
    assert clean_display_text(clean) == clean
    for form in (clean, html.unescape(clean)):
        assert not re.search(r"<[^\s\d=-]|<\Z", form)
        assert not nh3.is_html(form) or not re.search(r"<[a-zA-Z/!?]", form)
    assert clean == " ".join(clean.split())
    assert not {unicodedata.category(character) for character in clean} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@given(st.text("abc ÄÖÜäöü'&.,-0123456789", max_size=100))
def test_an_ordinary_name_is_only_folded(text: str) -> None:
    assert clean_display_text(text) == " ".join(text.split())
