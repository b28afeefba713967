"""What somebody shows who signs in by a letter, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ostiary.accounts import Account
    from ostiary.core.clock import Millis
    from ostiary.magiclinks.queries import Asked


@dataclass(frozen=True, slots=True)
class Browser:
    """The browser that asked, by its cookie.

    Attributes:
        asked: The id of its request.
        following: The path of our own that its visitor was heading for, or empty.
    """

    asked: str
    following: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """The secret in a link.

    Attributes:
        elsewhere: Whether the person was shown what it signs in, and wants that in a browser that did not ask.
    """

    token: str = field(repr=False)
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Typed:
    """A code as somebody typed it."""

    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a link would do, before it does.

    Attributes:
        account: Whom it signs in.
        asked: When it was asked for, and by which browser.
        subject: What the link is bound to.
        is_same_browser: Whether that is the one which looks now.
    """

    account: Account
    asked: Asked
    subject: str
    is_same_browser: bool

    @property
    def masked_name(self) -> str:
        """The account's name as its owner knows it again, and nobody else learns it."""
        return f"{self.account.username[:2]}•••"


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence that somebody reads an account's mailbox, to be confirmed in the unit that acts on it (D13).

    Attributes:
        asked: The id of the request.
        subject: What the link is bound to: this request, password, address and epoch.
        expires_at: From then on it proves nothing.
        token: The link's secret, or None where the code was typed.
        methods: `mail` alone: it proves the mailbox, and is never a second factor (R20).
    """

    account_id: str
    asked: str
    subject: str
    expires_at: Millis
    token: str | None = field(repr=False)
    methods: tuple[str, ...] = ("mail",)
