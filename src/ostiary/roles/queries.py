"""Named statements on roles, what they permit, and who holds them."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, func, insert, literal_column, select, union_all, update

from ostiary.accounts.models import account_permissions, account_roles, accounts, role_permissions, roles
from ostiary.accounts.queries import SHOWN, Status
from ostiary.core.clock import Millis
from ostiary.core.db import Query


class Role(msgspec.Struct, frozen=True):
    """A role that is there.

    Attributes:
        granted: Its permissions as the database puts them together: in any order, parted by spaces.
    """

    id: str
    name: str
    description: str
    created_at: Millis
    granted: str

    @property
    def permissions(self) -> tuple[str, ...]:
        """What its holders may do, sorted."""
        return tuple(sorted(self.granted.split()))


class Holder(msgspec.Struct, frozen=True):
    """An account that holds a role, as it is now; `granted` is all that it may do."""

    id: str
    username: str
    status: Status
    epoch: int
    granted: str
    since: Millis

    @property
    def permissions(self) -> tuple[str, ...]:
        """What it may do in all, sorted."""
        return tuple(sorted(self.granted.split()))

    @property
    def is_alive(self) -> bool:
        """Whether anybody may be signed in to it."""
        return self.status != "deactivated"


class Held(msgspec.Struct, frozen=True):
    """A role as its holder sees it."""

    id: str
    name: str
    description: str
    since: Millis


class Permission(msgspec.Struct, frozen=True):
    """A permission that an account was given directly."""

    permission: str


class Count(msgspec.Struct, frozen=True):
    """How many there are."""

    number: int


class Marker(msgspec.Struct, frozen=True):
    """A row that says only: there is one."""

    present: int


_SPACE: Any = literal_column("' '")
_ONE: Any = literal_column("1").label("present")

_ROLE = (
    roles.c.id, roles.c.name, roles.c.description, roles.c.created_at,
    select(func.coalesce(func.aggregate_strings(role_permissions.c.permission, _SPACE), ""))
    .where(role_permissions.c.role_id == roles.c.id)
    .correlate(roles)
    .scalar_subquery()
    .label("granted"),
)  # fmt: skip

BY_NAME = Query(select(*_ROLE).where(roles.c.name == bindparam("name")), Role)

LISTED = Query(
    select(*_ROLE).where(roles.c.name > bindparam("after")).order_by(roles.c.name).limit(bindparam("most")), Role
)

ADD = Query(
    insert(roles).values(
        id=bindparam("role_id"),
        name=bindparam("name"),
        description=bindparam("description"),
        created_at=bindparam("now"),
    )
)

DESCRIBE = Query(
    update(roles).where(roles.c.id == bindparam("role_id")).values(description=bindparam("description"))
)  # fmt: skip

PERMIT = Query(
    lambda insert: (
        insert(role_permissions)
        .values(role_id=bindparam("role_id"), permission=bindparam("permission"))
        .on_conflict_do_nothing()
    )
)

FORBID = Query(
    delete(role_permissions).where(
        role_permissions.c.role_id == bindparam("role_id"), role_permissions.c.permission == bindparam("permission")
    )
)

UNNAME = Query(
    update(roles)
    .where(roles.c.id == bindparam("role_id"), roles.c.name.is_not(None))
    .values(name=None, description="", deleted_at=bindparam("now"))
)
EMPTY = Query(delete(role_permissions).where(role_permissions.c.role_id == bindparam("role_id")))
PRUNE = Query(delete(roles).where(roles.c.deleted_at < bindparam("before")))

GRANT = Query(
    lambda insert: (
        insert(account_roles)
        .values(account_id=bindparam("account_id"), role_id=bindparam("role_id"), since=bindparam("now"))
        .on_conflict_do_nothing()
    )
)

REVOKE = Query(
    delete(account_roles).where(
        account_roles.c.account_id == bindparam("account_id"), account_roles.c.role_id == bindparam("role_id")
    )
)

_shown = {column.name: column for column in SHOWN}

HOLDERS = Query(
    select(
        *(_shown[name] for name in ("id", "username", "status", "epoch", "granted")), account_roles.c.since
    )
    .select_from(account_roles.join(accounts, accounts.c.id == account_roles.c.account_id))
    .where(account_roles.c.role_id == bindparam("role_id"), account_roles.c.account_id > bindparam("after"))
    .order_by(account_roles.c.account_id)
    .limit(bindparam("most")),
    Holder,
)  # fmt: skip

COUNT_HOLDERS = Query(
    select(func.count().label("number")).where(account_roles.c.role_id == bindparam("role_id")), Count
)

OF_ACCOUNT = Query(
    select(roles.c.id, roles.c.name, roles.c.description, account_roles.c.since)
    .join(account_roles, account_roles.c.role_id == roles.c.id)
    .where(account_roles.c.account_id == bindparam("account_id"), roles.c.name.is_not(None))
    .order_by(roles.c.name),
    Held,
)

DIRECT = Query(
    select(account_permissions.c.permission)
    .where(account_permissions.c.account_id == bindparam("account_id"))
    .order_by(account_permissions.c.permission),
    Permission,
)

_living_person = (accounts.c.status != "deactivated", accounts.c.kind == "person")

MAY = Query(
    union_all(
        select(_ONE)
        .select_from(account_permissions.join(accounts, accounts.c.id == account_permissions.c.account_id))
        .where(account_permissions.c.permission == bindparam("permission"), *_living_person),
        select(_ONE)
        .select_from(
            role_permissions.join(account_roles, account_roles.c.role_id == role_permissions.c.role_id).join(
                accounts, accounts.c.id == account_roles.c.account_id
            )
        )
        .where(role_permissions.c.permission == bindparam("permission"), *_living_person),
    ).limit(1),
    Marker,
)
"""Whether any living person may do something, directly or by a role."""

_holders = select(account_roles.c.account_id).where(account_roles.c.role_id == bindparam("role_id"))
_all_of_theirs = (
    select(account_permissions.c.account_id, account_permissions.c.permission)
    .where(account_permissions.c.account_id.in_(_holders))
    .union(
        select(account_roles.c.account_id, role_permissions.c.permission)
        .join(role_permissions, role_permissions.c.role_id == account_roles.c.role_id)
        .where(account_roles.c.account_id.in_(_holders))
    )
    .subquery("theirs")
)

OVERFULL = Query(
    select(_ONE)
    .select_from(_all_of_theirs)
    .group_by(_all_of_theirs.c.account_id)
    .having(func.sum(func.length(_all_of_theirs.c.permission) + literal_column("3")) > bindparam("longest"))
    .limit(1),
    Marker,
)
"""Whether any holder of a role has more permissions than a token can hold."""
