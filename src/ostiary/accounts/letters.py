"""Letters that tell an account's owner what was done to it, with a way to answer (R11, R15)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ostiary.accounts import queries
from ostiary.accounts.addresses import find_address_key
from ostiary.accounts.agents import agent_parts
from ostiary.core.clock import millis, moment
from ostiary.core.jobs import PATIENT_ATTEMPTS
from ostiary.core.secrets import b64, new_id, plain_digest

if TYPE_CHECKING:
    from ostiary.accounts.queries import Account
    from ostiary.core.db import Database, Unit
    from ostiary.core.jobs import Outbox
    from ostiary.core.onetime import OneTimeTokens
    from ostiary.mail import Letters, Post
    from ostiary.places import Places

JOB = "letter"

DISOWN, DISOWN_LIFETIME = "account.disown", timedelta(days=7)
UNLOCK, UNLOCK_LIFETIME = "account.unlock", timedelta(hours=1)
"""The purposes of the links in these letters, and how long they work. The slice `recovery` takes them back."""

KEEP = "account.keep"
"""The purpose of the link that cancels an erasure, for as long as that waits. The slice `privacy` takes it back."""

LOCKED, REFUSED = "account_locked", "sign_in_refused"
ERASING = "account_erasing"
STRANGERS_CAUSE = frozenset({LOCKED, REFUSED})
"""Kinds that anybody can cause who knows a name: they pass the limit for mailboxes, and lead to `/auth/unlock`."""

UNASKED = STRANGERS_CAUSE | {"new_sign_in", "session_stolen", "passkey_copied"}
"""Warnings: whoever caused one may not be the owner, and must not choose the language in which the owner reads it."""

NOWHERE = "unknown"
"""An address that is not known (D6), as jobs write it."""

Admit = Callable[[str], Awaitable[bool]]


def mailbox_mark(email: str) -> str:
    """Return what names a mailbox in a token's subject: whoever shows the token has read letters to it."""
    return b64(plain_digest(find_address_key(email) or email))


def tell_of_lock(unit: Unit, account_id: str) -> None:
    """Write to the owner that wrong passwords have locked the account to strangers; one letter a lock."""
    unit.later(JOB, kind=LOCKED, account_id=account_id, when=unit.now)


def tell_of_refusal(unit: Unit, account_id: str) -> None:
    """Write to the owner that the right password was refused to an unknown browser."""
    unit.later(
        JOB, kind=REFUSED, account_id=account_id, when=unit.now, agent=unit.caller.agent or "",
        address=unit.caller.address or "unknown",
    )  # fmt: skip


class OwnerLetters:
    """Writes to the address that an account had proven; nobody else is told anything.

    Single-use secrets are made right before the letter, on no request's time.

    Args:
        admit: Says whether a letter that a stranger caused may go to a mailbox, by its key.
    """

    def __init__(
        self, database: Database, letters: Letters, post: Post, outbox: Outbox, places: Places,
        tokens: OneTimeTokens, admit: Admit,
    ) -> None:  # fmt: skip
        self._database = database
        self._letters = letters
        self._post = post
        self._places = places
        self._tokens = tokens
        self._admit = admit
        outbox.on(JOB, self.send, attempts=PATIENT_ATTEMPTS)

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
        admitted: str | None = context.pop("admitted", None)
        if kind in STRANGERS_CAUSE and (admitted is None or not account.is_alive):
            if account.is_alive:  # a closed account has no door to be let in by
                await self._weigh(account, payload)
            return
        links = await self._links(account, kind, admitted, to or account.email)
        if links is None:
            return
        language = self._letters.language_of(account.language, is_asked=kind not in UNASKED)
        context |= self._said(context, language) | links | {"username": account.username}
        await self._post.deliver(self._letters.compose(kind, to or account.email, language=language, **context))

    def _said(self, context: dict[str, Any], language: str) -> dict[str, Any]:
        """Return the facts of a job as its reader understands them."""
        said: dict[str, Any] = {name: moment(context[name]) for name in ("when", "until") if name in context}
        said["place"] = self._places.describe(context.get("address"), language)
        if "agent" in context:
            said["agent"] = self._letters.say(language, "device", *agent_parts(context["agent"]))
        if context.get("address") == NOWHERE:
            said["address"] = self._letters.say(language, "unknown_address")
        return said

    async def _weigh(self, account: Account, payload: dict[str, Any]) -> None:
        """Let a letter that strangers can cause go on its way, unless there are too many.

        A job of its own: a mail server that is away for a while must not use up the mailbox's limit.
        """
        async with self._database.unit() as unit:
            if await self._is_told(unit, account.id, payload["kind"]):
                return
        if await self._admit(find_address_key(account.email) or account.email):
            async with self._database.unit() as unit:
                unit.later(JOB, **payload, admitted=new_id(unit.now))

    async def _links(self, account: Account, kind: str, admitted: str | None, to: str) -> dict[str, str] | None:
        """Return the links of a letter by name; None if its cause is over, or told of already."""
        found: dict[str, str] = {}
        async with self._database.unit() as unit:
            if kind in STRANGERS_CAUSE:
                await unit.lock(f"{UNLOCK} {account.id}")  # of two letters about one lock the second sees the first
                if await self._is_told(unit, account.id, kind, admitted):
                    return None
                # Whatever ends everything else, by raising the epoch, ends this link too (D13).
                subject = f"{account.epoch} {kind} {admitted}"
                token = await self._tokens.issue(unit, UNLOCK, account.id, subject, UNLOCK_LIFETIME)
                found["link"] = f"/auth/unlock?token={token}"
            if kind == ERASING:
                erasure = await unit.find(queries.ERASURE_OF, account_id=account.id)
                if erasure is None or erasure.due_at <= unit.now:  # kept, before the letter left
                    return None
                lifetime = timedelta(milliseconds=erasure.due_at - unit.now)
                token = await self._tokens.issue(unit, KEEP, account.id, erasure.id, lifetime)
                found["link"] = f"/auth/keep?token={token}"
            if kind != LOCKED:  # where nobody came in, there is nothing to disown
                token = await self._tokens.issue(unit, DISOWN, account.id, mailbox_mark(to), DISOWN_LIFETIME)
                found["disown_link"] = f"/auth/not-me?token={token}"
        return found

    async def _is_told(self, unit: Unit, account_id: str, kind: str, admitted: str | None = None) -> bool:
        """Return whether the owner holds a fresh letter about a lock, other than this very one sent once more."""
        if kind != LOCKED:
            return False
        since = unit.now - millis(UNLOCK_LIFETIME) // 2
        others = await self._tokens.living(unit, UNLOCK, account_id)
        return any(
            f" {LOCKED} " in other.subject and not other.subject.endswith(f" {admitted}") and other.issued_at > since
            for other in others
        )
