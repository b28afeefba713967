"""Named statements on recovery codes."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, case, delete, func, insert, literal, select, update

from ostiary.codes.models import recovery_codes
from ostiary.core.clock import Millis
from ostiary.core.db import Query
from ostiary.sessions import HeldFactor


class Code(msgspec.Struct, frozen=True):
    """A recovery code as it is stored."""

    digest: bytes
    made_at: Millis
    used_at: Millis | None


class Standing(msgspec.Struct, frozen=True):
    """How many of an account's codes are good.

    Attributes:
        made: How many were made together; none if the account has no codes.
        left: How many of them were not used.
        made_at: When, or None.
    """

    made: int
    left: int
    made_at: Millis | None


ADD = Query(
    insert(recovery_codes).values(
        account_id=bindparam("account_id"), digest=bindparam("digest"), made_at=bindparam("now"), used_at=None
    )
)

OF_ACCOUNT = Query(
    select(recovery_codes.c.digest, recovery_codes.c.made_at, recovery_codes.c.used_at)
    .where(recovery_codes.c.account_id == bindparam("account_id"))
    .order_by(recovery_codes.c.digest),
    Code,
)

STANDING = Query(
    select(
        func.count().label("made"),
        func.count(case((recovery_codes.c.used_at.is_(None), 1))).label("left"),
        func.max(recovery_codes.c.made_at).label("made_at"),
    ).where(recovery_codes.c.account_id == bindparam("account_id")),
    Standing,
)

HELD = Query(
    # They stand in for what is set up, and are made anew without that changing: one mark for all.
    select(
        literal("recovery_code").label("method"),
        literal("recovery_code").label("mark"),
        func.max(recovery_codes.c.made_at).label("since"),
    )
    .where(recovery_codes.c.account_id == bindparam("account_id"), recovery_codes.c.used_at.is_(None))
    .group_by(recovery_codes.c.account_id),
    HeldFactor,
)

SPEND = Query(
    update(recovery_codes)
    .where(
        recovery_codes.c.account_id == bindparam("of_account"),
        recovery_codes.c.digest == bindparam("shown"),
        recovery_codes.c.used_at.is_(None),  # the database picks one winner (D10)
    )
    .values(used_at=bindparam("now"))
)

REMOVE_ALL = Query(delete(recovery_codes).where(recovery_codes.c.account_id == bindparam("of_account")))

REMOVE_YOUNG = Query(
    delete(recovery_codes).where(
        recovery_codes.c.account_id == bindparam("of_account"), recovery_codes.c.made_at >= bindparam("since")
    )
)
