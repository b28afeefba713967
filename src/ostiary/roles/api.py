"""Roles and permissions as JSON, for keepers: looked at with `roles:read`, changed with `roles:write`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import Field

from ostiary.core.caller import Caller
from ostiary.roles.answers import (
    HolderAnswer,
    HolderList,
    PermissionAnswer,
    PermissionList,
    RightsAnswer,
    RoleAnswer,
    RoleList,
)
from ostiary.roles.service import Change, Hand, Roles
from ostiary.web.answers import Done, refusals
from ostiary.web.doors import KEEPER_PREFIX, Strict, api_router, keeper, service, visit_in
from ostiary.web.rights import HOUSE_PERMISSIONS

router = api_router("keeping", KEEPER_PREFIX)

TheRoles = Annotated[Roles, service(Roles)]
Reader = Annotated[Caller, keeper("roles:read")]
RolePath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
AccountIdPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{22}$")]
PermissionPath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9:-]{0,63}$")]
Most = Annotated[int, Query(ge=1, le=500)]
Words = Annotated[list[Annotated[str, Field(max_length=64)]], Field(default_factory=list, max_length=100)]
Description = Annotated[str, Field(max_length=400)]


async def keepers_hand(request: Request, caller: Annotated[Caller, keeper("roles:write")]) -> Hand:
    """Return the hand of a keeper: whoever comes by an API key has no more to give than the key was made for."""
    identity = visit_in(request).identity
    assert identity is not None
    return Hand(caller, identity.scopes)


KeepersHand = Annotated[Hand, Depends(keepers_hand)]


class NewRole(Strict):
    """A role to be: what it is called, a word on it, and what its holders may do."""

    role: str = Field(max_length=64)
    description: Description = ""
    permissions: Words


class RoleChange(Strict):
    """What is to become of a role; what is left out stays."""

    description: Description | None = None
    permit: Words
    forbid: Words


class GrantBody(Strict):
    """Which role the account gets."""

    role: str = Field(max_length=64)


class PermissionBody(Strict):
    """What the account may do."""

    permission: str = Field(max_length=64)


@router.get("/permissions", operation_id="listPermissions", responses=refusals(401))
async def list_permissions(_: Reader) -> PermissionList:
    """List the permissions that the house itself asks for, with what each opens."""
    return PermissionList(
        permissions=[PermissionAnswer(permission=name, meaning=words) for name, words in HOUSE_PERMISSIONS.items()]
    )


@router.get("/roles", operation_id="listRoles", responses=refusals(401, 422))
async def list_roles(
    roles: TheRoles, _: Reader, after: Annotated[str, Query(pattern=r"^[a-z0-9-]{0,64}$")] = "", most: Most = 100
) -> RoleList:
    """List roles by name."""
    found = await roles.listed(after, most)
    return RoleList(
        roles=[RoleAnswer.of(role) for role in found], next=found[-1].name if len(found) == most else None
    )  # fmt: skip


@router.post("/roles", operation_id="makeRole", responses=refusals(401, 409, body=True))
async def make_role(body: NewRole, roles: TheRoles, hand: KeepersHand) -> RoleAnswer:
    """Make a role, of what one may do oneself."""
    return RoleAnswer.of(await roles.add(hand, body.role, body.description, body.permissions))


@router.get("/roles/{role}", operation_id="readRole", responses=refusals(401, 404, 422))
async def read_role(role: RolePath, roles: TheRoles, _: Reader) -> RoleAnswer:
    """Return one role."""
    return RoleAnswer.of(await roles.get(role))


@router.patch("/roles/{role}", operation_id="changeRole", responses=refusals(401, 404, 409, body=True))
async def change_role(role: RolePath, body: RoleChange, roles: TheRoles, hand: KeepersHand) -> RoleAnswer:
    """Change what a role permits, for all its holders at once, and what is said about it."""
    change = Change(body.description, tuple(body.permit), tuple(body.forbid))
    return RoleAnswer.of(await roles.change(hand, role, change))


@router.delete("/roles/{role}", operation_id="removeRole", responses=refusals(401, 404, 409, 422))
async def remove_role(role: RolePath, roles: TheRoles, hand: KeepersHand) -> Done:
    """Delete a role, and with it what it permitted, everywhere at once."""
    return Done(detail=f"The role is deleted; {await roles.remove(hand, role)} accounts held it.")


@router.get("/roles/{role}/holders", operation_id="listHolders", responses=refusals(401, 404, 422))
async def list_holders(
    role: RolePath, roles: TheRoles, _: Reader, after: Annotated[str, Query(pattern=r"^[0-9A-Za-z_-]{0,22}$")] = "",
    most: Most = 100,
) -> HolderList:  # fmt: skip
    """List who holds a role, in the order in which their accounts were opened."""
    found = await roles.holders((await roles.get(role)).id, after, most)
    return HolderList(
        holders=[HolderAnswer.of(holder) for holder in found], next=found[-1].id if len(found) == most else None
    )


@router.get("/rights", operation_id="findRights", responses=refusals(401, 404, 422))
async def find_rights(
    roles: TheRoles, _: Reader, username: Annotated[str, Query(min_length=1, max_length=64)]
) -> RightsAnswer:
    """Return what the account of a name may do, and why."""
    return RightsAnswer.of(await roles.rights(await roles.account_named(username)))


@router.get("/accounts/{account_id}/rights", operation_id="readRights", responses=refusals(401, 404, 422))
async def read_rights(account_id: AccountIdPath, roles: TheRoles, _: Reader) -> RightsAnswer:
    """Return what an account may do, and why."""
    return RightsAnswer.of(await roles.rights(account_id))


@router.post("/accounts/{account_id}/roles", operation_id="grantRole", responses=refusals(401, 404, 409, body=True))
async def grant_role(account_id: AccountIdPath, body: GrantBody, roles: TheRoles, hand: KeepersHand) -> RightsAnswer:
    """Give an account a role, of which one may do everything oneself."""
    await roles.grant(hand, body.role, account_id)
    return RightsAnswer.of(await roles.rights(account_id))


@router.delete(
    "/accounts/{account_id}/roles/{role}", operation_id="revokeRole", responses=refusals(401, 404, 409, 422)
)  # fmt: skip
async def revoke_role(account_id: AccountIdPath, role: RolePath, roles: TheRoles, hand: KeepersHand) -> RightsAnswer:
    """Take a role back from an account, at once and from every session."""
    await roles.revoke(hand, role, account_id)
    return RightsAnswer.of(await roles.rights(account_id))


@router.post(
    "/accounts/{account_id}/permissions", operation_id="permitAccount", responses=refusals(401, 404, 409, body=True)
)
async def permit_account(
    account_id: AccountIdPath, body: PermissionBody, roles: TheRoles, hand: KeepersHand
) -> RightsAnswer:
    """Give an account a permission directly, which one has oneself."""
    await roles.permit(hand, account_id, body.permission)
    return RightsAnswer.of(await roles.rights(account_id))


@router.delete(
    "/accounts/{account_id}/permissions/{permission}", operation_id="forbidAccount",
    responses=refusals(401, 404, 409, 422),
)  # fmt: skip
async def forbid_account(
    account_id: AccountIdPath, permission: PermissionPath, roles: TheRoles, hand: KeepersHand
) -> RightsAnswer:
    """Take back what an account was given directly; what a role permits stays."""
    await roles.forbid(hand, account_id, permission)
    return RightsAnswer.of(await roles.rights(account_id))
