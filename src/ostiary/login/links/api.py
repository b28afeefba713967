"""Signing in by a letter, as JSON."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from ostiary.core.errors import FieldError, InvalidFields
from ostiary.login.answers import OnTheWay, answered
from ostiary.login.links.verb import ByLink
from ostiary.magiclinks import MagicLinks, Opened, Typed
from ostiary.sessions import CookieHandover
from ostiary.sessions.answers import SignedInAnswer
from ostiary.web.answers import refusals
from ostiary.web.doors import EnteringCaller, Strict, TheEdge, TheVisit, api_router, service

router = api_router("magic links")


class LetterShown(Strict):
    """The secret in the link, or the code beside it."""

    token: str | None = Field(None, min_length=1, max_length=128)
    code: str | None = Field(None, min_length=1, max_length=64)
    elsewhere: bool = Field(
        default=False,
        description="With `token`: the person has seen what it signs in, and wants that in a browser that did not ask.",
    )

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if (self.token is None) == (self.code is None):
            error = FieldError("token", "Give the secret of the link, or the code.", "missing")
            raise InvalidFields(errors=(error,))
        return self

    @property
    def answer(self) -> Opened | Typed:
        """What was shown."""
        return Opened(self.token, self.elsewhere) if self.token is not None else Typed(self.code or "")


@router.post("/magic-link/confirm", operation_id="confirmMagicLink", responses=refusals(401, 404, 409, 429, body=True))
async def confirm_magic_link(
    body: LetterShown,
    desk: Annotated[ByLink, service(ByLink)],
    links: Annotated[MagicLinks, service(MagicLinks)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: EnteringCaller,
    visit: TheVisit,
    edge: TheEdge,
) -> SignedInAnswer | OnTheWay:
    """Sign in by the secret of a link, or by its code in the browser that asked for it."""
    browser = links.browser_in(edge.cookies.read(visit, "link"))
    entered = await desk.enter(caller, body.answer, browser)
    visit.answers.append(edge.cookies.clear("link"))
    return answered(handover, visit, entered)
