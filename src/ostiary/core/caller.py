"""Who asks: what is known of a request's sender, as far as it was verified."""

from __future__ import annotations

from dataclasses import dataclass


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
        key_id: The API key that was the credential, or None.
    """

    request_id: str = ""
    address: str | None = None
    agent: str | None = None
    account_id: str | None = None
    session_id: str | None = None
    device_id: str | None = None
    key_id: str | None = None


HOUSE = Caller(request_id="house")
"""The server's own schedule and start-up, when no request caused the work."""

KEEPER = Caller(request_id="keeper")
"""The keeper at the command line."""
