"""Letters that tell an account's owner what was done to it (R15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ostiary.accounts import queries
from ostiary.accounts.agents import describe_agent
from ostiary.core.clock import moment

if TYPE_CHECKING:
    from ostiary.core.db import Database
    from ostiary.core.jobs import Outbox
    from ostiary.mail import Letters, Post
    from ostiary.places import Places

JOB = "letter"


class OwnerLetters:
    """Writes to the address that an account had proven; nobody else is told anything."""

    def __init__(self, database: Database, letters: Letters, post: Post, outbox: Outbox, places: Places) -> None:
        self._database = database
        self._letters = letters
        self._post = post
        self._places = places
        outbox.on(JOB, self.send)

    async def send(self, payload: dict[str, Any]) -> None:
        """Send one letter.

        Args:
            payload: `kind`, `account_id`, `when` in milliseconds, what else the
                kind needs; `to` where it goes to an address just replaced.
        """
        context = dict(payload)
        kind, account_id = context.pop("kind"), context.pop("account_id")
        to: str | None = context.pop("to", None)
        account = await self._database.find(queries.BY_ID, account_id=account_id)
        if account is None or (to is None and not account.email_verified):
            return
        context["when"] = moment(context["when"])
        context["place"] = self._places.describe(context.get("address"))
        if "agent" in context:
            context["agent"] = describe_agent(context["agent"])
        await self._post.deliver(self._letters.compose(kind, to or account.email, **context, username=account.username))
