"""Who sends a text: a provider's Messages API, or, in development, the terminal and a page."""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

import msgspec

from ostiary.core.outbound import OutboundFailed, OutboundRefused

if TYPE_CHECKING:
    from ostiary.core.outbound import Outbound, Reply
    from ostiary.texts.settings import TextSettings

KEPT_TEXTS = 500
VALIDITY = timedelta(minutes=5)
"""How long a text may wait at the provider: no longer than its code is good."""

ABOUT_THE_NUMBER = frozenset({21211, 21214, 21217, 21408, 21610, 21612, 21614, 21635})
"""Codes by which the API says that the fault is the number's: none, no mobile, not reachable, has opted out. They may
change; one that is not known here is told to the keepers as well, and nothing worse."""

NOT_GOING = frozenset({"failed", "undelivered", "canceled"})


@dataclass(frozen=True, slots=True)
class Text:
    """One message to one number in E.164 form."""

    to: str = field(repr=False)
    body: str = field(repr=False)


class NotSent(Exception):  # noqa: N818 - reads as what it says
    """A text was not taken.

    Attributes:
        reason: In a word for the journal; never what the other side wrote.
        code: The provider's number for it, or None.
        is_about_number: Whether another number would have been taken.
    """

    def __init__(self, reason: str, code: int | None = None, *, is_about_number: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.code, self.is_about_number = reason, code, is_about_number


class Carrier(Protocol):
    """Sends a text once, or raises; nobody sends it again."""

    where: str

    async def send(self, text: Text) -> None:
        """Hand the text over.

        Raises:
            NotSent: It was not taken, or nobody knows whether it was.
        """
        ...


@dataclass(frozen=True, slots=True)
class KeptText:
    """A text that went nowhere."""

    to: str
    body: str


class ConsoleCarrier:
    """Keeps texts in memory, for development and tests; the last few hundred of them."""

    where = "nowhere: they show up here and at /dev/texts"

    def __init__(self, announce: Callable[[KeptText], None] | None = None) -> None:
        self.texts: deque[KeptText] = deque(maxlen=KEPT_TEXTS)
        self._announce = announce

    async def send(self, text: Text) -> None:
        """Keep the text."""
        kept = KeptText(text.to, text.body)
        self.texts.appendleft(kept)
        if self._announce is not None:
            self._announce(kept)


class MessagesApi:
    """Sends by the Messages API of Twilio (2010-04-01), which other providers speak as well."""

    def __init__(self, settings: TextSettings, outbound: Outbound) -> None:
        assert settings.account is not None
        assert settings.secret is not None
        assert settings.sender is not None
        self.where = f"by {settings.api_url}"
        self._url = f"{settings.api_url}/2010-04-01/Accounts/{settings.account}/Messages.json"
        login = f"{settings.key or settings.account}:{settings.secret}"
        self._headers = (
            ("Authorization", f"Basic {b64encode(login.encode()).decode()}"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "application/json"),
        )
        sender = "MessagingServiceSid" if _is_service(settings.sender) else "From"
        self._fixed = {sender: settings.sender, "ValidityPeriod": str(int(VALIDITY.total_seconds()))}
        self._timeout = settings.timeout
        self._outbound = outbound

    async def send(self, text: Text) -> None:
        """Hand the text to the provider.

        Raises:
            NotSent: It did not take it, or did not say so in time.
        """
        form = urlencode({"To": text.to, "Body": text.body} | self._fixed).encode("ascii")
        try:
            reply = await self._outbound.request(
                "POST", self._url, content=form, headers=self._headers, within=self._timeout
            )
        except OutboundFailed:
            raise NotSent("no-answer") from None
        except OutboundRefused:
            raise NotSent("not-a-place-to-go") from None
        _require_taken(reply)

    async def judge(self) -> None:
        """See whether the house would go there, without sending anything.

        Raises:
            OutboundRefused: It would not.
            OutboundFailed: The name cannot be resolved.
        """
        await self._outbound.judge(self._url)


def _require_taken(reply: Reply) -> None:
    told = _told(reply.body)
    code = told.get("code") if isinstance(told.get("code"), int) else None
    if reply.status in (401, 403):
        raise NotSent("credentials", code)
    if reply.status == 429:
        raise NotSent("too-many", code)
    if 400 <= reply.status < 500:
        raise NotSent("refused", code, is_about_number=code in ABOUT_THE_NUMBER)
    if not 200 <= reply.status < 300:
        raise NotSent(f"status-{reply.status}", code)
    if "sid" not in told:  # some other service, or a page of a proxy
        raise NotSent("unreadable")
    if told.get("status") in NOT_GOING or told.get("error_code") is not None:
        fault = told.get("error_code")
        raise NotSent("failed", fault if isinstance(fault, int) else None)


def _told(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}


def _is_service(sender: str) -> bool:
    return len(sender) == 34 and sender.startswith("MG")


def carrier_for(settings: TextSettings, outbound: Outbound, console: ConsoleCarrier | None) -> Carrier | None:
    """Return who sends texts: the provider that settings name, else the console that a developer brought, or nobody."""
    return MessagesApi(settings, outbound) if settings.has_provider else console
