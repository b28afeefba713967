from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.accounts.agents import UNKNOWN, describe_agent

SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4"
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/126.0", "Edge on Windows"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {SAFARI} Safari/605.1.15", "Safari on macOS"),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {SAFARI} Mobile/15E148 Safari/604.1",
            "Safari on iOS",
        ),
        (f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {CHROME} Mobile Safari/537.36", "Chrome on Android"),
        ("python-httpx/0.28.1", "Python HTTPX"),
        ("python-requests/2.32", "Python Requests"),
        ("curl/8.5.0", "curl"),
        ("Go-http-client/2.0", "Go"),
        ("okhttp/4.12.0", "OkHttp"),
        (None, UNKNOWN),
        ("", UNKNOWN),
        ("  ", UNKNOWN),
        ("\ud800\x00", UNKNOWN),
        ("something of my own", UNKNOWN),
    ],
)
def test_an_agent_is_named_in_a_few_words(header: str | None, words: str) -> None:
    assert describe_agent(header) == words


@pytest.mark.parametrize(
    "header",
    [
        "Your bank: call 555-0100/1.0 CFNetwork/1 Darwin/1",
        "evil.example.com/1.0 CFNetwork/978.0.7 Darwin/18.7.0",
        "<b>x</b>/1.0 CFNetwork/1 Darwin/1",
        "http://evil.example.com/ bot/1.0",
    ],
)
def test_the_header_cannot_write_into_a_mail(header: str) -> None:
    assert not re.search(r"bank|evil|<|http", describe_agent(header))


@given(st.text(max_size=2000) | st.text("Mozilla/5.0 (X;Linux) bot CFNetwork/1 <>&.:", max_size=500))
def test_any_header_has_a_short_plain_name(header: str) -> None:
    assert re.fullmatch(r"[\w +-]{1,60}|Node\.js", describe_agent(header))


def test_the_patterns_are_read_only_when_needed() -> None:
    program = (
        "import sys, ostiary.accounts.agents as a; a.describe_agent('curl/8'); assert 'ua_parser' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
