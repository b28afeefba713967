"""Where people come back from a provider: by GET, or by a form that the provider's page sends (Apple)."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request, Response

from ostiary.core.errors import Problem
from ostiary.federation import AccountsNotOpened, AddressKnown, AddressNotVouched, Answer, Federation
from ostiary.login.arrivals.service import Arrivals
from ostiary.login.pages import Heading, onwards
from ostiary.login.second_step import SecondStep
from ostiary.sessions import CookieHandover
from ostiary.web.doors import (
    ELSEWHERE_PREFIX,
    PAGE_PREFIX,
    EnteringCaller,
    TheEdge,
    TheVisit,
    page,
    refuse_foreign_forms,
    see_other,
    service,
)

CONNECTIONS = f"{PAGE_PREFIX}/connections"
HOME = f"{PAGE_PREFIX}/account"
LONGEST_QUERY = 8192
CARRIED = ("state", "code", "iss", "error")

router = APIRouter(prefix=ELSEWHERE_PREFIX, include_in_schema=False, dependencies=[Depends(refuse_foreign_forms)])
# A foreign page sends this form, as it must; what comes of it is a GET, which alone is looked at.
posting = APIRouter(prefix=ELSEWHERE_PREFIX, include_in_schema=False)


@router.get("/{provider}/login/callback")
async def arrive(
    provider: str,
    request: Request,
    arrivals: Annotated[Arrivals, service(Arrivals)],
    federation: Annotated[Federation, service(Federation)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    step: Annotated[SecondStep, service(SecondStep)],
    caller: EnteringCaller,
    visit: TheVisit,
    edge: TheEdge,
) -> Response:
    """Sign in or connect, and lead on to the allowed place."""
    browser = federation.transactions.browser_in(edge.cookies.read(visit, "federation"))
    answer = _answer(request)
    try:
        arrived = await arrivals.arrive(caller, provider, answer, browser, edge.guard.named_session(visit))
    except Problem as problem:
        return _refused(request, provider, federation, problem)
    if arrived.entered is None:
        response = see_other(arrived.place or f"{CONNECTIONS}?said=connected")
    else:
        response = onwards(request, step, handover, arrived.entered, Heading(arrived.place or HOME))
    response.headers["referrer-policy"] = "no-referrer"  # its address holds a code (RFC 9700 section 4.2.4)
    return response


@posting.post("/{provider}/login/callback")
async def arrive_by_form(
    provider: str, request: Request, federation: Annotated[Federation, service(Federation)]
) -> Response:
    """Turn a form from elsewhere into a GET: our cookies do not come with the form, and come with that."""
    form = await request.form(max_files=0, max_fields=20)
    told = {name: text for name in CARRIED if isinstance(text := form.get(name), str)}
    query = urlencode(told)
    place = f"{federation.callback_of((await federation.providers.get(provider)).slug)}"
    return see_other(f"{place}?{query}" if len(query) <= LONGEST_QUERY else place)


def _answer(request: Request) -> Answer:
    """Return the parameters of a callback; of one that comes twice none counts (RFC 6749 section 3.1)."""
    found = {
        name: values[0] for name in CARRIED if len(values := request.query_params.getlist(name)) == 1
    }  # fmt: skip
    doubled = any(len(request.query_params.getlist(name)) > 1 for name in CARRIED)
    if doubled:
        return Answer(state="")
    return Answer(found.get("state", ""), found.get("code", ""), found.get("iss"), found.get("error", ""))


def _refused(request: Request, provider: str, federation: Federation, problem: Problem) -> Response:
    labels = {choice.slug: choice.label for choice in federation.providers.choices}
    is_known = isinstance(problem, (AddressKnown, AccountsNotOpened))
    response = page(
        request, "elsewhere_refused.html", refusal=problem, has_form=False, title=problem.title,
        detail=problem.detail, label=labels.get(provider, "the other service"), is_known=is_known,
        may_register=isinstance(problem, AddressNotVouched),
        again=f"{PAGE_PREFIX}/sign-in", sign_in=f"{PAGE_PREFIX}/sign-in?next={quote(CONNECTIONS)}",
    )  # fmt: skip
    response.headers["referrer-policy"] = "no-referrer"
    return response
