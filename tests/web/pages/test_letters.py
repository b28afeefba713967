from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from typing import Any

import pytest

from ostiary.alerts import KINDS as ALERTS
from ostiary.mail import KINDS, SHIPPED, Letter, Letters, masked
from ostiary.mail.checks import exports

LANGUAGES = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
LINK = "https://id.example.org/auth/confirm?token=s3cret&x=1"
CONTEXT: dict[str, Any] = {
    "username": "mira",
    "link": LINK,
    "hours": 24,
    "minutes": 15,
    "disown_link": "https://id.example.org/auth/not-me?token=s3cret",
    "new_address": "eve.adams@example.net",
    "when": datetime(2026, 11, 22, 8, 13, tzinfo=UTC),
    "until": datetime(2026, 12, 6, 8, 13, tzinfo=UTC),
    "agent": "Firefox on Linux",
    "address": "192.0.2.4",
    "alert": "no_known_one",
    "alert_id": "AZabc",
    "name": "Blue key",
    "provider": "GitHub",
    "key": "ost_5Qm8",
    "factor": "totp",
    "replaces": False,
    "codes": 10,
    "left": 3,
    "code": "K7QM-2XHD",
    "number": "+46 ••• 67",
    "severity": "critical",
    "words": "A few passwords are being tried on many accounts.",
    "advice": "Read the incident guide.",
    "facts": "accounts: 40",
    "paragraphs": ["Somebody could read a copy of our database.", "Your password is safe; please change it anyway."],
}

SHOWN_OTHERWISE = {
    "link", "disown_link", "new_address", "when", "until", "hours", "minutes", "paragraphs", "severity",
    "factor", "replaces",  # in words
}  # fmt: skip


@pytest.fixture(scope="module")
def letters() -> Letters:
    return Letters("Ostiary", "https://id.example.org/")


def links(letter: Letter) -> tuple[set[str], set[str]]:
    """Return where the text leads, and where the HTML does."""
    in_html = {link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', letter.html)}
    return set(re.findall(r"https://[^\s,]+", letter.text)), in_html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_letter_says_the_same_in_text_and_html_and_in_every_language(
    letters: Letters, kind: str, language: str
) -> None:
    for form in ("txt", "html"):
        assert (SHIPPED / language / f"{kind}.{form}").is_file(), f"write {language}/{kind}.{form}"
    letter = letters.compose(kind, "mira@example.org", language=language, **CONTEXT)
    english = letters.compose(kind, "mira@example.org", language="en", **CONTEXT)

    assert (letter.to, letter.language) == ("mira@example.org", language)
    assert "Ostiary" in letter.subject
    in_text, in_html = links(letter)
    assert in_text == in_html == links(english)[0]
    assert all(link.startswith("https://id.example.org") for link in in_text)
    for fact in KINDS[kind] - SHOWN_OTHERWISE:
        assert str(CONTEXT[fact]) in letter.text
        assert str(CONTEXT[fact]) in letter.html
    assert "{{" not in letter.text + letter.html
    assert "None" not in letter.text + letter.html
    assert f'<html lang="{language}" dir="ltr">' in letter.html
    if "when" in KINDS[kind]:
        assert {"en": "22 November 2026, 08:13 UTC", "de": "22. November 2026, 08:13 UTC"}[language] in letter.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_german_letter_is_german_and_polite(letters: Letters, kind: str) -> None:
    letter = letters.compose(kind, "mira@example.org", language="de", **CONTEXT)
    english = letters.compose(kind, "mira@example.org", language="en", **CONTEXT)

    shown = re.sub(r"<style>.*</style>|<[^>]+>", " ", letter.html, flags=re.DOTALL)
    said = f"{letter.subject}\n{letter.text}\n{shown}"
    for fact in ("words", "advice"):
        said = said.replace(str(CONTEXT[fact]), "")
    for paragraph in CONTEXT["paragraphs"]:
        said = said.replace(paragraph, "")
    assert letter.subject != english.subject
    assert not re.findall(r"\b(the|you|your|and|this|with|from|[Dd]u|[Dd]ein\w*|[Dd]ich|[Dd]ir)\b", said)


def test_every_language_has_the_shared_words(letters: Letters) -> None:
    for language in LANGUAGES:
        assert exports(letters.templates, language, "words.txt") >= exports(letters.templates, "en", "words.txt")


def test_every_alert_is_told_in_german(letters: Letters) -> None:
    for kind in ALERTS:
        letter = letters.compose("alert", "mira@example.org", language="de", **CONTEXT | {"alert": kind})
        assert CONTEXT["words"] not in letter.text, f"write {kind} into de/alert_words.txt"
        assert CONTEXT["advice"] not in letter.html


def test_a_language_without_letters_is_answered_in_the_default(letters: Letters) -> None:
    assert letters.compose("address_already_yours", "mira@example.org", language="tlh").language == "en"
    assert letters.compose("address_already_yours", "mira@example.org", language="DE").language == "de"


@pytest.mark.parametrize("kind", KINDS)
def test_a_letter_missing_a_fact_is_not_written(letters: Letters, kind: str) -> None:
    for needed in KINDS[kind]:
        with pytest.raises(ValueError, match=needed):
            letters.compose(kind, "mira@example.org", **{k: v for k, v in CONTEXT.items() if k != needed})


@pytest.mark.parametrize("kind", KINDS)
def test_a_letter_survives_the_mail_format(letters: Letters, kind: str) -> None:
    letter = letters.compose(kind, "mira@example.org", **CONTEXT)
    message = EmailMessage()
    message["To"], message["Subject"] = letter.to, letter.subject
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")

    read = message_from_bytes(message.as_bytes())

    assert read["Subject"] == letter.subject
    assert [part.get_content_type() for part in read.walk()] == ["multipart/alternative", "text/plain", "text/html"]


@pytest.mark.parametrize(
    "to",
    [
        "mira@example.org\nBcc: everybody@example.net",
        "mira@example.org\r\n",
        "mira@example.org\x0b",
        "mira@example.org\u2028Bcc: e@example.net",
        "mira@example.org,eve@example.net",
        "Mira <mira@example.org>",
        "mira",
    ],
)
def test_a_letter_goes_to_one_bare_address_only(letters: Letters, to: str) -> None:
    """CWE-93."""
    with pytest.raises(ValueError, match="one bare address"):
        letters.compose("address_already_yours", to)


def test_a_product_name_cannot_add_a_header() -> None:
    with pytest.raises(ValueError, match="one line"):
        Letters("Ostiary\nBcc: everybody@example.net", "https://id.example.org")


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/auth/confirm?token=s3cret",
        "https://id.example.org.evil.example/?token=s3cret",
        "https://id.example.org@evil.example/?token=s3cret",
        "https://id.example.org/auth\nhttps://evil.example/?token=s3cret",
        "javascript:alert('s3cret')",
        b"https://id.example.org/?token=s3cret",
    ],
)
@pytest.mark.parametrize("name", ["link", "disown_link"])
def test_a_link_leads_home_and_a_refusal_does_not_repeat_its_secret(letters: Letters, link: object, name: str) -> None:
    with pytest.raises(ValueError, match="link") as refused:
        letters.compose("sign_in_refused", "mira@example.org", **CONTEXT | {name: link})
    assert "s3cret" not in str(refused.value)


def test_a_path_becomes_a_link_to_the_public_address(letters: Letters) -> None:
    letter = letters.compose("confirm_address", "mira@example.org", username="mira", link="/auth/c?t=1", hours=1)

    assert "\nhttps://id.example.org/auth/c?t=1\n" in letter.text
    assert "for 1 hour." in letter.text


def test_facts_cannot_fake_a_paragraph_or_markup(letters: Letters) -> None:
    agent = "Firefox\n\nCall us at once\u202e<b>now</b>"

    letter = letters.compose("session_stolen", "mira@example.org", **CONTEXT | {"agent": agent})
    paragraphs = letters.compose("incident_notice", "mira@example.org", username="mira", paragraphs=[agent]).text

    assert "Device:  Firefox  Call us at once <b>now</b>\n" in letter.text
    assert "<b>" not in letter.html
    assert "Firefox  Call us at once <b>now</b>\n" in paragraphs


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_fact_is_markup(letters: Letters, kind: str, language: str) -> None:
    planted: dict[str, Any] = {name: "<i>" for name, value in CONTEXT.items() if isinstance(value, str)}
    planted |= {"link": "/auth/c?<i>", "disown_link": "/auth/d?<i>", "paragraphs": ["<i>"]}

    assert "<i>" not in letters.compose(kind, "mira@example.org", language=language, **CONTEXT | planted).html


def test_the_letter_about_a_known_address_confirms_nothing(letters: Letters) -> None:
    letter = letters.compose("address_already_yours", "mira@example.org", **CONTEXT)

    assert "token" not in letter.text + letter.html
    assert "https://id.example.org/auth/sign-in" in letter.text


def test_the_old_address_learns_only_a_part_of_the_new_one(letters: Letters) -> None:
    letter = letters.compose("address_changed", "mira@example.org", **CONTEXT)

    assert "e•••@example.net" in letter.text
    assert "eve.adams" not in letter.text + letter.html
    assert masked(masked("eve.adams@example.net")) == "e•••@example.net"


def test_an_unknown_kind_or_origin_is_refused(letters: Letters) -> None:
    with pytest.raises(ValueError, match="no letter"):
        letters.compose("../letter", "mira@example.org")
    with pytest.raises(ValueError, match="public_url"):
        Letters("Ostiary", "id.example.org")
