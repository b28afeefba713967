from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage

import pytest

from ostiary.mail.letters import KINDS, Letters, masked

LINK = "https://id.example.org/auth/confirm?token=s3cret&x=1"
CONTEXT: dict[str, object] = {
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
    "alert": "spraying_seen",
    "alert_id": "AZabc",
    "name": "Blue key",
    "key": "ost_5Qm8",
    "severity": "critical",
    "words": "A few passwords are being tried on many accounts.",
    "advice": "Read the incident guide.",
    "facts": "accounts: 40",
    "paragraphs": ["Somebody could read a copy of our database.", "Your password is safe; please change it anyway."],
}


@pytest.fixture(scope="module")
def letters() -> Letters:
    return Letters("Ostiary", "https://id.example.org/")


@pytest.mark.parametrize("kind", KINDS)
def test_each_letter_says_the_same_in_text_and_html(letters: Letters, kind: str) -> None:
    letter = letters.compose(kind, "mira@example.org", **CONTEXT)

    assert letter.to == "mira@example.org"
    assert "Ostiary" in letter.subject
    links_in_text = set(re.findall(r"https://\S+", letter.text))
    links_in_html = {link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', letter.html)}
    assert links_in_text == links_in_html
    assert all(link.startswith("https://id.example.org") for link in links_in_text)
    shown_otherwise = {"link", "disown_link", "new_address", "when", "until", "hours", "minutes", "paragraphs"}
    for fact in KINDS[kind][1] - shown_otherwise:
        assert str(CONTEXT[fact]) in letter.text
        assert str(CONTEXT[fact]) in letter.html
    assert "{{" not in letter.text + letter.html
    assert "None" not in letter.text + letter.html


@pytest.mark.parametrize("kind", KINDS)
def test_a_letter_missing_a_fact_is_not_written(letters: Letters, kind: str) -> None:
    for needed in KINDS[kind][1]:
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

    assert "Device:  Firefox  Call us at once <b>now</b>\n" in letter.text
    assert "<b>" not in letter.html


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
