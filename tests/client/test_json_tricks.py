"""JSON that two parsers read differently, in a header or a payload whose signature is right."""

from __future__ import annotations

import pytest
from tests.client.forging import (
    claims,
    compact,
    forge,
    header,
    is_refused,
    key_of,
)

ES = key_of("ES256")


@pytest.mark.parametrize(
    "more",
    [b'"alg":"none"', b'"alg":"ES256"', b'"kid":"other"', b'"typ":"JWT"', b'"\\u0061lg":"none"', b'"typ":"at+jwt"'],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_header_name_given_twice_is_refused(more: bytes, first: bool) -> None:
    inner = compact(header(ES))[1:-1]
    is_refused(forge(head=b"{" + (more + b"," + inner if first else inner + b"," + more) + b"}"), "header")


@pytest.mark.parametrize("more", [b'"sub":"admin"', b'"exp":99999999999', b'"\\u0073ub":"admin"', b'"sub":"acc_7"'])
@pytest.mark.parametrize("first", [True, False])
def test_a_claim_given_twice_is_refused(more: bytes, first: bool) -> None:
    inner = compact(claims())[1:-1]
    token = forge(b"{" + (more + b"," + inner if first else inner + b"," + more) + b"}")
    is_refused(token, "payload", control=forge(b"{" + inner + b"}"))


def test_a_name_given_twice_further_inside_is_refused_too() -> None:
    inner = compact(claims())[:-1]
    is_refused(forge(inner + b',"x":{"a":1,"a":1}}'), "payload", control=forge(inner + b',"x":{"a":1,"b":1}}'))


@pytest.mark.parametrize(
    "value", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"01", b"0x10", b"+1", b".5", b"1_0", b"'a'"]
)
def test_a_number_that_json_does_not_know_is_refused(value: bytes) -> None:
    inner = compact(claims())[:-1]
    is_refused(forge(inner + b',"x":' + value + b"}"), "payload", control=forge(inner + b',"x":1}'))


def test_an_integer_with_thousands_of_digits_is_refused() -> None:
    inner = compact(claims())[:-1]
    is_refused(
        forge(inner + b',"x":' + b"9" * 5000 + b"}"), "payload", control=forge(inner + b',"x":' + b"9" * 50 + b"}")
    )


@pytest.mark.parametrize("depth", [20, 900, 2700])
@pytest.mark.parametrize("pair", [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_refused(depth: int, pair: tuple[bytes, bytes]) -> None:
    inner = compact(claims())[:-1] + b',"x":'
    depth = min(depth, 5400 // len(pair[0] + pair[1]))
    nested = pair[0] * depth + b"1" + pair[1] * depth
    is_refused(forge(inner + nested + b"}"), "payload", control=forge(inner + pair[0] + b"1" + pair[1] + b"}"))
    is_refused(forge(head=b"[" * 180 + b"]" * 180), "header")


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\\ud800", b"\\uDFFF"]
)
def test_text_that_is_not_unicode_is_refused(bad: bytes) -> None:
    payload = compact(claims()).replace(b'"mira"', b'"mi' + bad + b'ra"')
    control = compact(claims()).replace(b'"mira"', b'"mi\\u00e9ra \\ud83d\\ude00"')
    is_refused(forge(payload), "payload", control=forge(control))
    is_refused(forge(head=compact(header(ES)).replace(b"at+jwt", b"at+jwt" + bad)), "header")


@pytest.mark.parametrize(
    "payload",
    [
        b"null",
        b"1",
        b'"text"',
        b"[]",
        b"[{}]",
        b"{",
        b"}",
        b"{}{}",
        b"{}x",
        b"\xef\xbb\xbf{}",
        b"\x00",
        b"{}\x00",
        b" ",
    ],
)
def test_a_payload_that_is_not_one_object_is_refused(payload: bytes) -> None:
    is_refused(forge(payload), "payload")
    is_refused(forge(head=payload), "header")


def test_an_encoding_other_than_utf_8_is_refused() -> None:
    text = compact(claims()).decode()
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig"):
        is_refused(forge(text.encode(encoding)), "payload", control=forge(text.encode("utf-8")))
