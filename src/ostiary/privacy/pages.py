"""One's own data and its erasure, as pages.

Loading the page that the letter leads to uses nothing up: mail scanners follow
links, people press buttons.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response

from ostiary.accounts import Account, Accounts, TokenSpent
from ostiary.core.clock import moment
from ostiary.core.errors import Problem
from ostiary.privacy.service import EXPORT_NAME, Kept, Privacy
from ostiary.sessions import CookieHandover
from ostiary.web.doors import AnyCaller, StrongPageCaller, TheVisit, as_file, page, page_router, service
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form

router = page_router()

ThePrivacy = Annotated[Privacy, service(Privacy)]
TheAccounts = Annotated[Accounts, service(Accounts)]

NO_TOKEN_IN_REFERER = "strict-origin"  # noqa: S105
"""As on the pages of recovery: with `no-referrer` a browser would send the form with `Origin: null`."""


@router.post("/account/export")
async def export(privacy: ThePrivacy, caller: StrongPageCaller) -> Response:
    """Hand out everything that is stored about the caller, as a file."""
    return as_file(await privacy.export(caller, caller.account_id or ""), EXPORT_NAME)


@router.get("/account/erase")
async def erase_page(
    request: Request, privacy: ThePrivacy, accounts: TheAccounts, caller: StrongPageCaller
) -> Response:
    """Say what erasing does; at the second step, ask for the password."""
    is_sure = request.query_params.get("step") == "2"
    return await _erasing(request, privacy, accounts, caller.account_id, is_sure=is_sure)


@router.post("/account/erase")
async def erase(
    request: Request,
    privacy: ThePrivacy,
    accounts: TheAccounts,
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: StrongPageCaller,
    visit: TheVisit,
) -> Response:
    """Close the account, to be erased after the grace."""
    filled = await fields(request, "current_password")
    account = await accounts.remembered(caller.account_id or "")
    try:
        erasure = await privacy.erase(caller, filled["current_password"])
    except Problem as problem:
        return await _erasing(request, privacy, accounts, caller.account_id, is_sure=True, refusal=problem)
    handover.take(visit)
    return page(
        request, "erasing.html", has_form=False, erased=account, due_at=moment(erasure.due_at),
    )  # fmt: skip


@router.get("/keep")
async def keep_page(request: Request, privacy: ThePrivacy, caller: AnyCaller) -> Response:
    """Ask whether the account shall be kept."""
    token = request.query_params.get("token", "")[:128]
    return _at_link(request, token, kept=await privacy.look(caller, token))


@router.post("/keep")
async def keep(request: Request, privacy: ThePrivacy, caller: AnyCaller) -> Response:
    """Keep the account."""
    filled = await fields(request, "token")
    try:
        account = await privacy.keep(caller, filled["token"])
    except TokenSpent:
        return _at_link(request, "", kept=None)
    return _at_link(request, "", kept=None, done=account)


async def _erasing(
    request: Request,
    privacy: Privacy,
    accounts: Accounts,
    account_id: str | None,
    *,
    is_sure: bool,
    refusal: Problem | None = None,
) -> Response:
    account = await accounts.remembered(account_id or "")
    form = refused(refusal, {}) if refusal else Form()
    has_password = await privacy.has_password(account_id or "")
    return page(
        request, "erase.html", refusal=refusal, account=account, form=form, is_sure=is_sure, has_password=has_password,
        days=privacy.settings.grace.days, rest_days=privacy.settings.name_rest.days,
    )  # fmt: skip


def _at_link(request: Request, token: str, *, kept: Kept | None, done: Account | None = None) -> Response:
    """Return the page that the letter's link leads to; 404 where the link is worth nothing any more."""
    response = page(
        request, "keep.html", status=200 if kept or done else 404, token=token, done=done,
        kept=kept and {"username": kept.account.username, "due_at": moment(kept.erasure.due_at)},
    )  # fmt: skip
    response.headers["referrer-policy"] = NO_TOKEN_IN_REFERER
    return response
