"""The telephone number of an account, as a page."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response

from ostiary.accounts import Accounts
from ostiary.core.clock import moment
from ostiary.core.errors import Problem
from ostiary.texts.errors import NoPhone
from ostiary.texts.service import Texts
from ostiary.web.doors import PAGE_PREFIX, PageCaller, StrongPageCaller, page, page_router, see_other, service
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form

router = page_router()

TheTexts = Annotated[Texts, service(Texts)]
TheAccounts = Annotated[Accounts, service(Accounts)]
HERE = f"{PAGE_PREFIX}/phone"


async def _page(
    request: Request, texts: Texts, accounts: Accounts, caller: PageCaller, refusal: Problem | None = None,
    values: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    held = await texts.shown(caller.account_id or "")
    shown = held and {
        "number": held.number,
        "added_at": moment(held.added_at),
        "last_used_at": moment(held.last_used_at) if held.last_used_at is not None else None,
    }
    return page(
        request, "phone.html", refusal=refusal, form=refused(refusal, values or {}) if refusal else Form(),
        account=await accounts.remembered(caller.account_id or ""), phone=shown, pending=await texts.pending(caller),
        are_offered=texts.are_offered,
    )  # fmt: skip


@router.get("/phone")
async def phone_page(request: Request, texts: TheTexts, accounts: TheAccounts, caller: PageCaller) -> Response:
    """Show the number, with a way to add or replace it."""
    return await _page(request, texts, accounts, caller)


@router.post("/phone/begin")
async def begin_phone(request: Request, texts: TheTexts, accounts: TheAccounts, caller: StrongPageCaller) -> Response:
    """Send a code to a number."""
    filled = await fields(request, "number")
    try:
        await texts.begin(caller, filled["number"])
    except Problem as problem:
        return await _page(request, texts, accounts, caller, problem, filled)
    return see_other(HERE)


@router.post("/phone/confirm")
async def confirm_phone(request: Request, texts: TheTexts, accounts: TheAccounts, caller: StrongPageCaller) -> Response:
    """Add the number that the code was sent to."""
    filled = await fields(request, "code")
    try:
        await texts.finish(caller, filled["code"])
    except Problem as problem:
        return await _page(request, texts, accounts, caller, problem)
    return see_other(HERE)


@router.post("/phone/remove")
async def remove_phone(request: Request, texts: TheTexts, accounts: TheAccounts, caller: StrongPageCaller) -> Response:
    """Remove the number."""
    try:
        await texts.remove(caller)
    except NoPhone:  # it is gone, which is what was asked for
        pass
    except Problem as problem:
        return await _page(request, texts, accounts, caller, problem)
    return see_other(HERE)
