"""Named statements on authenticator apps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, delete, literal, select, update

from ostiary.core.clock import Millis
from ostiary.core.db import Insert, Query
from ostiary.sessions import HeldFactor
from ostiary.totp.models import totp_authenticators, totp_enrolments

if TYPE_CHECKING:
    from sqlalchemy import Table


class Authenticator(msgspec.Struct, frozen=True):
    """An authenticator app that is set up.

    Attributes:
        id: New with each secret.
        sealed: The secret, for this account and this id only.
        last_step: The youngest step that was used; none up to it is accepted.
    """

    account_id: str
    id: str
    sealed: bytes
    last_step: int
    added_at: Millis
    last_used_at: Millis | None


class Pending(msgspec.Struct, frozen=True):
    """An authenticator app that is about to be set up."""

    account_id: str
    id: str
    session_id: str
    account_epoch: int
    sealed: bytes
    begun_at: Millis
    expires_at: Millis


HELD = Query(
    select(
        literal("totp").label("method"), totp_authenticators.c.id.label("mark"),
        totp_authenticators.c.added_at.label("since"),
    ).where(totp_authenticators.c.account_id == bindparam("account_id")),
    HeldFactor,
)  # fmt: skip

OF_ACCOUNT = Query(
    select(totp_authenticators).where(totp_authenticators.c.account_id == bindparam("account_id")), Authenticator
)


def _put(insert: Insert, table: Table) -> Any:  # noqa: ANN401 - a Core statement
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in table.columns}
    statement = insert(table).values(values)
    changed = {name: statement.excluded[name] for name in values if name != "account_id"}
    return statement.on_conflict_do_update(index_elements=["account_id"], set_=changed)


PUT = Query(lambda insert: _put(insert, totp_authenticators))
"""One authenticator an account: a younger one takes the place of the older."""

CONFIRM = Query(
    update(totp_authenticators)
    .where(
        totp_authenticators.c.account_id == bindparam("of_account"),
        totp_authenticators.c.id == bindparam("authenticator_id"),
        totp_authenticators.c.last_step < bindparam("shown"),  # the database picks one winner for each step (D10)
    )
    .values(last_step=bindparam("becomes"), last_used_at=bindparam("now"))
)

REMOVE = Query(delete(totp_authenticators).where(totp_authenticators.c.account_id == bindparam("of_account")))

REMOVE_YOUNG = Query(
    delete(totp_authenticators).where(
        totp_authenticators.c.account_id == bindparam("of_account"),
        totp_authenticators.c.added_at >= bindparam("since"),
    )
)

BEGIN = Query(lambda insert: _put(insert, totp_enrolments))
"""Of two that begin, the later one counts: its picture is the one that is looked at."""

PENDING = Query(
    select(totp_enrolments).where(
        totp_enrolments.c.account_id == bindparam("account_id"),
        totp_enrolments.c.session_id == bindparam("session_id"),
        totp_enrolments.c.expires_at > bindparam("now"),
    ),
    Pending,
)

ENROLMENT_OF = Query(select(totp_enrolments).where(totp_enrolments.c.account_id == bindparam("account_id")), Pending)

TAKE = Query(
    delete(totp_enrolments).where(
        totp_enrolments.c.account_id == bindparam("of_account"),
        totp_enrolments.c.id == bindparam("enrolment_id"),
        totp_enrolments.c.session_id == bindparam("of_session"),
        totp_enrolments.c.account_epoch == bindparam("epoch"),
        totp_enrolments.c.expires_at > bindparam("now"),
    )
)
"""Uses an enrolment up; of two that do, the database lets one (D10)."""

DROP = Query(delete(totp_enrolments).where(totp_enrolments.c.account_id == bindparam("of_account")))

PRUNE = Query(delete(totp_enrolments).where(totp_enrolments.c.expires_at <= bindparam("before")))
