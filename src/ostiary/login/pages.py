"""Signing in and out as pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import Request, Response

from ostiary.core.clock import Millis, moment
from ostiary.core.errors import Problem
from ostiary.login.service import Login
from ostiary.passwords import PasswordChangeRequired, TicketSpent
from ostiary.sessions import CookieHandover, Sessions
from ostiary.web.doors import PAGE_PREFIX, AnyCaller, TheEdge, TheVisit, page, page_router, see_other, service
from ostiary.web.forms import fields, refused
from ostiary.web.redirects import own_path
from ostiary.web.render import Form

router = page_router()
HOME = f"{PAGE_PREFIX}/account"


TRIED_TOO_OFTEN = "Too many wrong passwords were tried for this name."


@dataclass(frozen=True, slots=True)
class Work:
    """What the page's script may do instead of being refused, and what there is without it.

    Attributes:
        challenge: As JSON, for the script.
        seconds: How long it can be answered.
        until: When the name opens by itself.
    """

    challenge: str
    seconds: int
    until: datetime

    @classmethod
    def of(cls, problem: Problem, now: Millis) -> Work | None:
        """Return the work that a refusal offers, or None."""
        challenge = problem.extra.get("challenge")
        if not isinstance(challenge, dict):
            return None
        seconds = challenge["parameters"]["expiresAt"] - now // 1000
        return cls(msgspec.json.encode(challenge).decode(), seconds, moment(now + (problem.retry_after or 0) * 1000))


@router.get("/sign-in")
async def sign_in_page(request: Request) -> Response:
    """Show the form."""
    query = request.query_params
    following = own_path(query.get("next"), HOME)
    return page(request, "sign_in.html", form=Form(), next=following, reason=query.get("reason"))


@router.post("/sign-in")
async def sign_in(
    request: Request,
    desk: Annotated[Login, service(Login)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: AnyCaller,
    visit: TheVisit,
) -> Response:
    """Sign in, and go where the visitor was heading."""
    filled = await fields(request, "login", "password", "next", "challenge")
    following = own_path(filled["next"], HOME)
    try:
        entered = await desk.with_password(
            caller, filled["login"], filled["password"], solution=filled["challenge"] or None
        )
    except Problem as problem:
        form = refused(problem, {"login": filled["login"]})
        work = Work.of(problem, desk.database.clock.now())
        if work is not None:
            form = replace(form, problem=TRIED_TOO_OFTEN)
        return page(request, "sign_in.html", refusal=problem, form=form, next=following, reason=None, work=work)
    if isinstance(entered, PasswordChangeRequired):
        return _new_password(request, entered.ticket, filled["login"], following)
    handover.give(visit, entered)
    return see_other(following)


@router.get("/new-password")
async def new_password_page() -> Response:
    """Send whoever loads the address of the form back to where it begins: a ticket is not in an address."""
    return see_other(f"{PAGE_PREFIX}/sign-in")


@router.post("/new-password")
async def choose_new_password(
    request: Request,
    desk: Annotated[Login, service(Login)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: AnyCaller,
    visit: TheVisit,
) -> Response:
    """Replace a breached password, sign in, and go where the visitor was heading."""
    filled = await fields(request, "ticket", "username", "new_password", "next")
    following = own_path(filled["next"], HOME)
    try:
        entered = await desk.with_replacement(caller, filled["ticket"], filled["new_password"])
    except TicketSpent as spent:
        form = refused(spent, {"login": filled["username"]})
        return page(request, "sign_in.html", refusal=spent, form=form, next=following, reason=None)
    except Problem as problem:
        return _new_password(request, filled["ticket"], filled["username"], following, problem)
    if isinstance(entered, PasswordChangeRequired):
        return _new_password(request, entered.ticket, filled["username"], following)
    handover.give(visit, entered)
    return see_other(following)


def _new_password(
    request: Request, ticket: str, login: str, following: str, refusal: Problem | None = None
) -> Response:
    """Show the form for a new password: the ticket stands in it alone, which nobody may keep, and in no address."""
    form = refused(refusal, {}) if refusal else Form()
    return page(request, "new_password.html", refusal=refusal, form=form, next=following, ticket=ticket, login=login)


@router.post("/sign-out")
async def sign_out(
    sessions: Annotated[Sessions, service(Sessions)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: AnyCaller,
    visit: TheVisit,
    edge: TheEdge,
) -> Response:
    """End the session and clear its cookies."""
    await sessions.sign_out(caller, await edge.guard.session_to_end(visit))
    handover.take(visit)
    # Here and not on the page that follows: any site could load that one, and so empty our storage (ASVS 3.5.3).
    visit.answers.append((b"clear-site-data", b'"cache", "storage"'))
    return see_other(f"{PAGE_PREFIX}/signed-out")


@router.get("/signed-out")
async def signed_out(request: Request) -> Response:
    """Say goodbye."""
    return page(request, "signed_out.html")
