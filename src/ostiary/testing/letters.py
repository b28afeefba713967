"""What was sent, with what a person would click or type taken out of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from ostiary.mail import KeptLetter

_LINK = re.compile(r"https?://[^\s<>\"]+")
_CODE = re.compile(r"^([0-9A-Z]{4}-[0-9A-Z]{4})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SentLetter:
    """A letter that the house has sent.

    Attributes:
        to: Whose mailbox it went to.
        links: The addresses in its text, in order.
    """

    to: str
    subject: str
    text: str
    html: str
    language: str
    links: tuple[str, ...]

    @classmethod
    def of(cls, letter: KeptLetter) -> SentLetter:
        """Return a letter of the mailbox with its links."""
        links = tuple(found.rstrip(".,;)") for found in _LINK.findall(letter.text))
        return cls(letter.to, letter.subject, letter.text, letter.html, letter.language, links)

    @property
    def link(self) -> str:
        """The first link.

        Raises:
            LookupError: There is none.
        """
        if not self.links:
            raise LookupError(f"no link in the letter {self.subject!r} to {self.to}")
        return self.links[0]

    @property
    def token(self) -> str:
        """What the first link that carries a `token` carries.

        Raises:
            LookupError: None does.
        """
        for link in self.links:
            if found := parse_qs(urlsplit(link).query).get("token"):
                return found[0]
        raise LookupError(f"no token in the letter {self.subject!r} to {self.to}: {self.links}")

    @property
    def code(self) -> str:
        """The code to type beside a sign-in link, such as `K7QM-2XHD`.

        Raises:
            LookupError: There is none.
        """
        found = _CODE.search(self.text)
        if found is None:
            raise LookupError(f"no code in the letter {self.subject!r} to {self.to}")
        return found[1]
