"""What is kept of a report, and above all what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.csp_reports.samples import LEGACY, MODERN, legacy, modern
from tests.house import ORIGIN

from ostiary.csp_reports import MalformedReport, Report, read
from ostiary.csp_reports.reading import LONGEST_SAMPLE, LONGEST_TEXT
from ostiary.web.strict_json import MalformedJSON

HERE = frozenset({ORIGIN})


def one(raw: bytes, media_type: str = LEGACY) -> Report:
    (report,) = read(media_type, raw, HERE)
    return report


def test_nothing_that_is_personal_is_left_of_a_report() -> None:
    assert one(legacy()) == Report(
        directive="script-src-elem", blocked="https://evil.example", page="/auth/sign-in",
        source=f"{ORIGIN}/auth/static/page.js", disposition="enforce",
        sample="alert('a sample that is much longer than forty characters are')"[:40],
    )  # fmt: skip


def test_both_forms_say_the_same() -> None:
    old = one(legacy(blocked_uri="inline", source_file="", script_sample=""))
    new = one(modern(), MODERN)

    assert old == new
    assert old.group == new.group


def test_every_part_is_read_from_both_forms() -> None:
    told = Report("img-src", "https://evil.example", "/auth/reset", f"{ORIGIN}/x.js", "report", "a sample")
    page, blocked, source = f"{ORIGIN}/auth/reset?token=x", "https://evil.example/y", f"{ORIGIN}/x.js?z"
    old = legacy(
        document_uri=page, effective_directive="img-src", blocked_uri=blocked, source_file=source,
        disposition="report", script_sample="a sample",
    )  # fmt: skip
    new = modern({
        "documentURL": page, "effectiveDirective": "img-src", "blockedURL": blocked, "sourceFile": source,
        "disposition": "report", "sample": "a sample",
    })  # fmt: skip

    assert one(old) == one(new, MODERN) == told


def test_reports_that_differ_in_anything_but_the_sample_are_not_alike() -> None:
    changes: tuple[dict[str, str], ...] = (
        {}, {"effective_directive": "img-src"}, {"blocked_uri": "eval"}, {"document_uri": f"{ORIGIN}/else"},
        {"source_file": ""}, {"disposition": "report"},
    )  # fmt: skip

    assert len({one(legacy(**change)).group for change in changes}) == len(changes)
    assert one(legacy(script_sample="another")).group == one(legacy()).group


@pytest.mark.parametrize(
    ("blocked", "kept"),
    [
        ("inline", "inline"),
        ("eval", "eval"),
        ("trusted-types-sink", "trusted-types-sink"),
        ("self", "self"),
        ("data", "data"),
        ("data:text/html,secret", "data"),
        ("blob:http://localhost:8080/0f0e-secret", "blob"),
        ("moz-extension://0f0e-names-one-browser/script.js", "moz-extension"),
        ("https://EVIL.example:443/secret", "https://evil.example"),
        ("wss://evil.example:8443/secret?x", "wss://evil.example:8443"),
        ("https://[::1", "other"),
        ("https://evil.example:port/", "other"),
        ("not a place; <b>", "other"),
        ("", ""),
    ],
)
def test_of_what_was_blocked_only_the_origin_or_a_word_is_kept(blocked: str, kept: str) -> None:
    assert one(legacy(blocked_uri=blocked)).blocked == kept


@pytest.mark.parametrize(
    "page",
    ["https://evil.example/", "http://localhost:8081/", "about", "", "//localhost:8080/x", "http://localhost:8080@evil.example/"],
)  # fmt: skip
def test_a_report_on_a_page_that_is_not_ours_is_dropped(page: str) -> None:
    assert read(LEGACY, legacy(document_uri=page), HERE) == []


def test_an_older_browser_names_only_the_violated_directive() -> None:
    raw = legacy(effective_directive=None, violated_directive="script-src 'self' https://cdn.example")
    assert one(raw).directive == "script-src"
    assert one(legacy(effective_directive="Script; x")).directive == "other"


def test_what_a_terminal_would_obey_is_taken_out() -> None:
    report = one(legacy(script_sample="\x1b[2Ja\u202eb\nc", source_file="https://evil.example/\x1b[2J"))
    assert report.sample == "[2Jabc"
    assert "\x1b" not in report.source


def test_a_list_may_hold_what_is_not_ours() -> None:
    assert read(MODERN, b"[]", HERE) == []
    assert read(MODERN, modern(kind="deprecation"), HERE) == []
    assert len(read(MODERN, modern({}, {"blockedURL": "eval"}), HERE)) == 2


@pytest.mark.parametrize(
    ("media_type", "raw"),
    [
        (LEGACY, b"[]"), (LEGACY, b"{}"), (LEGACY, b'{"csp-report": []}'), (LEGACY, b"1"), (LEGACY, modern()),
        (MODERN, b"{}"), (MODERN, b"[1]"), (MODERN, legacy()), (MODERN, b"null"),
    ],
)  # fmt: skip
def test_what_has_another_form_is_refused(media_type: str, raw: bytes) -> None:
    with pytest.raises(MalformedReport):
        read(media_type, raw, HERE)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


FIELDS = ("effective-directive", "violated-directive", "blocked-uri", "source-file", "disposition", "script-sample")
SAID = ANYTHING | st.text(max_size=600).map(lambda text: f"https://{text}")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({"document-uri": st.just(f"{ORIGIN}/x")}, optional=dict.fromkeys(FIELDS, SAID)))
def test_whatever_is_sent_is_refused_or_fits_into_a_row(body: dict[str, Any]) -> None:
    try:
        reports = read(LEGACY, json.dumps({"csp-report": body}).encode(), HERE)
    except MalformedJSON:  # half a surrogate pair, or a NUL
        return
    for report in reports:
        assert len(report.sample) <= LONGEST_SAMPLE
        for text in (report.directive, report.blocked, report.page, report.source):
            assert len(text) <= LONGEST_TEXT
            assert not text or text.isprintable()
            assert "?" not in text or not text.startswith("http")
            assert "#" not in text or not text.startswith("http")
