"""Signing in and out as pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import Request, Response

from ostiary.accounts import Accounts
from ostiary.client import STRENGTHS
from ostiary.core.clock import Millis, moment
from ostiary.core.errors import FieldError, InvalidFields, Problem
from ostiary.login.entrance import Entered, SecondFactorOwed
from ostiary.login.second_step import SecondStep, Waiting
from ostiary.login.service import Login
from ostiary.login.step_up import StepUp
from ostiary.passkeys import Assertion
from ostiary.passkeys.answers import AssertionBody
from ostiary.passwords import PasswordChangeRequired, TicketSpent
from ostiary.sessions import CookieHandover, Sessions
from ostiary.web.doors import (
    PAGE_PREFIX,
    AnyCaller,
    EnteringCaller,
    PageCaller,
    PerhapsPageCaller,
    TheEdge,
    TheVisit,
    page,
    page_router,
    see_other,
    service,
    visit_in,
)
from ostiary.web.forms import fields, refused
from ostiary.web.redirects import own_path
from ostiary.web.render import Form

router = page_router()
HOME = f"{PAGE_PREFIX}/account"
LONGEST_CREDENTIAL = 16_384

TheDesk = Annotated[Login, service(Login)]
TheSecondStep = Annotated[SecondStep, service(SecondStep)]
TheStepUp = Annotated[StepUp, service(StepUp)]
TheAccounts = Annotated[Accounts, service(Accounts)]
TheHandover = Annotated[CookieHandover, service(CookieHandover)]

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
    request: Request, desk: TheDesk, step: TheSecondStep, handover: TheHandover, caller: EnteringCaller
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
    return onwards(request, step, handover, entered, Heading(following, filled["login"]))


@router.get("/new-password")
@router.get("/second-factor")
async def form_without_a_ticket() -> Response:
    """Send whoever loads the address of such a form back to where it begins: a ticket is not in an address."""
    return see_other(f"{PAGE_PREFIX}/sign-in")


@router.post("/new-password")
async def choose_new_password(
    request: Request, desk: TheDesk, step: TheSecondStep, handover: TheHandover, caller: EnteringCaller
) -> Response:
    """Replace a breached password, sign in, and go where the visitor was heading."""
    filled = await fields(request, "ticket", "username", "new_password", "next")
    heading = Heading(own_path(filled["next"], HOME), filled["username"])
    try:
        entered = await desk.with_replacement(caller, filled["ticket"], filled["new_password"])
    except TicketSpent as spent:
        return _from_the_start(request, spent, heading)
    except Problem as problem:
        return _new_password(request, filled["ticket"], heading, problem)
    return onwards(request, step, handover, entered, heading)


@router.post("/second-factor")
async def show_second_factor(
    request: Request, step: TheSecondStep, handover: TheHandover, caller: PerhapsPageCaller
) -> Response:
    """End a sign-in or a step-up by what is shown; or offer another way, or send a code."""
    filled = await fields(request, "ticket", "method", "code", "next", "login", "remember", "other", "send")
    heading = Heading(own_path(filled["next"], HOME), filled["login"])
    ticket, method = filled["ticket"], filled["other"] or filled["method"]
    try:
        waiting = await step.waiting(caller, ticket)
        asking = Asking(ticket, waiting, method)
        if filled["other"]:
            return _second_factor(request, step, asking, heading)
        if filled["send"]:
            await step.send(caller, ticket, method)
            return _second_factor(request, step, replace(asking, is_sent=True), heading)
        is_remembered = bool(filled["remember"])
        answer = await _credential(request)
        if answer is not None:
            entered = await step.by_passkey(caller, ticket, answer, remember=is_remembered)
        else:
            _require_code(filled["code"])
            entered = await step.by_code(caller, ticket, method, filled["code"], remember=is_remembered)
    except TicketSpent as spent:
        if caller.account_id:
            return see_other(f"{PAGE_PREFIX}/step-up?next={heading.following}")
        return _from_the_start(request, spent, heading)
    except Problem as problem:
        return _second_factor(request, step, asking, heading, problem)
    return onwards(request, step, handover, entered, heading)


@router.post("/remembered-browsers/forget")
async def forget_browsers(stepping: TheStepUp, caller: PageCaller) -> Response:
    """Ask every browser of the visitor for the second factor again."""
    await stepping.forget_browsers(caller)
    return see_other(f"{PAGE_PREFIX}/security")


@router.get("/step-up")
async def step_up_page(request: Request, stepping: TheStepUp, accounts: TheAccounts, caller: PageCaller) -> Response:
    """Ask whoever is signed in to prove anew who they are."""
    return await _step_up(request, stepping, accounts, caller.account_id or "")


@router.post("/step-up")
async def step_up(
    request: Request, stepping: TheStepUp, step: TheSecondStep, accounts: TheAccounts, handover: TheHandover,
    caller: PageCaller,
) -> Response:  # fmt: skip
    """Step the session up, and go on to where the visitor was heading."""
    filled = await fields(request, "password", "next", "username")
    try:
        answer = await _credential(request)
        entered: Entered = (
            await stepping.by_passkey(caller, answer) if answer
            else await stepping.by_password(caller, filled["password"])
        )  # fmt: skip
    except Problem as problem:
        return await _step_up(request, stepping, accounts, caller.account_id or "", filled["next"], problem)
    heading = Heading(own_path(filled["next"], HOME), filled["username"])
    return onwards(request, step, handover, entered, heading, is_step_up=True)


@router.post("/sign-out")
async def sign_out(
    sessions: Annotated[Sessions, service(Sessions)],
    handover: TheHandover,
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


@dataclass(frozen=True, slots=True)
class Heading:
    """Where a visitor was heading, and under which name they came."""

    following: str
    login: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """What a page asks a second factor for."""

    ticket: str
    waiting: Waiting
    method: str = ""
    is_sent: bool = False


def onwards(
    request: Request, step: SecondStep, handover: CookieHandover, entered: Entered, heading: Heading, *,
    is_step_up: bool = False,
) -> Response:  # fmt: skip
    """Return the next page of a sign-in: the last one is where the visitor was heading."""
    if isinstance(entered, SecondFactorOwed):
        return _second_factor(request, step, Asking(entered.ticket, Waiting(entered.methods, is_step_up)), heading)
    if isinstance(entered, PasswordChangeRequired):
        return _new_password(request, entered.ticket, heading)
    handover.give(visit_in(request), entered)
    return see_other(heading.following)


def _from_the_start(request: Request, spent: Problem, heading: Heading) -> Response:
    form = refused(spent, {"login": heading.login})
    return page(request, "sign_in.html", refusal=spent, form=form, next=heading.following, reason=None)


def _new_password(request: Request, ticket: str, heading: Heading, refusal: Problem | None = None) -> Response:
    """Show the form for a new password: the ticket stands in it alone, which nobody may keep, and in no address."""
    form = refused(refusal, {}) if refusal else Form()
    return page(
        request, "new_password.html", refusal=refusal, form=form, next=heading.following, ticket=ticket,
        login=heading.login,
    )  # fmt: skip


def _second_factor(
    request: Request, step: SecondStep, asking: Asking, heading: Heading, refusal: Problem | None = None
) -> Response:
    """Show the form for a second factor, with the ticket in it as above."""
    methods = asking.waiting.methods
    days = 0 if asking.waiting.is_step_up else step.entrance.browsers.days
    return page(
        request, "second_factor.html", refusal=refusal, form=refused(refusal, {}) if refusal else Form(),
        next=heading.following, login=heading.login, ticket=asking.ticket, methods=methods,
        method=asking.method if asking.method in methods else next(iter(methods), ""), is_sent=asking.is_sent,
        is_step_up=asking.waiting.is_step_up, days=days,
    )  # fmt: skip


async def _step_up(
    request: Request, stepping: StepUp, accounts: Accounts, account_id: str, following: str = "",
    refusal: Problem | None = None,
) -> Response:  # fmt: skip
    wanted = request.query_params.get("acr", "")
    offers = await stepping.offers(account_id)
    return page(
        request, "step_up.html", refusal=refusal, account=await accounts.remembered(account_id),
        form=refused(refusal, {}) if refusal else Form(), offers=offers,
        next=own_path(following or request.query_params.get("next"), HOME),
        is_beyond=wanted in STRENGTHS and STRENGTHS.index(wanted) > STRENGTHS.index(offers.strongest),
    )  # fmt: skip


async def _credential(request: Request) -> Assertion | None:
    """Return what the page's script has put into its form, or None.

    Raises:
        InvalidFields: It is not what a browser writes.
    """
    text = (await request.form(max_files=0, max_fields=20)).get("credential")
    if not isinstance(text, str) or not text:
        return None
    wrong = InvalidFields(errors=(FieldError("", "No passkey was shown. Please try again.", "credential"),))
    if len(text) > LONGEST_CREDENTIAL:
        raise wrong
    try:
        return AssertionBody.model_validate_json(text).read()
    except ValueError:
        raise wrong from None


def _require_code(code: str) -> None:
    if not code:  # not worth a guess
        raise InvalidFields(errors=(FieldError("code", "Type the code here.", "missing"),))
