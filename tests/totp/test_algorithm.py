"""The codes themselves, against the vectors of their standards (RFC 4226 appendix D, RFC 6238 appendix B)."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from ostiary.totp.algorithm import code_at, matching_step, new_secret, spelled, step_at, typed, uri_of
from ostiary.totp.picture import drawn

SECRET = b"12345678901234567890"

HOTP = ("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489")
TOTP = {  # the last six of the appendix's eight digits, which are the same number shortened
    59: "287082", 1_111_111_109: "081804", 1_111_111_111: "050471", 1_234_567_890: "005924", 2_000_000_000: "279037",
    20_000_000_000: "353130",
}  # fmt: skip


@pytest.mark.parametrize("count", range(10))
def test_the_vectors_of_rfc_4226(count: int) -> None:
    assert code_at(SECRET, count) == HOTP[count]


@pytest.mark.parametrize("seconds", TOTP)
def test_the_vectors_of_rfc_6238(seconds: int) -> None:
    assert code_at(SECRET, step_at(seconds * 1000)) == TOTP[seconds]
    assert matching_step(SECRET, TOTP[seconds], seconds * 1000) == seconds // 30


def test_a_step_is_thirty_seconds_to_the_millisecond() -> None:
    assert [step_at(at) for at in (0, 29_999, 30_000, 59_999, 60_000)] == [0, 0, 1, 1, 2]


def test_the_current_step_and_the_one_before_it_match_and_no_other() -> None:
    now = 1_111_111_111_000
    current = step_at(now)

    found = [matching_step(SECRET, code_at(SECRET, current + shift), now) for shift in (-2, -1, 0, 1, 2)]

    assert found == [None, current - 1, current, None, None]
    assert matching_step(SECRET, HOTP[0], 0) == 0  # nothing lies before the first


def test_of_two_steps_with_the_same_code_the_younger_counts() -> None:
    """Else the code would be good once more: once for each."""
    earlier, later = 910_737, 910_738  # the first two of this secret that follow each other with the same digits
    assert code_at(SECRET, earlier) == code_at(SECRET, later) == "911617"

    assert matching_step(SECRET, "911617", later * 30_000) == later


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("123456", "123456"), (" 123 456\n", "123456"), ("012345", "012345"), ("123\u00a0456", "123456"), ("", None),
        ("12345", None), ("1234567", None), ("12345a", None), ("-12345", None), ("+12345", None), ("12.456", None),
        ("１２３４５６", None), ("١٢٣٤٥٦", None), ("²²²²²²", None), ("123456\x00", None), ("1 " * 33, None),
        (" " * 1_000_000 + "123456", None), ("0x1234", None), ("1e1000", None), ("123-456", None),
    ],
)  # fmt: skip
def test_only_six_plain_digits_are_a_code(answer: str, code: str | None) -> None:
    assert typed(answer) == code


@given(st.text(max_size=70))
def test_whatever_is_typed_is_six_digits_or_nothing(answer: str) -> None:
    assert re.fullmatch(r"[0-9]{6}", typed(answer) or "000000")


def test_a_secret_has_160_bits_and_is_new_each_time() -> None:
    found = {new_secret() for _ in range(100)}
    assert {len(secret) for secret in found} == {20}
    assert len(found) == 100
    assert re.fullmatch(r"[A-Z2-7]{32}", spelled(SECRET))


@pytest.mark.parametrize("issuer", ["Ostiary", "Acme & Söhne", "A: B:C", "x" * 60, "?secret=AAAA&", "Ünï\u202e"])
def test_the_uri_says_what_apps_read(issuer: str) -> None:
    uri = urlsplit(uri_of(SECRET, "mira-7", issuer))

    asked = parse_qs(uri.query, strict_parsing=True)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert asked == {"secret": [spelled(SECRET)], "issuer": [issuer.replace(":", " ")]}  # all else is the default
    assert unquote(uri.path).split(":") == ["/" + issuer.replace(":", " "), "mira-7"]


def test_the_picture_is_read_by_a_reader_that_is_not_ours() -> None:
    uri = uri_of(SECRET, "mira-7", "Acme & Söhne")
    svg = drawn(uri)

    assert read(svg) == uri
    assert re.fullmatch(
        r'<svg xmlns="http://www\.w3\.org/2000/svg" viewBox="0 0 (\d+) \1"><path fill="#fff" d="[Mhvz0-9 -]+"/>'
        r'<path stroke="#000" d="[Mmh0-9. -]+"/></svg>',
        svg,
    )  # nothing that a policy of pages refuses, and nothing that runs


def read(svg: str) -> str:
    """Return what a picture says: its lines are painted on a grid of eight dots for each module, and scanned."""
    size = int(re.findall(r'viewBox="0 0 (\d+)', svg)[0])
    dots = [[255] * (size * 8) for _ in range(size * 8)]
    x = y = 0.0
    for move, numbers in re.findall(r"([Mmh])([\d. -]+)", svg.rpartition(' d="')[2]):
        told = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if move == "h":
            for row in range(int(y * 8 - 4), int(y * 8 + 4)):
                dots[row][int(x * 8) : int((x + told[0]) * 8)] = [0] * int(told[0] * 8)
            x += told[0]
        else:
            x, y = (told[0], told[1]) if move == "M" else (x + told[0], y + told[1])
    image = memoryview(bytes(dot for row in dots for dot in row)).cast("B", (size * 8, size * 8))
    found = zxingcpp.read_barcode(image)
    assert found is not None
    return found.text
