"""Named statements on API keys."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from ostiary.apikeys.models import api_keys
from ostiary.core.clock import Millis
from ostiary.core.db import Query


class ApiKey(msgspec.Struct, frozen=True):
    """A key as stored.

    Attributes:
        account_epoch: Of the account when the key was made.
        prefix: What its text begins with.
        scopes: What it was made for, parted by spaces.
        networks: Where alone it may be shown from, parted by spaces; empty is anywhere.
        generation: How often it has got a secret.
        digest: What is stored of the secret (`digests.py`).
        previous_digest: The same of the secret before, which is good until `previous_ends_at`.
    """

    id: str
    account_id: str
    account_epoch: int
    name: str
    prefix: str
    scopes: str
    networks: str
    generation: int
    digest: str
    previous_digest: str | None
    previous_ends_at: Millis | None
    created_at: Millis
    rotated_at: Millis | None
    expires_at: Millis | None
    revoked_at: Millis | None
    last_used_at: Millis | None

    def __repr__(self) -> str:
        return f"ApiKey({self.id})"  # digests stay out of logs and tracebacks

    @property
    def hint(self) -> str:
        """How owners and keepers are told of it."""
        return f"{self.prefix}_{self.id}"

    def is_over(self, now: Millis) -> bool:
        """Return whether its time has run out."""
        return self.expires_at is not None and self.expires_at <= now


class Owned(msgspec.Struct, frozen=True):
    """A key that was just revoked, and whose it was."""

    id: str
    account_id: str
    name: str
    prefix: str

    @property
    def hint(self) -> str:
        """How owners and keepers are told of it."""
        return f"{self.prefix}_{self.id}"


class LastId(msgspec.Struct, frozen=True):
    """The last id of a batch, or None."""

    id: str | None


class Number(msgspec.Struct, frozen=True):
    """How many there are."""

    number: int


ADD = Query(insert(api_keys).values({column.name: bindparam(column.name) for column in api_keys.columns}))

BY_ID = Query(select(api_keys).where(api_keys.c.id == bindparam("key_id")), ApiKey)

_LIVING = (
    api_keys.c.account_id == bindparam("account_id"),
    api_keys.c.account_epoch == bindparam("epoch"),
    api_keys.c.revoked_at.is_(None),
)

LIVING = Query(select(api_keys).where(*_LIVING).order_by(api_keys.c.created_at, api_keys.c.id), ApiKey)

COUNT = Query(select(func.count().label("number")).select_from(api_keys).where(*_LIVING), Number)

OF_ACCOUNT = Query(
    select(api_keys)
    .where(api_keys.c.account_id == bindparam("account_id"))
    .order_by(api_keys.c.created_at, api_keys.c.id),
    ApiKey,
)

ROTATE = Query(
    update(api_keys)
    .where(
        api_keys.c.id == bindparam("key_id"),
        api_keys.c.account_id == bindparam("of_account"),
        api_keys.c.account_epoch == bindparam("epoch"),
        api_keys.c.generation == bindparam("seen"),  # the database picks one winner (D10)
        api_keys.c.revoked_at.is_(None),
        or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > bindparam("now")),
    )
    .values(
        generation=api_keys.c.generation + 1, digest=bindparam("becomes"), prefix=bindparam("begins"),
        previous_digest=api_keys.c.digest, previous_ends_at=bindparam("overlap_ends_at"), rotated_at=bindparam("now"),
    )
    .returning(*api_keys.columns),
    ApiKey,
)  # fmt: skip

RENEW = Query(
    update(api_keys)
    .where(api_keys.c.id == bindparam("key_id"), api_keys.c.digest == bindparam("was"))
    .values(digest=bindparam("becomes"))
)

_OWNED = (api_keys.c.id, api_keys.c.account_id, api_keys.c.name, api_keys.c.prefix)

REVOKE = Query(
    update(api_keys)
    .where(
        api_keys.c.id == bindparam("key_id"),
        api_keys.c.account_id == bindparam("of_account"),
        api_keys.c.revoked_at.is_(None),
    )
    .values(revoked_at=bindparam("now"))
    .returning(*_OWNED),
    Owned,
)

REVOKE_ALL = Query(
    update(api_keys)
    .where(api_keys.c.account_id == bindparam("of_account"), api_keys.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
    .returning(*_OWNED),
    Owned,
)

_BATCH = (
    select(api_keys.c.id)
    .where(api_keys.c.id > bindparam("after"), api_keys.c.created_at <= bindparam("until"))
    .order_by(api_keys.c.id)
    .limit(bindparam("most"))
    .subquery("batch")
)
BATCH_END = Query(select(func.max(_BATCH.c.id).label("id")), LastId)
REVOKE_BATCH = Query(
    update(api_keys)
    .where(
        api_keys.c.id > bindparam("after"),
        api_keys.c.id <= bindparam("last"),
        api_keys.c.created_at <= bindparam("until"),
        api_keys.c.revoked_at.is_(None),
    )
    .values(revoked_at=bindparam("now"))
    .returning(*_OWNED),
    Owned,
)

USED = Query(
    update(api_keys)
    .where(
        api_keys.c.id == bindparam("key_id"),
        # At most once a minute, however many processes tell of it.
        or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= bindparam("not_since")),
    )
    .values(last_used_at=bindparam("used_at"))
)

DROP_DEAD = Query(
    delete(api_keys).where(
        api_keys.c.account_id == bindparam("of_account"), api_keys.c.account_epoch < bindparam("epoch")
    )
)

PRUNE = Query(
    delete(api_keys).where(
        or_(api_keys.c.revoked_at < bindparam("before"), api_keys.c.expires_at < bindparam("before"))
    )
)
