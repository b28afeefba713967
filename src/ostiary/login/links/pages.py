"""Signing in by a letter, as pages.

Loading the page that the link leads to uses nothing up, by GET or HEAD: mail scanners follow links, people press
buttons.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response

from ostiary.accounts import TokenSpent, describe_agent
from ostiary.core.clock import moment
from ostiary.core.errors import Problem
from ostiary.login.links.verb import ByLink
from ostiary.login.pages import Heading, onwards
from ostiary.login.second_step import SecondStep
from ostiary.magiclinks import LinksNotOffered, MagicLinks, Offer, Opened, Typed
from ostiary.sessions import CookieHandover
from ostiary.web.doors import (
    PAGE_PREFIX,
    AnyCaller,
    EnteringCaller,
    TheEdge,
    TheVisit,
    page,
    page_router,
    service,
)
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form

router = page_router()

TheDesk = Annotated[ByLink, service(ByLink)]
TheSecondStep = Annotated[SecondStep, service(SecondStep)]
TheLinks = Annotated[MagicLinks, service(MagicLinks)]
TheHandover = Annotated[CookieHandover, service(CookieHandover)]
HOME = f"{PAGE_PREFIX}/account"
NO_TOKEN_IN_REFERER = "strict-origin"  # noqa: S105
"""The Referrer-Policy of the page whose address holds the secret; with `no-referrer` its form would come with
`Origin: null`, which no page of our own may."""


@router.get("/magic-link")
async def letter_page(request: Request, links: TheLinks, caller: AnyCaller, visit: TheVisit, edge: TheEdge) -> Response:
    """Say what the link signs in, and ask."""
    token = request.query_params.get("token", "")[:128]
    browser = links.browser_in(edge.cookies.read(visit, "link"))
    return _at_link(request, links, token, await links.look(caller, token, browser))


@router.post("/magic-link")
async def sign_in_by_link(
    request: Request, desk: TheDesk, links: TheLinks, step: TheSecondStep, handover: TheHandover,
    caller: EnteringCaller, visit: TheVisit, edge: TheEdge,
) -> Response:  # fmt: skip
    """Sign in by the link, and go where the visitor was heading, if this is the browser that asked."""
    filled = await fields(request, "token", "elsewhere")
    browser = links.browser_in(edge.cookies.read(visit, "link"))
    elsewhere = filled["elsewhere"] == "yes"
    try:
        entered = await desk.enter(caller, Opened(filled["token"], elsewhere), browser)
    except LinksNotOffered:
        raise
    except TokenSpent:
        return _at_link(request, links, "", None)
    except Problem as problem:  # another browser: its cookie has expired since the page was loaded
        offer = await links.look(caller, filled["token"], browser)
        return _at_link(request, links, filled["token"], offer, problem)
    visit.answers.append(edge.cookies.clear("link"))
    following = HOME if elsewhere or browser is None else browser.following or HOME
    return onwards(request, step, handover, entered, Heading(following))


@router.post("/link/code")
async def sign_in_by_code(
    request: Request, desk: TheDesk, links: TheLinks, step: TheSecondStep, handover: TheHandover,
    caller: EnteringCaller, visit: TheVisit, edge: TheEdge,
) -> Response:  # fmt: skip
    """Sign in by the code, in the browser that asked for it."""
    filled = await fields(request, "code")
    browser = links.browser_in(edge.cookies.read(visit, "link"))
    try:
        entered = await desk.enter(caller, Typed(filled["code"]), browser)
    except LinksNotOffered:
        raise
    except Problem as problem:
        return page(request, "link_sent.html", refusal=problem, form=refused(problem, {}))
    visit.answers.append(edge.cookies.clear("link"))
    following = browser.following if browser is not None and browser.following else HOME
    return onwards(request, step, handover, entered, Heading(following))


def _at_link(
    request: Request, links: MagicLinks, token: str, offer: Offer | None, refusal: Problem | None = None
) -> Response:
    """Return the page that the link leads to; 404 where it is worth nothing any more."""
    shown = offer and {
        "username": offer.account.username if offer.is_same_browser else offer.masked_name,
        "is_same_browser": offer.is_same_browser,
        "asked_at": moment(offer.asked.asked_at),
        "device": describe_agent(offer.asked.agent),
        "place": links.places.describe(offer.asked.address),
        "address": offer.asked.address,
    }
    response = page(
        request, "magic_link.html", status=200 if offer else 404, refusal=refusal, token=token, offer=shown,
        form=refused(refusal, {}) if refusal else Form(),
    )  # fmt: skip
    response.headers["referrer-policy"] = NO_TOKEN_IN_REFERER
    return response
