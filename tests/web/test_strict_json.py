from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.web.strict_json import MalformedJSON, loads

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)


@given(documents, st.booleans())
def test_it_agrees_with_the_standard_library_on_every_valid_document(document: object, ascii_only: bool) -> None:
    raw = json.dumps(document, ensure_ascii=ascii_only).encode()

    assert loads(raw, deepest=100) == json.loads(raw)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    try:
        value = loads(raw)
    except MalformedJSON:
        return
    assert value == json.loads(raw)


json_like = st.lists(
    st.sampled_from(
        [
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            '"a"',
            '"',
            "\\",
            "\\u0000",
            "\\ud800",
            "\\udc00",
            "1",
            "-",
            "1e999",
            "NaN",
            " ",
            "\n",
        ]
    ),
    max_size=30,
).map("".join)


@given(json_like)
def test_text_that_is_almost_json_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        value = loads(text.encode())
    except MalformedJSON:
        return
    assert value == json.loads(text)


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"", "The body is empty."),
        (b" \n", "The body is empty."),
        (b'\xef\xbb\xbf{"a":1}', "The body starts with a byte order mark; leave it out (RFC 8259, 8.1)."),
        (b'{"a":"\xff"}', "The body is not UTF-8 at byte 7."),
        (b'"\xed\xa0\x80"', "The body is not UTF-8 at byte 2."),
        ('{"a":1}'.encode("utf-16-le"), "The body is not valid JSON, at line 1, column 2."),
        (b'{"a":1,"b":{},"a":2}', "An object uses one name twice, at line 1, column 15."),
        (b'[{"a":1},\n {"b":[{"c":1}], "\\u0062":2}]', "An object uses one name twice, at line 2, column 18."),
        (b'{"a":NaN}', "A number is too long, too large or not a number, at line 1, column 6."),
        (b"[1,-Infinity]", "A number is too long, too large or not a number, at line 1, column 4."),
        (b"[1e999]", "A number is too long, too large or not a number, at line 1, column 2."),
        (b"[" + b"9" * 5000 + b"]", "A number is too long, too large or not a number, at line 1, column 2."),
        (b"[0." + b"1" * 5000 + b"]", "A number is too long, too large or not a number, at line 1, column 2."),
        (b'["\\ud800"]', "A text contains half of a surrogate pair, at line 1, column 3."),
        (b'["\\uDC00\\ud800"]', "A text contains half of a surrogate pair, at line 1, column 3."),
        (b'["\\ud800\\ud800\\udc00"]', "A text contains half of a surrogate pair, at line 1, column 3."),
        (b'{"a\\u0000":1}', "A text contains a NUL character, at line 1, column 4."),
        (b'["a\x00"]', "The body is not valid JSON, at line 1, column 4."),
        (b'{"a":1} {}', "The body is not valid JSON, at line 1, column 9."),
        (b'{"a":1,}', "The body is not valid JSON, at line 1, column 8."),
        (b"{'a':1}", "The body is not valid JSON, at line 1, column 2."),
        (b"[" * 21 + b"]" * 21, "The body is nested more than 20 levels deep, at line 1, column 21."),
        (b"[" * 60_000, "The body is nested more than 20 levels deep, at line 1, column 21."),
        (b"1" * 65_537, "The body is longer than 65536 bytes."),
    ],
)
def test_what_readers_could_disagree_about_is_refused_with_its_place(raw: bytes, detail: str) -> None:
    with pytest.raises(MalformedJSON) as refusal:
        loads(raw)

    assert refusal.value.status == 400
    assert refusal.value.detail is not None
    # Python versions place a trailing comma at the comma or behind it
    assert refusal.value.detail == detail or (raw == b'{"a":1,}' and "column 7" in refusal.value.detail)


def test_an_escaped_backslash_before_u0000_is_plain_text() -> None:
    assert loads(rb'["\\u0000", "\\\\ud800", "\ud83d\ude00"]') == ["\\u0000", "\\\\ud800", "\U0001f600"]


def test_brackets_inside_texts_are_not_nesting() -> None:
    assert loads(b'["' + b"[{" * 100 + b'\\"[[["]') == ["[{" * 100 + '"[[[']


def test_a_refusal_holds_nothing_of_the_body() -> None:
    for raw in (
        b'{"password":"hunter2-hunter2"',
        b'{"hunter2":1,"hunter2":2}',
        b'{"a":"hunter2\\u0000"}',
        b'"hunter2\xff"',
    ):
        with pytest.raises(MalformedJSON) as refusal:
            loads(raw)
        assert "hunter2" not in f"{refusal.value!r} {refusal.value.document()}"
        assert refusal.value.__context__ is None  # the decoder's error would hold the document


def test_nesting_beyond_the_interpreters_stack_is_a_refusal_not_a_crash() -> None:
    with pytest.raises(MalformedJSON):
        loads(b"[" * 200_000, longest=1_000_000, deepest=1_000_000)


@pytest.mark.parametrize("piece", [b'\\"', b'"', b"[", b'"\\', b'{"a":', b"\\u0000", b"1,"])
def test_no_shape_of_body_takes_more_than_linear_time(piece: bytes) -> None:
    raw = b'["' + b"[" * 30 + piece * (60_000 // len(piece))  # enough brackets that depth is looked at
    started = time.thread_time()  # of work alone: a process may be suspended for longer than that
    with pytest.raises(MalformedJSON):
        loads(raw)
    assert time.thread_time() - started < 0.5  # quadratic work on 60 kB takes minutes
