"""Named statements on password hashes."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from ostiary.core.clock import Millis
from ostiary.core.db import Query
from ostiary.passwords.models import passwords


class StoredHash(msgspec.Struct, frozen=True):
    """A hash with its algorithm and costs, as one text."""

    hash: str

    def __repr__(self) -> str:
        return "StoredHash(…)"


class Used(msgspec.Struct, frozen=True):
    """When a password was chosen and last used; never its hash."""

    changed_at: Millis
    used_at: Millis | None


USED = Query(
    select(passwords.c.changed_at, passwords.c.used_at).where(passwords.c.account_id == bindparam("account_id")), Used
)

FIND = Query(select(passwords.c.hash).where(passwords.c.account_id == bindparam("account_id")), StoredHash)

SET = Query(
    insert(passwords).values(
        account_id=bindparam("account_id"), hash=bindparam("hash"), changed_at=bindparam("now"), used_at=None
    )
)

CONFIRM = Query(
    update(passwords)
    .where(passwords.c.account_id == bindparam("of_account"), passwords.c.hash == bindparam("was"))
    .values(hash=bindparam("becomes"), used_at=bindparam("now"))
)
"""Holds the row until the commit: a change at the same moment comes wholly before or wholly after."""

HOLD = Query(
    update(passwords)
    .where(passwords.c.account_id == bindparam("of_account"))
    .values(hash=passwords.c.hash)
    .returning(passwords.c.hash),
    StoredHash,
)
"""As `CONFIRM`, whatever the hash is."""

CHANGE = Query(
    update(passwords)
    .where(passwords.c.account_id == bindparam("of_account"), passwords.c.hash == bindparam("was"))
    .values(hash=bindparam("becomes"), changed_at=bindparam("now"))
)

FORGET = Query(delete(passwords).where(passwords.c.account_id == bindparam("account_id")))
