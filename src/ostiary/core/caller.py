"""Who asks: what is known of a request's sender, as far as it was verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of one request, or the process itself when nobody asked.

    Attributes:
        request_id: Names the request in answers, logs and the journal.
        address: Client address in canonical text, or None where unknown (D6).
        agent: The User-Agent header as sent, bounded in length, or None.
        account_id: Set only from a verified credential, never from the request (D13).
        session_id: The session that the credential hangs on, or None.
        device_id: From a verified device cookie, or None.
        language: The one that the request asks for, of those that letters are written in, or None.
        replaces: A session that the cookies of somebody signing in genuinely name, whoever's: a new one ends it.
        key_id: The API key that was the credential, or None.
    """

    request_id: str = ""
    address: str | None = None
    agent: str | None = None
    account_id: str | None = None
    session_id: str | None = None
    device_id: str | None = None
    language: str | None = None
    replaces: str | None = None
    key_id: str | None = None


HOUSE = Caller(request_id="house")
"""The server's own schedule and start-up, when no request caused the work."""

KEEPER = Caller(request_id="keeper")
"""The keeper at the command line."""

_ACTING: ContextVar[Caller] = ContextVar("acting", default=HOUSE)


def house_now() -> Caller:
    """Return the caller of what the house does by itself: in a job, with the language of the request that caused it."""
    return _ACTING.get()


@contextmanager
def speaking(language: str | None) -> Iterator[None]:
    """Let the house act in the language of whoever caused a job; what that job queues inherits it."""
    token = _ACTING.set(replace(HOUSE, language=language))
    try:
        yield
    finally:
        _ACTING.reset(token)
