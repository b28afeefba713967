"""Tickets: what a page shows to open a WebSocket, where it cannot send a header (R41)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ostiary.sessions.errors import NotSignedIn, RefreshRefused
from ostiary.sessions.guard import Identity

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database
    from ostiary.core.onetime import OneTimeTokens
    from ostiary.sessions.service import Sessions

PURPOSE: Final = "socket.open"
LIFETIME: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class SocketTickets:
    """Secrets that open one socket each, within half a minute; they may stand in a URL, as they are worthless after."""

    database: Database
    onetime: OneTimeTokens
    sessions: Sessions

    async def issue(self, caller: Caller) -> str:
        """Return a ticket for the caller's own session."""
        async with self.database.unit(caller) as unit:
            return await self.onetime.issue(unit, PURPOSE, caller.account_id or "", caller.session_id or "", LIFETIME)

    async def spend(self, caller: Caller, ticket: str) -> Identity:
        """Use a ticket up and return whom it names: of many callers at once, one gets it (D10).

        Raises:
            NotSignedIn: It is unknown, used, too old, or its session has ended.
        """
        async with self.database.unit(caller) as unit:
            spent = await self.onetime.spend(unit, PURPOSE, ticket)
        if spent is None:
            raise NotSignedIn
        try:
            return Identity(*await self.sessions.named(spent.subject))
        except RefreshRefused:
            raise NotSignedIn from None
