"""Letters as a mail server gets them: whole, sound, and in the language of their reader."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from tests.house import API, CHEAP_HASHING, bearer, client_of, register
from tests.services.ports import free_port

from ostiary.mail import Letters, as_message, sample
from ostiary.wiring import Ostiary

SENDER = "Die Türhüter <no-reply@id.example.org>"


class PostOffice:
    """A mail server that keeps what it takes, and has no extension that would let eight bits through."""

    def __init__(self) -> None:
        self.taken: list[tuple[str | None, list[str], bytes]] = []

    async def handle_EHLO(  # noqa: N802 - its name there
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [line for line in responses if "8BITMIME" not in line and "SMTPUTF8" not in line]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 OK"


@pytest.fixture
def office() -> Iterator[tuple[PostOffice, int]]:
    kept, port = PostOffice(), free_port()
    controller = Controller(kept, hostname="127.0.0.1", port=port, ready_timeout=30)
    controller.start()
    try:
        yield kept, port
    finally:
        controller.stop()


@pytest.fixture
async def house(office: tuple[PostOffice, int], tmp_path: Path) -> AsyncIterator[Ostiary]:
    mail = {"smtp_host": "127.0.0.1", "smtp_port": office[1], "smtp_security": "none", "sender": SENDER}
    house = Ostiary.at(tmp_path / "data", hashing=CHEAP_HASHING, mail=mail)
    await house.open(work=False)
    yield house
    await house.close()


async def delivered(house: Ostiary, office: PostOffice) -> tuple[bytes, EmailMessage]:
    """Run the queue dry and return the newest letter, as it came and as it is read."""
    await house.outbox.drain()
    sender, to, content = office.taken[-1]
    assert (sender, to) == ("no-reply@id.example.org", ["mira@example.org"])
    read = message_from_bytes(content, policy=default)
    assert isinstance(read, EmailMessage)
    return content, read


async def test_a_letter_arrives_in_german_whole_and_sound(house: Ostiary, office: tuple[PostOffice, int]) -> None:
    async with client_of(house) as outside:
        outside.headers["accept-language"] = "de-CH, en;q=0.3"
        held = await register(outside)
        content, letter = await delivered(house, office[0])

        # RFC 5322: each header once; RFC 2045: seven bits, lines of 998 at most, and no line break but CRLF.
        names = [name.lower() for name in letter.keys()]  # noqa: SIM118 - a name may stand there twice
        assert len(names) == len(set(names))
        assert {"from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version"} < set(names)
        assert max(content) < 128
        assert max(map(len, content.split(b"\r\n"))) <= 998
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
        assert re.fullmatch(r"<[^@<>\s]+@id\.example\.org>", letter["Message-ID"])
        assert abs(parsedate_to_datetime(letter["Date"]) - datetime.now(UTC)) < timedelta(minutes=5)
        assert letter["Auto-Submitted"] == "auto-generated"  # RFC 3834
        assert letter["Content-Language"] == "de"  # RFC 3282
        assert letter["From"].addresses[0].display_name == "Die Türhüter"
        assert letter["To"] == "mira@example.org"
        assert letter["Subject"] == "Bestätigen Sie Ihre Adresse für Ostiary"

        assert letter.get_content_type() == "multipart/alternative"
        text, html = letter.iter_parts()
        assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
        assert "Öffnen Sie dazu diesen Link" in text.get_content()
        assert '<html lang="de"' in html.get_content()
        (token,) = set(re.findall(r"token=([A-Za-z0-9_-]{43})", text.get_content()))
        assert f"/auth/confirm?token={token}" in html.get_content()
        assert (await outside.post(f"{API}/email/verify", json={"token": token})).status_code == 200

        # A stored choice stands over what another browser asks for.
        outside.headers["accept-language"] = "en"
        await outside.post(f"{API}/password-reset/request", json={"email": "mira@example.org"})
        _, letter = await delivered(house, office[0])
        assert letter["Subject"] == "Wählen Sie ein neues Passwort für Ostiary"
        await outside.patch(f"{API}/me", json={"language": "en"}, headers=bearer(held))
        outside.headers["accept-language"] = "de"
        await outside.post(f"{API}/password-reset/request", json={"email": "mira@example.org"})
        _, letter = await delivered(house, office[0])
        assert (letter["Subject"], letter["Content-Language"]) == ("Choose a new password for Ostiary", "en")


@pytest.mark.parametrize("fact", ["x\r\nBcc: eve@example.net\r\n\r\nhi", "x\nBcc: eve@example.net", "x\u2028Bcc: y"])
def test_no_fact_becomes_a_header(fact: str) -> None:
    """CWE-93: a subject may say facts, and they stay on its line."""
    facts = sample("alert") | {"alert": fact, "words": fact}

    message = as_message(Letters("Acme", "https://id.example.org").compose("alert", "a@example.org", **facts), SENDER)
    read = message_from_bytes(bytes(message), policy=default)

    assert read["Bcc"] is None
    assert read["Subject"].startswith("Alert at Acme: x")
    assert read["To"] == "a@example.org"
