"""Authenticator apps as a page; everything works without scripts."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import Request, Response
from markupsafe import Markup

from ostiary.accounts import Accounts
from ostiary.core.clock import moment
from ostiary.core.errors import Problem
from ostiary.totp.errors import NoAuthenticator
from ostiary.totp.service import Activated, Enrolment, Totp
from ostiary.web.doors import PAGE_PREFIX, StrongPageCaller, page, page_router, see_other, service
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form

router = page_router()

TheTotp = Annotated[Totp, service(Totp)]
TheAccounts = Annotated[Accounts, service(Accounts)]
HERE = f"{PAGE_PREFIX}/totp"
GROUP = 4


def _shown(enrolment: Enrolment) -> dict[str, object]:
    groups = [enrolment.secret[start : start + GROUP] for start in range(0, len(enrolment.secret), GROUP)]
    # Drawn by us, of nothing but modules: see picture.py.
    return {"groups": groups, "uri": enrolment.uri, "picture": Markup(enrolment.picture)}  # noqa: S704


async def _page(
    request: Request, totp: Totp, accounts: Accounts, account_id: str, *, enrolment: Enrolment | None = None,
    activated: Activated | None = None, refusal: Problem | None = None,
) -> Response:  # fmt: skip
    held = await totp.find(account_id)
    last_used_at = held.last_used_at if held else None
    return page(
        request, "totp.html", refusal=refusal, form=refused(refusal, {}) if refusal else Form(),
        account=await accounts.remembered(account_id), enrolment=_shown(enrolment) if enrolment else None,
        authenticator=held and {
            "added_at": moment(held.added_at), "last_used_at": None if last_used_at is None else moment(last_used_at),
        },
        is_new=activated is not None, codes=activated.codes if activated else (),
    )  # fmt: skip


@router.get("/totp")
async def totp_page(request: Request, totp: TheTotp, accounts: TheAccounts, caller: StrongPageCaller) -> Response:
    """Say whether an app is set up, with a way to set one up or remove it."""
    return await _page(request, totp, accounts, caller.account_id or "")


@router.post("/totp/begin")
async def begin(request: Request, totp: TheTotp, accounts: TheAccounts, caller: StrongPageCaller) -> Response:
    """Show the secret of a new app, and ask for its first code."""
    try:
        enrolment = await totp.enrol(caller)
    except Problem as problem:
        return await _page(request, totp, accounts, caller.account_id or "", refusal=problem)
    return await _page(request, totp, accounts, caller.account_id or "", enrolment=enrolment)


@router.post("/totp/confirm")
async def confirm(request: Request, totp: TheTotp, accounts: TheAccounts, caller: StrongPageCaller) -> Response:
    """Set the app up, and show the recovery codes that were made with it."""
    filled = await fields(request, "code")
    account_id = caller.account_id or ""
    try:
        activated = await totp.activate(caller, filled["code"])
    except Problem as problem:
        # The same secret once more: it stands in the app already.
        return await _page(
            request, totp, accounts, account_id, enrolment=await totp.pending(caller), refusal=problem
        )  # fmt: skip
    return await _page(request, totp, accounts, account_id, activated=activated)


@router.post("/totp/remove")
async def remove(request: Request, totp: TheTotp, accounts: TheAccounts, caller: StrongPageCaller) -> Response:
    """Remove the app."""
    try:
        with suppress(NoAuthenticator):  # it is gone, which is what was asked for
            await totp.remove(caller)
    except Problem as problem:
        return await _page(request, totp, accounts, caller.account_id or "", refusal=problem)
    return see_other(HERE)
