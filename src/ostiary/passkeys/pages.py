"""Passkeys as a page: shown, renamed and removed without scripts; only making one needs the browser's help."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response

from ostiary.accounts import Accounts
from ostiary.core.clock import moment
from ostiary.core.errors import Problem
from ostiary.core.secrets import b64
from ostiary.passkeys.errors import NoSuchPasskey
from ostiary.passkeys.service import Passkeys
from ostiary.web.doors import PAGE_PREFIX, PageCaller, StrongPageCaller, page, page_router, see_other, service
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form

router = page_router()

ThePasskeys = Annotated[Passkeys, service(Passkeys)]
TheAccounts = Annotated[Accounts, service(Accounts)]
HERE = f"{PAGE_PREFIX}/passkeys"


async def _page(
    request: Request, passkeys: Passkeys, accounts: Accounts, account_id: str, refusal: Problem | None = None
) -> Response:
    held = await passkeys.listed(account_id)
    handle = await passkeys.handle(account_id)
    shown = [
        {
            "id": passkey.id,
            "name": passkey.name,
            "backed_up": passkey.backed_up,
            "created_at": moment(passkey.created_at),
            "last_used_at": moment(passkey.last_used_at) if passkey.last_used_at is not None else None,
        }
        for passkey in held
    ]
    return page(
        request, "passkeys.html", refusal=refusal, form=refused(refusal, {}) if refusal else Form(),
        account=await accounts.remembered(account_id), passkeys=shown, rp_id=passkeys.site.rp_id,
        handle=b64(handle) if handle else "", accepted=[b64(passkey.credential_id) for passkey in held],
    )  # fmt: skip


@router.get("/passkeys")
async def passkeys_page(request: Request, passkeys: ThePasskeys, accounts: TheAccounts, caller: PageCaller) -> Response:
    """List the passkeys, with a way to add one."""
    return await _page(request, passkeys, accounts, caller.account_id or "")


@router.post("/passkeys/rename")
async def rename_passkey(
    request: Request, passkeys: ThePasskeys, accounts: TheAccounts, caller: PageCaller
) -> Response:
    """Call a passkey something else."""
    filled = await fields(request, "passkey_id", "name")
    try:
        await passkeys.rename(caller, filled["passkey_id"], filled["name"])
    except NoSuchPasskey:  # removed meanwhile, as the list will show
        pass
    except Problem as problem:
        return await _page(request, passkeys, accounts, caller.account_id or "", problem)
    return see_other(HERE)


@router.post("/passkeys/remove")
async def remove_passkey(
    request: Request, passkeys: ThePasskeys, accounts: TheAccounts, caller: StrongPageCaller
) -> Response:
    """Remove a passkey."""
    filled = await fields(request, "passkey_id")
    try:
        await passkeys.remove(caller, filled["passkey_id"])
    except NoSuchPasskey:  # it is gone, which is what was asked for
        pass
    except Problem as problem:
        return await _page(request, passkeys, accounts, caller.account_id or "", problem)
    return see_other(HERE)
