"""Named statements on accounts and address claims."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from sqlalchemy import bindparam, delete, insert, literal_column, or_, select, update

from ostiary.accounts.models import accounts, address_claims
from ostiary.core.clock import Millis
from ostiary.core.db import Insert, Query

Status = Literal["provisional", "active", "deactivated"]


class Account(msgspec.Struct, frozen=True):
    """A person's account as the house remembers it.

    Attributes:
        email: The proven address; before one is proven, the claimed one.
        email_proven_at: When it was proven, or None.
        epoch: Raised to end everything that was granted before (D13).
    """

    id: str
    username: str
    full_name: str
    email: str
    email_proven_at: Millis | None
    status: Status
    epoch: int
    created_at: Millis

    @property
    def email_verified(self) -> bool:
        """Whether the address is proven."""
        return self.email_proven_at is not None

    @property
    def is_alive(self) -> bool:
        """Whether anybody may be signed in to it."""
        return self.status != "deactivated"


class Claim(msgspec.Struct, frozen=True):
    """An address that somebody says is theirs."""

    id: str
    account_id: str
    email: str
    email_key: str
    lapses_at: Millis


class AccountId(msgspec.Struct, frozen=True):
    """An account's id alone."""

    id: str


class Marker(msgspec.Struct, frozen=True):
    """A row that says only: there is one."""

    present: int


_SHOWN = (
    accounts.c.id, accounts.c.username, accounts.c.full_name, accounts.c.email, accounts.c.email_proven_at,
    accounts.c.status, accounts.c.epoch, accounts.c.created_at,
)  # fmt: skip

OPEN = Query(insert(accounts).values({column.name: bindparam(column.name) for column in accounts.columns}))

BY_ID = Query(select(*_SHOWN).where(accounts.c.id == bindparam("account_id")), Account)

BY_LOGIN = Query(
    select(accounts.c.id)
    .where(
        or_(
            accounts.c.username_key == bindparam("name"),
            # A name holds no "@", an address does: one login opens one account.
            (accounts.c.email_key == bindparam("address")) & accounts.c.email_proven_at.is_not(None),
        )
    )
    .limit(1),
    AccountId,
)

NAME_TAKEN = Query(
    select(accounts.c.id)
    .where(or_(accounts.c.username_key == bindparam("key"), accounts.c.username_skeleton == bindparam("skeleton")))
    .limit(1),
    AccountId,
)

IS_PROVEN = Query(
    select(literal_column("1").label("present")).where(
        accounts.c.email_key == bindparam("email_key"), accounts.c.email_proven_at.is_not(None)
    ),
    Marker,
)

RENAME = Query(
    update(accounts).where(accounts.c.id == bindparam("account_id")).values(full_name=bindparam("full_name"))
)

RAISE_EPOCH = Query(
    update(accounts)
    .where(accounts.c.id == bindparam("account_id"))
    .values(epoch=accounts.c.epoch + 1)
    .returning(*_SHOWN),
    Account,
)

SET_STATUS = Query(
    update(accounts)
    .where(accounts.c.id == bindparam("account_id"), accounts.c.status == bindparam("was"))
    .values(status=bindparam("becomes"), epoch=accounts.c.epoch + 1)
)

SET_PROVEN = Query(
    update(accounts)
    .where(accounts.c.id == bindparam("account_id"), accounts.c.status != "deactivated")
    .values(
        email=bindparam("email"), email_key=bindparam("email_key"), email_proven_at=bindparam("now"),
        status="active", lapses_at=None,
    )
)  # fmt: skip

LAPSE_ACCOUNTS = Query(
    delete(accounts)
    .where(accounts.c.lapses_at <= bindparam("now"), accounts.c.email_proven_at.is_(None))
    .returning(accounts.c.id),
    AccountId,
)

DELETE = Query(delete(accounts).where(accounts.c.id == bindparam("account_id")))

EVERYBODY = Query(
    select(*_SHOWN).where(accounts.c.id > bindparam("after")).order_by(accounts.c.id).limit(bindparam("most")), Account
)


def _claim(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in address_claims.columns}
    statement = insert(address_claims).values(values)
    changed = {name: statement.excluded[name] for name in values if name != "account_id"}
    return statement.on_conflict_do_update(index_elements=["account_id"], set_=changed)


CLAIM = Query(_claim)
"""One claim an account: a younger one takes the place of the older."""

_CLAIM = (
    address_claims.c.id, address_claims.c.account_id, address_claims.c.email, address_claims.c.email_key,
    address_claims.c.lapses_at,
)  # fmt: skip

CLAIM_BY_ID = Query(select(*_CLAIM).where(address_claims.c.id == bindparam("claim_id")), Claim)

CLAIM_OF = Query(select(*_CLAIM).where(address_claims.c.account_id == bindparam("account_id")), Claim)

SETTLE_CLAIM = Query(
    delete(address_claims)
    .where(address_claims.c.id == bindparam("claim_id"), address_claims.c.lapses_at > bindparam("now"))
    .returning(*_CLAIM),
    Claim,
)

DROP_CLAIMS = Query(delete(address_claims).where(address_claims.c.account_id == bindparam("account_id")))

LAPSE_CLAIMS = Query(delete(address_claims).where(address_claims.c.lapses_at <= bindparam("now")))
