"""Changing one's password as a page."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response

from ostiary.accounts import Accounts
from ostiary.core.errors import Problem
from ostiary.passwords.service import Passwords
from ostiary.web.doors import PAGE_PREFIX, StrongPageCaller, page, page_router, see_other, service
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form

router = page_router()


@router.get("/password")
async def password_page(
    request: Request, accounts: Annotated[Accounts, service(Accounts)], caller: StrongPageCaller
) -> Response:
    """Show the form."""
    account = await accounts.remembered(caller.account_id or "")
    return page(request, "password.html", account=account, form=Form())


@router.post("/password")
async def change_password(
    request: Request,
    accounts: Annotated[Accounts, service(Accounts)],
    passwords: Annotated[Passwords, service(Passwords)],
    caller: StrongPageCaller,
) -> Response:
    """Replace the password; other devices are signed out."""
    filled = await fields(request, "current_password", "new_password")
    try:
        await passwords.change(caller, filled["current_password"], filled["new_password"])
    except Problem as problem:
        account = await accounts.remembered(caller.account_id or "")
        form = refused(problem, {})
        return page(request, "password.html", refusal=problem, account=account, form=form)
    return see_other(f"{PAGE_PREFIX}/account?said=password-changed")
