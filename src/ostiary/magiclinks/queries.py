"""Named statements on sign-in links."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, delete, insert, select

from ostiary.core.clock import Millis
from ostiary.core.db import Query
from ostiary.magiclinks.models import magic_links


class Asked(msgspec.Struct, frozen=True):
    """A request that a letter went out for.

    Attributes:
        asked: Its id.
        agent: The browser that asked, as it called itself.
        address: Where it asked from, or None where unknown.
    """

    asked: str
    account_id: str
    code_digest: bytes
    asked_at: Millis
    expires_at: Millis
    agent: str
    address: str | None


KEEP = Query(insert(magic_links).values({column.name: bindparam(column.name) for column in magic_links.columns}))

LIVING = Query(
    select(magic_links).where(magic_links.c.asked == bindparam("asked"), magic_links.c.expires_at > bindparam("now")),
    Asked,
)

OF_ACCOUNT = Query(
    select(magic_links)
    .where(magic_links.c.account_id == bindparam("account_id"))
    .order_by(magic_links.c.asked_at.desc(), magic_links.c.asked.desc()),
    Asked,
)

FORGET_OLDER = Query(delete(magic_links).where(magic_links.c.account_id == bindparam("of_account")))

PRUNE = Query(delete(magic_links).where(magic_links.c.expires_at < bindparam("before")))
