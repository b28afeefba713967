"""The development mailbox: what the house would have sent, as pages and as JSON. Never part of `serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request, Response

from ostiary.mail import Mailbox
from ostiary.web.doors import page, service
from ostiary.web.problems import NotFound

if TYPE_CHECKING:
    from ostiary.mail import KeptLetter

PATH = "/dev/mailbox"
TheMailbox = Annotated[Mailbox, service(Mailbox)]

router = APIRouter(include_in_schema=False)


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
