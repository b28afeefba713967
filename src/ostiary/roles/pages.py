"""Roles as pages for keepers, without scripts: looked at, made, changed, granted, taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Path, Query, Request, Response

from ostiary.accounts import Accounts
from ostiary.core.caller import Caller
from ostiary.core.clock import moment
from ostiary.core.errors import Problem
from ostiary.roles.errors import NoSuchRole
from ostiary.roles.service import WRITE, Change, Hand, Roles
from ostiary.web.doors import PAGE_PREFIX, page, page_keeper, page_router, see_other, service
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form
from ostiary.web.rights import HOUSE_PERMISSIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

router = page_router()

TheRoles = Annotated[Roles, service(Roles)]
TheAccounts = Annotated[Accounts, service(Accounts)]
Reader = Annotated[Caller, page_keeper("roles:read")]
RolePath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
HERE = f"{PAGE_PREFIX}/admin/roles"
ROLES, HOLDERS = 100, 50
"""How many stand on a page."""


async def keepers_hand(_: Reader, caller: Annotated[Caller, page_keeper("roles:write")]) -> Hand:
    """Return the hand of a keeper, who may look as well: a refusal shows the page. Pages take no API keys."""
    return Hand(caller)


KeepersHand = Annotated[Hand, Depends(keepers_hand)]


@router.get("/admin/roles")
async def roles_page(
    request: Request, roles: TheRoles, accounts: TheAccounts, caller: Reader,
    after: Annotated[str, Query(pattern=r"^[a-z0-9-]{0,64}$")] = "",
) -> Response:  # fmt: skip
    """List the roles, with a form for a new one."""
    return await _roles(request, roles, accounts, caller, after=after)


@router.post("/admin/roles")
async def make_role(request: Request, roles: TheRoles, accounts: TheAccounts, hand: KeepersHand) -> Response:
    """Make a role, and show it."""
    filled = await fields(request, "role", "description", "permissions")
    try:
        made = await roles.add(hand, filled["role"], filled["description"], _words(filled["permissions"]))
    except Problem as problem:
        return await _roles(request, roles, accounts, hand.caller, refusal=problem, filled=filled)
    return see_other(f"{HERE}/{made.name}")


@router.get("/admin/roles/{role}")
async def role_page(
    request: Request, role: RolePath, roles: TheRoles, accounts: TheAccounts, caller: Reader,
    after: Annotated[str, Query(pattern=r"^[0-9A-Za-z_-]{0,22}$")] = "",
) -> Response:  # fmt: skip
    """Show one role: what it may do, and who holds it."""
    return await _role(request, roles, accounts, caller, role, after=after)


@router.post("/admin/roles/{role}/permit")
async def permit(
    request: Request, role: RolePath, roles: TheRoles, accounts: TheAccounts, hand: KeepersHand
) -> Response:  # fmt: skip
    """Let the holders of a role do more."""
    filled = await fields(request, "permissions")
    change = Change(permit=_words(filled["permissions"]))
    return await _done(request, roles, accounts, hand, role, filled, roles.change(hand, role, change))


@router.post("/admin/roles/{role}/forbid")
async def forbid(
    request: Request, role: RolePath, roles: TheRoles, accounts: TheAccounts, hand: KeepersHand
) -> Response:  # fmt: skip
    """Let the holders of a role do less, at once."""
    filled = await fields(request, "permission")
    change = Change(forbid=_words(filled["permission"]))
    return await _done(request, roles, accounts, hand, role, {}, roles.change(hand, role, change))


@router.post("/admin/roles/{role}/grant")
async def grant(
    request: Request, role: RolePath, roles: TheRoles, accounts: TheAccounts, hand: KeepersHand
) -> Response:  # fmt: skip
    """Give an account the role."""
    filled = await fields(request, "username")

    async def granting() -> None:
        await roles.grant(hand, role, await roles.account_named(filled["username"]))

    return await _done(request, roles, accounts, hand, role, filled, granting())


@router.post("/admin/roles/{role}/revoke")
async def revoke(
    request: Request, role: RolePath, roles: TheRoles, accounts: TheAccounts, hand: KeepersHand
) -> Response:  # fmt: skip
    """Take the role back from an account."""
    filled = await fields(request, "account_id")
    return await _done(request, roles, accounts, hand, role, {}, roles.revoke(hand, role, filled["account_id"]))


@router.post("/admin/roles/{role}/remove")
async def remove(
    request: Request, role: RolePath, roles: TheRoles, accounts: TheAccounts, hand: KeepersHand
) -> Response:  # fmt: skip
    """Delete the role."""
    try:
        await roles.remove(hand, role)
    except NoSuchRole:  # it is gone, which is what was asked for
        return see_other(HERE)
    except Problem as problem:
        return await _role(request, roles, accounts, hand.caller, role, refusal=problem)
    return see_other(HERE)


async def _done(
    request: Request, roles: Roles, accounts: Accounts, hand: Hand, role: str, filled: dict[str, str],
    act: Awaitable[object],
) -> Response:  # fmt: skip
    """Do it, and show the role anew; or show it with what was wrong."""
    try:
        await act
    except NoSuchRole:
        raise
    except Problem as problem:
        return await _role(request, roles, accounts, hand.caller, role, refusal=problem, filled=filled)
    return see_other(f"{HERE}/{role}")


async def _roles(
    request: Request, roles: Roles, accounts: Accounts, caller: Caller, *, after: str = "",
    refusal: Problem | None = None, filled: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    account = await accounts.remembered(caller.account_id or "")
    found = await roles.listed(after, ROLES)
    held = account.permissions if account is not None else ()
    return page(
        request, "roles.html", refusal=refusal, form=refused(refusal, filled or {}) if refusal else Form(),
        account=account, may_write=WRITE in held, known=[(name, HOUSE_PERMISSIONS.get(name)) for name in held],
        roles=[{"name": one.name, "description": one.description, "may": _meant(one.permissions)} for one in found],
        next=found[-1].name if len(found) == ROLES else "",
    )  # fmt: skip


async def _role(
    request: Request, roles: Roles, accounts: Accounts, caller: Caller, name: str, *, after: str = "",
    refusal: Problem | None = None, filled: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    role = await roles.get(name)
    holders = await roles.holders(role.id, after, HOLDERS)
    account = await accounts.remembered(caller.account_id or "")
    return page(
        request, "role.html", refusal=refusal, form=refused(refusal, filled or {}) if refusal else Form(),
        account=account, may_write=account is not None and WRITE in account.permissions,
        role={"name": role.name, "description": role.description, "may": _meant(role.permissions)},
        holders=[
            {"id": one.id, "username": one.username, "is_alive": one.is_alive, "since": moment(one.since)}
            for one in holders
        ],
        next=holders[-1].id if len(holders) == HOLDERS else "",
    )  # fmt: skip


def _meant(permissions: Iterable[str]) -> list[tuple[str, str | None]]:
    """Return permissions with what they open, where it is the house that asks for them."""
    return [(name, HOUSE_PERMISSIONS.get(name)) for name in permissions]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())
