"""The development mailbox: what the house would have sent, as pages and as JSON. Never part of `serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from ostiary.web.doors import page
from ostiary.web.problems import NotFound

if TYPE_CHECKING:
    from ostiary.mail import KeptLetter, Mailbox

PATH = "/dev/mailbox"


def add_mailbox(app: FastAPI, mailbox: Mailbox) -> None:
    """Add the mailbox's pages and its JSON."""

    @app.get(PATH, include_in_schema=False)
    async def letters_page(request: Request) -> Response:
        return page(request, "dev/mailbox.html", letters=list(mailbox.letters))

    @app.get(f"{PATH}.json", include_in_schema=False)
    async def letters_json() -> dict[str, object]:
        return {"letters": [_said(letter) for letter in mailbox.letters]}

    @app.get(PATH + "/{letter_id}", include_in_schema=False)
    async def letter_page(request: Request, letter_id: str) -> Response:
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
        "sent_at": letter.sent_at.isoformat(),
    }
