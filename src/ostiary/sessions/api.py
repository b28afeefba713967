"""Sessions as JSON: list them, end them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from ostiary.places import Places
from ostiary.sessions.answers import SessionAnswer
from ostiary.sessions.service import Sessions
from ostiary.sessions.tickets import LIFETIME, SocketTickets
from ostiary.web.answers import Answer, Done, refusals
from ostiary.web.doors import SignedInCaller, TheEdge, TheVisit, api_router, service

router = api_router("sessions")

SessionIdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]


class SessionList(Answer):
    """The living sessions of an account, the last used first."""

    sessions: list[SessionAnswer]


class SocketTicketAnswer(Answer):
    """What a page shows to open a WebSocket: as `?ticket=`, or as the sub-protocol `ostiary.ticket.<ticket>`."""

    ticket: str
    expires_in: int


class CsrfAnswer(Answer):
    """The token that browser requests repeat in `X-CSRF-Token`."""

    csrfToken: str  # noqa: N815 - existing clients read this name


@router.get("/sessions", operation_id="listSessions", responses=refusals(401))
async def list_sessions(
    caller: SignedInCaller, sessions: Annotated[Sessions, service(Sessions)], places: Annotated[Places, service(Places)]
) -> SessionList:
    """List the caller's signed-in devices."""
    found = await sessions.listed(caller.account_id or "")
    return SessionList(
        sessions=[SessionAnswer.of(session, caller.session_id, places.describe(session.address)) for session in found]
    )


@router.delete("/sessions/{session_id}", operation_id="endSession", responses=refusals(401, 403, 404, 422))
async def end_session(
    session_id: SessionIdPath, caller: SignedInCaller, sessions: Annotated[Sessions, service(Sessions)]
) -> Done:
    """End one of the caller's sessions."""
    await sessions.end(caller, caller.account_id or "", session_id)
    return Done(detail="The session is ended.")


@router.post("/sessions/revoke-others", operation_id="endOtherSessions", responses=refusals(401, 403))
async def end_other_sessions(caller: SignedInCaller, sessions: Annotated[Sessions, service(Sessions)]) -> Done:
    """End every session of the caller but this one."""
    await sessions.end_all_others(caller)
    return Done(detail="Your other sessions are ended.")


@router.post("/socket-tickets", operation_id="makeSocketTicket", responses=refusals(401))
async def make_socket_ticket(
    caller: SignedInCaller, tickets: Annotated[SocketTickets, service(SocketTickets)]
) -> SocketTicketAnswer:
    """Return a ticket that opens one WebSocket within half a minute."""
    ticket = await tickets.issue(caller)
    return SocketTicketAnswer(ticket=ticket, expires_in=int(LIFETIME.total_seconds()))


@router.get("/csrf", operation_id="csrfToken", responses=refusals())
async def csrf_token(visit: TheVisit, edge: TheEdge) -> CsrfAnswer:
    """Return a CSRF token bound to the visitor's session, and set its cookie."""
    token, cookie = edge.csrf.renew(visit, edge.guard.named_session(visit))
    visit.answers.append(cookie)
    return CsrfAnswer(csrfToken=token)
