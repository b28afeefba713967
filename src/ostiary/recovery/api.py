"""A new password by mail, as JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import Field

from ostiary.core.errors import FieldError, InvalidFields
from ostiary.recovery.service import Recovery
from ostiary.sessions import CookieHandover
from ostiary.web.answers import Done, refusals
from ostiary.web.doors import AnyCaller, Strict, TheVisit, api_router, service

router = api_router("recovery")

SENT = "If an account has this address, a letter is on its way to it. Its link works for 15 minutes."
"""The same words for every address, known or not."""


class ResetRequestBody(Strict):
    """Whose password is forgotten; the query may say it instead."""

    email: str | None = Field(None, max_length=320)


NO_BODY = ResetRequestBody(email=None)


class ResetBody(Strict):
    """The secret from the letter, and the new password."""

    token: str = Field(min_length=1, max_length=128)
    new_password: str = Field(max_length=1024)


@router.post("/password-reset/request", operation_id="requestPasswordReset", responses=refusals(429, body=True))
async def request_password_reset(
    recovery: Annotated[Recovery, service(Recovery)],
    caller: AnyCaller,
    body: ResetRequestBody = NO_BODY,
    email: Annotated[str | None, Query(max_length=320)] = None,
) -> Done:
    """Ask for a letter with which a new password can be chosen; the answer is the same for every address."""
    asked = [text for text in (email, body.email) if text is not None]
    if len(asked) != 1:
        error = FieldError("email", "Give one address, in the body or in the query.", "missing")
        raise InvalidFields(errors=(error,))
    await recovery.request(caller, asked[0])
    return Done(detail=SENT)


@router.post("/password-reset/confirm", operation_id="confirmPasswordReset", responses=refusals(401, body=True))
async def confirm_password_reset(
    body: ResetBody,
    recovery: Annotated[Recovery, service(Recovery)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: AnyCaller,
    visit: TheVisit,
) -> Done:
    """Choose a new password with the single-use secret from the letter; every session ends, nobody is signed in."""
    handover.know(visit, await recovery.reset(caller, body.token, body.new_password))
    return Done(detail="Your password is changed. Sign in with the new one.")
