"""Named statements on keys."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, insert, or_, select, update

from ostiary.core.clock import Millis
from ostiary.core.db import Query
from ostiary.keys.models import keys


class StoredKey(msgspec.Struct, frozen=True):
    """A key as stored."""

    id: str
    purpose: str
    algorithm: str
    sealed: bytes
    published_at: Millis
    activates_at: Millis
    retires_at: Millis | None
    expires_at: Millis | None


ALL = Query(select(keys).order_by(keys.c.activates_at, keys.c.id), StoredKey)

ADD = Query(insert(keys).values({column.name: bindparam(column.name) for column in keys.columns}))

RETIRE_OTHERS = Query(
    update(keys)
    .where(
        keys.c.purpose == bindparam("of_purpose"),
        keys.c.id != bindparam("successor"),
        or_(keys.c.retires_at.is_(None), keys.c.retires_at > bindparam("retire_at")),
    )
    .values(retires_at=bindparam("retire_at"), expires_at=bindparam("expire_at"))
)

KILL = Query(
    update(keys)
    .where(keys.c.id == bindparam("key_id"), or_(keys.c.expires_at.is_(None), keys.c.expires_at > bindparam("now")))
    .values(retires_at=bindparam("now"), expires_at=bindparam("now"), sealed=b"")
)

REWRAP = Query(update(keys).where(keys.c.id == bindparam("key_id")).values(sealed=bindparam("sealed_anew")))

WIPE = Query(update(keys).where(keys.c.expires_at <= bindparam("now"), keys.c.sealed != b"").values(sealed=b""))
