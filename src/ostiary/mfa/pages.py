"""One page on what protects an account: what is there, what is missing, and one button for each."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response

from ostiary.accounts import Accounts
from ostiary.codes import LOW
from ostiary.mfa.service import Mfa
from ostiary.web.doors import PageCaller, page, page_router, service

router = page_router()


@router.get("/security")
async def security_page(
    request: Request, mfa: Annotated[Mfa, service(Mfa)], accounts: Annotated[Accounts, service(Accounts)],
    caller: PageCaller,
) -> Response:  # fmt: skip
    """Show what protects the account."""
    standing = await mfa.standing(caller.account_id or "")
    return page(
        request, "security.html", account=await accounts.remembered(caller.account_id or ""), standing=standing,
        low=LOW,
    )  # fmt: skip
