"""Ways for a letter to leave: a mail server, a folder, or the development mailbox."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from ostiary.mail.letters import Letter
    from ostiary.mail.settings import MailSettings

KEPT_LETTERS = 500

Encoding = Literal["quoted-printable", "8bit"]


class Post(Protocol):
    """Delivers a letter, or raises; the outbox tries again later."""

    where: str

    async def deliver(self, letter: Letter) -> None:
        """Hand the letter over."""
        ...


def as_message(letter: Letter, sender: str, encoding: Encoding = "quoted-printable") -> EmailMessage:
    """Return a letter as a message with text and HTML (RFC 5322, RFC 2046).

    Args:
        letter: What it says.
        sender: From line.
        encoding: Quoted-printable is seven bits and short lines, which every server on the way passes on as they
            are (RFC 2045 section 6.7); eight bits can be read by people, too.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = letter.to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("> ") or "localhost")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies
    message.set_content(letter.text, cte=encoding)
    message.add_alternative(letter.html, subtype="html", cte=encoding)
    message["Content-Language"] = letter.language  # RFC 3282; last, as setting the content drops what describes it
    return message


class SmtpPost:
    """Delivers to a mail server."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self.where = f"by {settings.smtp_host}"

    async def deliver(self, letter: Letter) -> None:
        """Hand the letter to the server.

        Raises:
            aiosmtplib.SMTPException: It did not take it.
        """
        import aiosmtplib  # noqa: PLC0415 - only who sends mail pays for it

        settings = self._settings
        assert settings.smtp_host is not None
        await aiosmtplib.send(
            as_message(letter, settings.sender), hostname=settings.smtp_host, port=settings.smtp_port,
            username=settings.smtp_username, password=settings.smtp_password,
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            timeout=settings.timeout.total_seconds(),
        )  # fmt: skip


class FolderPost:
    """Lays letters into a folder, one file each, readable by the owner only."""

    def __init__(self, folder: Path, settings: MailSettings) -> None:
        self._folder = folder
        self._sender = settings.sender
        self.where = f"in the folder {folder}"

    async def deliver(self, letter: Letter) -> None:
        """Write the letter as an `.eml` file."""
        await asyncio.to_thread(self._write, bytes(as_message(letter, self._sender, "8bit")))

    def _write(self, message: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        path = self._folder / f"{stamp}-{secrets.token_hex(4)}.eml"
        draft = path.with_suffix(".part")
        draft.touch(mode=0o600)
        draft.write_bytes(message)
        draft.rename(path)


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A letter in the development mailbox."""

    id: str
    to: str
    subject: str
    text: str
    html: str
    sent_at: datetime
    language: str = "en"


class Mailbox:
    """Keeps letters in memory, for development and tests; the last few hundred of them."""

    where = "in the development mailbox"

    def __init__(self, announce: Callable[[KeptLetter], None] | None = None) -> None:
        self.letters: deque[KeptLetter] = deque(maxlen=KEPT_LETTERS)
        self._announce = announce

    async def deliver(self, letter: Letter) -> None:
        """Keep the letter."""
        kept = KeptLetter(
            secrets.token_urlsafe(8), letter.to, letter.subject, letter.text, letter.html, datetime.now(UTC),
            letter.language,
        )  # fmt: skip
        self.letters.appendleft(kept)
        if self._announce is not None:
            self._announce(kept)

    def find(self, letter_id: str) -> KeptLetter | None:
        """Return a letter, or None."""
        return next((letter for letter in self.letters if letter.id == letter_id), None)


def post_for(settings: MailSettings, data: Path) -> Post:
    """Return the way that settings ask for."""
    if settings.smtp_host is not None:
        return SmtpPost(settings)
    return FolderPost(data / "mail", settings)
