"""Single-use tokens: one table and one conditional write for every purpose (D10)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, bindparam, delete, insert, or_, select, update

from ostiary.core.clock import Millis, iso, iso_or_none, millis
from ostiary.core.db import Query
from ostiary.core.secrets import Macs, new_secret
from ostiary.core.tables import onetime_tokens

if TYPE_CHECKING:
    from ostiary.core.db import Database, Unit

LONGEST_TOKEN = 128
SHORT = 60_000
"""Milliseconds: whatever lives no longer is forgotten soon, and is none of the links that its owner's export names."""


class Spent(msgspec.Struct, frozen=True):
    """What a token was good for."""

    account_id: str
    subject: str


class Living(msgspec.Struct, frozen=True):
    """A token that could still be used: since when, and for what."""

    subject: str
    issued_at: Millis


class Issued(msgspec.Struct, frozen=True):
    """A token as its owner may hear of it: what it is for, and when; never the token."""

    purpose: str
    issued_at: Millis
    expires_at: Millis
    spent_at: Millis | None


ISSUE = Query(
    insert(onetime_tokens).values(
        purpose=bindparam("purpose"), digest=bindparam("digest"), account_id=bindparam("account_id"),
        subject=bindparam("subject"), issued_at=bindparam("now"), expires_at=bindparam("expires_at"), spent_at=None,
    )
)  # fmt: skip
SPEND = Query(
    update(onetime_tokens)
    .where(
        onetime_tokens.c.purpose == bindparam("for_purpose"),
        onetime_tokens.c.digest == bindparam("presented"),
        onetime_tokens.c.spent_at.is_(None),  # the database picks one winner
        onetime_tokens.c.expires_at > bindparam("now"),
    )
    .values(spent_at=bindparam("now"))
    .returning(onetime_tokens.c.account_id, onetime_tokens.c.subject),
    Spent,
)
LOOK = Query(
    select(onetime_tokens.c.account_id, onetime_tokens.c.subject).where(
        onetime_tokens.c.purpose == bindparam("purpose"),
        onetime_tokens.c.digest == bindparam("digest"),
        onetime_tokens.c.spent_at.is_(None),
        onetime_tokens.c.expires_at > bindparam("now"),
    ),
    Spent,
)
REVOKE = Query(
    update(onetime_tokens)
    .where(
        onetime_tokens.c.purpose == bindparam("for_purpose"),
        onetime_tokens.c.account_id == bindparam("for_account"),
        onetime_tokens.c.subject == bindparam("for_subject"),
        onetime_tokens.c.spent_at.is_(None),
    )
    .values(spent_at=bindparam("now"))
)
REVOKE_ALL = Query(
    update(onetime_tokens)
    .where(
        onetime_tokens.c.purpose == bindparam("for_purpose"),
        onetime_tokens.c.account_id == bindparam("for_account"),
        onetime_tokens.c.spent_at.is_(None),
    )
    .values(spent_at=bindparam("now"))
)
LIVING = Query(
    select(onetime_tokens.c.subject, onetime_tokens.c.issued_at).where(
        onetime_tokens.c.purpose == bindparam("purpose"),
        onetime_tokens.c.account_id == bindparam("account_id"),
        onetime_tokens.c.spent_at.is_(None),
        onetime_tokens.c.expires_at > bindparam("now"),
    ),
    Living,
)
OF_ACCOUNT = Query(
    select(onetime_tokens.c.purpose, onetime_tokens.c.issued_at, onetime_tokens.c.expires_at, onetime_tokens.c.spent_at)
    .where(onetime_tokens.c.account_id == bindparam("account_id"))
    .order_by(onetime_tokens.c.issued_at, onetime_tokens.c.digest),
    Issued,
)
PRUNE = Query(
    delete(onetime_tokens).where(
        or_(
            onetime_tokens.c.expires_at < bindparam("before"),
            # What lives for a minute at most is issued by the thousand, and nobody asks for it later.
            and_(
                onetime_tokens.c.expires_at < bindparam("lately"),
                onetime_tokens.c.expires_at - onetime_tokens.c.issued_at <= SHORT,
            ),
        )
    )
)


class OneTimeTokens:
    """Issues secrets that work once, for one purpose, until they expire."""

    def __init__(self, macs: Macs) -> None:
        self._macs = macs

    async def issue(self, unit: Unit, purpose: str, account_id: str, subject: str, lifetime: timedelta) -> str:
        """Return a new secret; only its keyed digest is stored."""
        secret = new_secret()
        await unit.run(
            ISSUE, purpose=purpose, digest=self._macs.digest(f"onetime {purpose}", secret), account_id=account_id,
            subject=subject, now=unit.now, expires_at=unit.now + millis(lifetime),
        )  # fmt: skip
        return secret

    async def spend(self, unit: Unit, purpose: str, presented: str) -> Spent | None:
        """Use a token up and return what it was good for; None for any that is not alive.

        Of a thousand simultaneous callers one gets it.
        """
        for digest in self._digests(purpose, presented):
            spent = await unit.find(SPEND, for_purpose=purpose, presented=digest, now=unit.now)
            if spent is not None:
                return spent
        return None

    async def look(self, unit: Unit, purpose: str, presented: str) -> Spent | None:
        """Return what a token would be good for, without using it: mail scanners follow links."""
        for digest in self._digests(purpose, presented):
            alive = await unit.find(LOOK, purpose=purpose, digest=digest, now=unit.now)
            if alive is not None:
                return alive
        return None

    async def revoke(self, unit: Unit, purpose: str, account_id: str, subject: str) -> int:
        """Use up every living token of this purpose for one subject."""
        return await unit.run(REVOKE, for_purpose=purpose, for_account=account_id, for_subject=subject, now=unit.now)

    async def revoke_all(self, unit: Unit, purpose: str, account_id: str) -> int:
        """Use up every living token of this purpose of an account, whatever its subject."""
        return await unit.run(REVOKE_ALL, for_purpose=purpose, for_account=account_id, now=unit.now)

    async def living(self, unit: Unit, purpose: str, account_id: str) -> list[Living]:
        """Return what an account's usable tokens of this purpose are good for; never the tokens."""
        return await unit.all(LIVING, purpose=purpose, account_id=account_id, now=unit.now)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return which links were sent to an account, and when; for its owner's export."""
        issued = await unit.all(OF_ACCOUNT, account_id=account_id)
        return {
            "links": [
                {
                    "purpose": one.purpose, "issued_at": iso(one.issued_at), "expires_at": iso(one.expires_at),
                    "spent_at": iso_or_none(one.spent_at),
                }
                for one in issued
                if one.expires_at - one.issued_at > SHORT
            ]
        }  # fmt: skip

    async def prune(self, database: Database) -> int:
        """Delete what expired a day ago or more; of what was short-lived, a minute ago."""
        now = database.clock.now()
        return await database.run(PRUNE, before=now - millis(timedelta(days=1)), lately=now - SHORT)

    def _digests(self, purpose: str, presented: str) -> list[bytes]:
        return [] if len(presented) > LONGEST_TOKEN else self._macs.digests(f"onetime {purpose}", presented)
