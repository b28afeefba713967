"""The development mailbox: what the house would have sent, as pages and as JSON. Never part of `serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request, Response

from ostiary.mail import Mailbox
from ostiary.texts import ConsoleCarrier
from ostiary.web.doors import page, service
from ostiary.web.problems import NotFound

if TYPE_CHECKING:
    from ostiary.mail import KeptLetter

PATH = "/dev/mailbox"
TEXTS_PATH = "/dev/texts"
TheMailbox = Annotated[Mailbox, service(Mailbox)]

TheConsole = Annotated[ConsoleCarrier, service(ConsoleCarrier)]

router = APIRouter(include_in_schema=False)
texts_router = APIRouter(include_in_schema=False)


@router.get(PATH)
async def letters_page(request: Request, mailbox: TheMailbox) -> Response:
    """List the letters, the newest first."""
    return page(request, "dev/mailbox.html", letters=list(mailbox.letters))


@router.get(f"{PATH}.json")
async def letters_json(mailbox: TheMailbox) -> dict[str, object]:
    """Return the letters, for tests and scripts."""
    return {"letters": [_said(letter) for letter in mailbox.letters]}


@router.get(PATH + "/{letter_id}")
async def letter_page(request: Request, letter_id: str, mailbox: TheMailbox) -> Response:
    """Show one letter."""
    letter = mailbox.find(letter_id)
    if letter is None:
        raise NotFound
    return page(request, "dev/letter.html", letter=letter)


@texts_router.get(TEXTS_PATH)
async def texts_page(request: Request, console: TheConsole) -> Response:
    """List the text messages, the newest first."""
    return page(request, "dev/texts.html", texts=list(console.texts))


@texts_router.get(f"{TEXTS_PATH}.json")
async def texts_json(console: TheConsole) -> dict[str, object]:
    """Return the text messages, for tests and scripts."""
    return {"texts": [{"to": text.to, "body": text.body} for text in console.texts]}


def _said(letter: KeptLetter) -> dict[str, str]:
    return {
        "id": letter.id,
        "to": letter.to,
        "subject": letter.subject,
        "text": letter.text,
        "html": letter.html,
        "language": letter.language,
        "sent_at": letter.sent_at.isoformat(),
    }
