"""Recovery codes as a page: how many are left, new ones shown once, and saved as a text."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response

from ostiary.accounts import Accounts
from ostiary.codes.service import LOW, NUMBER, RecoveryCodes
from ostiary.codes.writing import canonical, grouped
from ostiary.core.clock import moment
from ostiary.core.errors import Problem
from ostiary.web.doors import PAGE_PREFIX, PageCaller, StrongPageCaller, TheEdge, page, page_router, see_other, service
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form

router = page_router()

TheCodes = Annotated[RecoveryCodes, service(RecoveryCodes)]
TheAccounts = Annotated[Accounts, service(Accounts)]
HERE = f"{PAGE_PREFIX}/recovery-codes"


async def _page(
    request: Request, codes: RecoveryCodes, accounts: Accounts, account_id: str, *, made: tuple[str, ...] = (),
    refusal: Problem | None = None,
) -> Response:  # fmt: skip
    standing = await codes.standing(account_id)
    return page(
        request, "recovery_codes.html", refusal=refusal, form=refused(refusal, {}) if refusal else Form(),
        account=await accounts.remembered(account_id), codes=made, made=standing.made, left=standing.left, low=LOW,
        made_at=None if standing.made_at is None else moment(standing.made_at),
    )  # fmt: skip


@router.get("/recovery-codes")
async def codes_page(request: Request, codes: TheCodes, accounts: TheAccounts, caller: StrongPageCaller) -> Response:
    """Say how many codes are left."""
    return await _page(request, codes, accounts, caller.account_id or "")


@router.post("/recovery-codes")
async def renew(request: Request, codes: TheCodes, accounts: TheAccounts, caller: StrongPageCaller) -> Response:
    """Make new codes, and show them this once."""
    try:
        made = await codes.renew(caller)
    except Problem as problem:
        return await _page(request, codes, accounts, caller.account_id or "", refusal=problem)
    return await _page(request, codes, accounts, caller.account_id or "", made=made)


@router.post("/recovery-codes/text")
async def as_text(request: Request, edge: TheEdge, caller: PageCaller) -> Response:
    """Hand back, as a file, the codes that the page has just shown: the house does not know them any more."""
    told = [canonical(text) for text in (await fields(request, "codes"))["codes"].split()]
    known = [code for code in told if code is not None]
    if not 0 < len(known) == len(told) <= NUMBER:  # nothing but codes ever comes back
        return see_other(HERE)
    heading = f"Recovery codes for {edge.settings.product_name}, {edge.settings.public_url}. Each works once."
    text = "\n".join([heading, "", *(grouped(code) for code in known), ""])
    headers = {"content-disposition": 'attachment; filename="recovery-codes.txt"', "cache-control": "no-store"}
    return Response(text, media_type="text/plain; charset=utf-8", headers=headers)
