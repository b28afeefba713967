"""Asking for a sign-in link, as JSON. The front desk takes it back."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ostiary.magiclinks.service import LIFETIME, MagicLinks
from ostiary.web.answers import Done, refusals
from ostiary.web.doors import AnyCaller, Strict, TheEdge, TheVisit, api_router, service

router = api_router("magic links")

SENT = "If an account has this address, a letter with a link is on its way to it. It works for 10 minutes."
"""The same words for every address, known or not."""


class LinkRequest(Strict):
    """Who wants to sign in."""

    email: str = Field(max_length=320)


@router.post("/magic-link/request", operation_id="requestMagicLink", responses=refusals(404, 429, body=True))
async def request_magic_link(
    body: LinkRequest,
    links: Annotated[MagicLinks, service(MagicLinks)],
    caller: AnyCaller,
    visit: TheVisit,
    edge: TheEdge,
) -> Done:
    """Ask for a letter with a link and a code that sign in, and set the cookie of the browser that asks."""
    asked = await links.request(caller, body.email)
    visit.answers.append(edge.cookies.write("link", asked, int(LIFETIME.total_seconds())))
    return Done(detail=SENT)
