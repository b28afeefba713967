"""Named statements on accounts and address claims."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from sqlalchemy import bindparam, delete, func, insert, literal_column, or_, select, union, update

from ostiary.accounts.models import (
    account_erasures,
    account_permissions,
    account_roles,
    accounts,
    address_claims,
    resting_names,
    role_permissions,
)
from ostiary.core.clock import Millis
from ostiary.core.db import Insert, Query

Status = Literal["provisional", "active", "deactivated"]
Kind = Literal["person", "machine"]


class Account(msgspec.Struct, frozen=True):
    """An account as the house remembers it.

    Attributes:
        email: The proven address; before one is proven, the claimed one.
        email_proven_at: When it was proven, or None.
        epoch: Raised to end everything that was granted before (D13).
        granted: Its permissions, its own and those of its roles, as the database puts them together: each once, in
            any order, parted by spaces.
        language: In which letters come; None is: as the request asks.
        kind: A person's, or a machine's, which nobody can sign in to.
        held: The ids of its roles, parted by spaces.
    """

    id: str
    username: str
    full_name: str
    email: str
    email_proven_at: Millis | None
    status: Status
    epoch: int
    created_at: Millis
    granted: str = ""
    language: str | None = None
    kind: Kind = "person"
    held: str = ""

    @property
    def permissions(self) -> tuple[str, ...]:
        """What the account may do, sorted."""
        return tuple(sorted(self.granted.split())) if self.granted else ()

    @property
    def email_verified(self) -> bool:
        """Whether the address is proven."""
        return self.email_proven_at is not None

    @property
    def is_machine(self) -> bool:
        """Whether it has neither password nor address, and is known by API keys alone."""
        return self.kind == "machine"

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


class Erasure(msgspec.Struct, frozen=True):
    """What is to happen to an account that is to be erased.

    Attributes:
        id: Of this one asking; the link that cancels it names it.
        was: Status that the account gets back if it is kept.
    """

    account_id: str
    id: str
    asked_at: Millis
    due_at: Millis
    was: Status


class Erased(msgspec.Struct, frozen=True):
    """What is left of an account for the time of one transaction: the forms of its name."""

    username_key: str
    username_skeleton: str
    email_proven_at: Millis | None


class AccountId(msgspec.Struct, frozen=True):
    """An account's id alone."""

    id: str


class Marker(msgspec.Struct, frozen=True):
    """A row that says only: there is one."""

    present: int


class Claimed(msgspec.Struct, frozen=True):
    """A claim with the time at which it was made."""

    id: str
    email: str
    claimed_at: Millis
    lapses_at: Millis


class Lapsing(msgspec.Struct, frozen=True):
    """When an account that was never proven is deleted."""

    lapses_at: Millis | None


_SPACE: Any = literal_column("' '")  # written out: a constant of the statement, and not one more parameter

_may = union(
    select(account_permissions.c.permission)
    .where(account_permissions.c.account_id == accounts.c.id)
    .correlate(accounts),
    select(role_permissions.c.permission)
    .join(account_roles, account_roles.c.role_id == role_permissions.c.role_id)
    .where(account_roles.c.account_id == accounts.c.id)
    .correlate(accounts),
).subquery("may")

_GRANTED = select(func.coalesce(func.aggregate_strings(_may.c.permission, _SPACE), "")).scalar_subquery()

_HELD = (
    select(func.coalesce(func.aggregate_strings(account_roles.c.role_id, _SPACE), ""))
    .where(account_roles.c.account_id == accounts.c.id)
    .correlate(accounts)
    .scalar_subquery()
)

SHOWN = (
    accounts.c.id, accounts.c.username, accounts.c.full_name, accounts.c.email, accounts.c.email_proven_at,
    accounts.c.status, accounts.c.epoch, accounts.c.created_at, _GRANTED.label("granted"), accounts.c.language,
    accounts.c.kind, _HELD.label("held"),
)  # fmt: skip
"""The columns of an `Account`, in order."""

OPEN = Query(insert(accounts).values({column.name: bindparam(column.name) for column in accounts.columns}))

BY_ID = Query(select(*SHOWN).where(accounts.c.id == bindparam("account_id")), Account)

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

BY_PROVEN_ADDRESS = Query(
    select(*SHOWN).where(accounts.c.email_key == bindparam("email_key"), accounts.c.email_proven_at.is_not(None)),
    Account,
)

RENAME = Query(
    update(accounts).where(accounts.c.id == bindparam("account_id")).values(full_name=bindparam("full_name"))
)

CHOOSE_LANGUAGE = Query(
    update(accounts).where(accounts.c.id == bindparam("account_id")).values(language=bindparam("language"))
)

RAISE_EPOCH = Query(update(accounts).where(accounts.c.id == bindparam("account_id")).values(epoch=accounts.c.epoch + 1))

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

PERMIT = Query(
    lambda insert: (
        insert(account_permissions)
        .values(account_id=bindparam("account_id"), permission=bindparam("permission"))
        .on_conflict_do_nothing()
    )
)

FORBID = Query(
    delete(account_permissions).where(
        account_permissions.c.account_id == bindparam("account_id"),
        account_permissions.c.permission == bindparam("permission"),
    )
)

DELETE = Query(delete(accounts).where(accounts.c.id == bindparam("account_id")))

IN_STATUS = Query(
    select(*SHOWN)
    .where(accounts.c.status == bindparam("status"), accounts.c.id > bindparam("after"))
    .order_by(accounts.c.id)
    .limit(bindparam("most")),
    Account,
)

MACHINES = Query(
    select(*SHOWN)
    .where(accounts.c.kind == "machine", accounts.c.id > bindparam("after"))
    .order_by(accounts.c.id)
    .limit(bindparam("most")),
    Account,
)

EVERYBODY = Query(
    select(*SHOWN).where(accounts.c.id > bindparam("after")).order_by(accounts.c.id).limit(bindparam("most")), Account
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

LAPSES_AT = Query(select(accounts.c.lapses_at).where(accounts.c.id == bindparam("account_id")), Lapsing)

CLAIMS_OF = Query(
    select(address_claims.c.id, address_claims.c.email, address_claims.c.claimed_at, address_claims.c.lapses_at).where(
        address_claims.c.account_id == bindparam("account_id")
    ),
    Claimed,
)

# Erasing.

_ERASURE = (
    account_erasures.c.account_id, account_erasures.c.id, account_erasures.c.asked_at, account_erasures.c.due_at,
    account_erasures.c.was,
)  # fmt: skip


def _begin_erasure(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in account_erasures.columns}
    return insert(account_erasures).values(values).on_conflict_do_nothing(index_elements=["account_id"])


BEGIN_ERASURE = Query(_begin_erasure)
"""Of two who ask at one moment, one begins it."""

ERASURE_OF = Query(select(*_ERASURE).where(account_erasures.c.account_id == bindparam("account_id")), Erasure)

END_ERASURE = Query(
    delete(account_erasures).where(account_erasures.c.account_id == bindparam("of_account")).returning(*_ERASURE),
    Erasure,
)

STAY_CLOSED = Query(
    update(account_erasures)
    .where(account_erasures.c.account_id == bindparam("of_account"))
    .values(was="deactivated")
)  # fmt: skip

ERASURES_DUE = Query(
    select(*_ERASURE)
    .where(account_erasures.c.due_at <= bindparam("now"))
    .order_by(account_erasures.c.due_at)
    .limit(bindparam("most")),
    Erasure,
)

ERASE = Query(
    delete(accounts)
    .where(
        accounts.c.id == bindparam("account_id"),
        # Whoever opens the account at the same moment changes this row first, or finds it gone (D10).
        accounts.c.status == "deactivated",
        select(account_erasures.c.account_id)
        .where(account_erasures.c.account_id == accounts.c.id, account_erasures.c.due_at <= bindparam("by"))
        .exists(),
    )
    .returning(accounts.c.username_key, accounts.c.username_skeleton, accounts.c.email_proven_at),
    Erased,
)


def _rest(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    statement = insert(resting_names).values(digest=bindparam("digest"), rests_until=bindparam("rests_until"))
    return statement.on_conflict_do_update(
        index_elements=["digest"], set_={"rests_until": statement.excluded.rests_until}
    )


REST = Query(_rest)

RESTS = Query(
    select(literal_column("1").label("present")).where(
        or_(resting_names.c.digest == bindparam("key"), resting_names.c.digest == bindparam("skeleton")),
        resting_names.c.rests_until > bindparam("now"),
    ),
    Marker,
)

WAKE_NAMES = Query(delete(resting_names).where(resting_names.c.rests_until <= bindparam("now")))
