"""Asking for a sign-in link, as pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response

from ostiary.core.errors import Problem
from ostiary.magiclinks.errors import LinksNotOffered
from ostiary.magiclinks.service import LIFETIME, MagicLinks
from ostiary.web.doors import PAGE_PREFIX, AnyCaller, TheEdge, TheVisit, page, page_router, see_other, service
from ostiary.web.forms import fields, refused
from ostiary.web.redirects import own_path
from ostiary.web.render import Form

router = page_router()

TheLinks = Annotated[MagicLinks, service(MagicLinks)]
HERE = f"{PAGE_PREFIX}/link"


@router.get("/link")
async def link_page(request: Request, links: TheLinks) -> Response:
    """Ask for the address."""
    links.require_offered()
    following = own_path(request.query_params.get("next"), "")
    return page(request, "link.html", form=Form(), next=following)


@router.post("/link")
async def ask_for_link(
    request: Request, links: TheLinks, caller: AnyCaller, visit: TheVisit, edge: TheEdge
) -> Response:
    """Send the letter, if there is somebody to send it to; the answer does not tell."""
    filled = await fields(request, "email", "next")
    following = own_path(filled["next"], "")
    try:
        asked = await links.request(caller, filled["email"], following)
    except LinksNotOffered:
        raise
    except Problem as problem:
        return page(request, "link.html", refusal=problem, form=refused(problem, filled), next=following)
    visit.answers.append(edge.cookies.write("link", asked, int(LIFETIME.total_seconds())))
    return see_other(f"{HERE}/sent")


@router.get("/link/sent")
async def link_sent_page(request: Request, links: TheLinks, visit: TheVisit, edge: TheEdge) -> Response:
    """Say that a letter may be on its way, and take its code."""
    links.require_offered()
    if links.browser_in(edge.cookies.read(visit, "link")) is None:
        return see_other(HERE)
    return page(request, "link_sent.html", form=Form())
