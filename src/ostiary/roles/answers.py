"""The JSON shapes of roles and rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.core.clock import iso
from ostiary.web.answers import Answer, Moment

if TYPE_CHECKING:
    from ostiary.roles.queries import Held, Holder, Role
    from ostiary.roles.service import Rights


class PermissionAnswer(Answer):
    """A permission that the house itself asks for, and what it opens."""

    permission: str
    meaning: str


class PermissionList(Answer):
    """Every permission of the house, by name; an application has more, of its own."""

    permissions: list[PermissionAnswer]


class RoleAnswer(Answer):
    """A role, and what its holders may do."""

    role: str
    description: str
    permissions: list[str]
    created_at: Moment

    @classmethod
    def of(cls, role: Role) -> RoleAnswer:
        """Return a keeper's view of a role."""
        return cls(
            role=role.name, description=role.description, permissions=list(role.permissions),
            created_at=iso(role.created_at),
        )  # fmt: skip


class RoleList(Answer):
    """Roles by name; `next` is for the parameter `after`, null at the end."""

    roles: list[RoleAnswer]
    next: str | None


class HolderAnswer(Answer):
    """An account that holds a role."""

    account_id: str
    username: str
    status: str
    since: Moment

    @classmethod
    def of(cls, holder: Holder) -> HolderAnswer:
        """Return a keeper's view of a holder."""
        return cls(account_id=holder.id, username=holder.username, status=holder.status, since=iso(holder.since))


class HolderList(Answer):
    """Who holds a role; `next` is for the parameter `after`, null at the end."""

    holders: list[HolderAnswer]
    next: str | None


class HeldRoleAnswer(Answer):
    """A role that an account holds."""

    role: str
    since: Moment

    @classmethod
    def of(cls, held: Held) -> HeldRoleAnswer:
        """Return it as its JSON shape."""
        return cls(role=held.name, since=iso(held.since))


class RightsAnswer(Answer):
    """What an account may do: by its roles, by what it was given directly, and in all."""

    account_id: str
    username: str
    roles: list[HeldRoleAnswer]
    direct: list[str]
    permissions: list[str]

    @classmethod
    def of(cls, rights: Rights) -> RightsAnswer:
        """Return a keeper's view of an account's rights."""
        account = rights.account
        return cls(
            account_id=account.id, username=account.username, roles=[HeldRoleAnswer.of(one) for one in rights.roles],
            direct=list(rights.direct), permissions=list(account.permissions),
        )  # fmt: skip
