"""A new password by mail, "this wasn't me", and unlocking, as pages.

Loading a page that a letter leads to uses nothing up: mail scanners follow
links, people press buttons.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Response

from ostiary.accounts import TokenSpent
from ostiary.core.errors import Problem
from ostiary.recovery.service import Recovery
from ostiary.sessions import CookieHandover
from ostiary.web.doors import PAGE_PREFIX, AnyCaller, TheVisit, page, page_router, see_other, service
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form

router = page_router()

TheRecovery = Annotated[Recovery, service(Recovery)]
TheHandover = Annotated[CookieHandover, service(CookieHandover)]

NO_TOKEN_IN_REFERER = "strict-origin"  # noqa: S105
"""The Referrer-Policy of pages whose address holds a secret. Not `no-referrer`: with that, a browser sends their forms
with `Origin: null`, which no page of our own may."""


@router.get("/forgot")
async def forgot_page(request: Request) -> Response:
    """Ask for the address; afterwards say that a letter may be on its way."""
    return page(request, "forgot.html", form=Form(), is_sent=request.query_params.get("said") == "sent")


@router.post("/forgot")
async def forgot(request: Request, recovery: TheRecovery, caller: AnyCaller) -> Response:
    """Send the letter, if there is somebody to send it to; the answer does not tell."""
    filled = await fields(request, "email")
    try:
        await recovery.request(caller, filled["email"])
    except Problem as problem:
        return page(request, "forgot.html", refusal=problem, form=refused(problem, filled), is_sent=False)
    return see_other(f"{PAGE_PREFIX}/forgot?said=sent")


@router.get("/reset")
async def reset_page(request: Request, recovery: TheRecovery, caller: AnyCaller) -> Response:
    """Ask for the new password."""
    token = _token_in(request)
    return _at_link(request, "reset.html", token, account=await recovery.look_reset(caller, token))


@router.post("/reset")
async def reset(
    request: Request, recovery: TheRecovery, handover: TheHandover, caller: AnyCaller, visit: TheVisit
) -> Response:
    """Set the new password; signing in with it comes next."""
    filled = await fields(request, "token", "new_password")
    token = filled["token"]
    try:
        device_id = await recovery.reset(caller, token, filled["new_password"])
    except TokenSpent:
        return _at_link(request, "reset.html", token, account=None)
    except Problem as problem:
        account = await recovery.look_reset(caller, token)
        return _at_link(request, "reset.html", token, refusal=problem, form=refused(problem, {}), account=account)
    handover.know(visit, device_id)
    return see_other(f"{PAGE_PREFIX}/sign-in?reason=password-changed")


@router.get("/not-me")
async def disown_page(request: Request, recovery: TheRecovery, caller: AnyCaller) -> Response:
    """Say what "this wasn't me" will do, and ask."""
    token = _token_in(request)
    return _at_link(request, "not_me.html", token, disowned=await recovery.look_disown(caller, token), is_done=False)


@router.post("/not-me")
async def disown(request: Request, recovery: TheRecovery, caller: AnyCaller) -> Response:
    """End everything and lock the password."""
    filled = await fields(request, "token")
    try:
        disowned = await recovery.disown(caller, filled["token"])
    except TokenSpent:
        return _at_link(request, "not_me.html", "", disowned=None, is_done=False)
    return _at_link(request, "not_me.html", "", disowned=disowned, is_done=True)


@router.get("/unlock")
async def unlock_page(request: Request, recovery: TheRecovery, caller: AnyCaller) -> Response:
    """Ask whether this browser shall be let in."""
    token = _token_in(request)
    return _at_link(request, "unlock.html", token, unlocked=await recovery.look_unlock(caller, token), is_done=False)


@router.post("/unlock")
async def unlock(
    request: Request, recovery: TheRecovery, handover: TheHandover, caller: AnyCaller, visit: TheVisit
) -> Response:
    """Open the account to this browser; signing in comes next."""
    filled = await fields(request, "token")
    try:
        handover.know(visit, await recovery.unlock(caller, filled["token"]))
    except TokenSpent:
        return _at_link(request, "unlock.html", "", unlocked=None, is_done=False)
    return _at_link(request, "unlock.html", "", unlocked=None, is_done=True)


def _token_in(request: Request) -> str:
    return request.query_params.get("token", "")[:128]


def _at_link(
    request: Request,
    template: str,
    token: str,
    *,
    refusal: Problem | None = None,
    form: Form | None = None,
    **context: Any,  # noqa: ANN401 - whatever a template names
) -> Response:
    """Return a page that a letter's link leads to; 404 where the link is worth nothing any more."""
    status = 200 if any(context.values()) else 404
    response = page(
        request, template, status=status, refusal=refusal, token=token, form=form or Form(), **context
    )  # fmt: skip
    response.headers["referrer-policy"] = NO_TOKEN_IN_REFERER
    return response
