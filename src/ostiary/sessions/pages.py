"""Sessions as a page."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import Request, Response

from ostiary.accounts import Accounts
from ostiary.core.clock import moment
from ostiary.places import Places
from ostiary.sessions.errors import NoSuchSession
from ostiary.sessions.service import Sessions
from ostiary.web.doors import PAGE_PREFIX, PageCaller, page, page_router, see_other, service
from ostiary.web.forms import fields

router = page_router()


@router.get("/sessions")
async def sessions_page(
    request: Request,
    sessions: Annotated[Sessions, service(Sessions)],
    accounts: Annotated[Accounts, service(Accounts)],
    places: Annotated[Places, service(Places)],
    caller: PageCaller,
) -> Response:
    """List the signed-in devices."""
    listed = [
        {
            "id": session.id,
            "agent": session.device,
            "place": places.describe(session.address),
            "address": session.address,
            "started_at": moment(session.started_at),
            "seen_at": moment(session.seen_at),
            "current": session.id == caller.session_id,
            "bound": session.bound_at is not None,
        }
        for session in await sessions.listed(caller.account_id or "")
    ]
    account = await accounts.remembered(caller.account_id or "")
    return page(request, "sessions.html", account=account, sessions=listed)


@router.post("/sessions/end")
async def end_session(
    request: Request, sessions: Annotated[Sessions, service(Sessions)], caller: PageCaller
) -> Response:
    """End one device's session."""
    filled = await fields(request, "session_id")
    with suppress(NoSuchSession):  # it is over, which is what was asked for
        await sessions.end(caller, caller.account_id or "", filled["session_id"], "ended-by-owner")
    return see_other(f"{PAGE_PREFIX}/sessions")


@router.post("/sessions/end-others")
async def end_other_sessions(sessions: Annotated[Sessions, service(Sessions)], caller: PageCaller) -> Response:
    """End every other device's session."""
    await sessions.end_all_others(caller)
    return see_other(f"{PAGE_PREFIX}/sessions")
