"""Export and erasure of one's own account, as JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import Response
from pydantic import Field

from ostiary.core.clock import iso
from ostiary.privacy.service import EXPORT_NAME, Privacy
from ostiary.sessions import CookieHandover
from ostiary.sessions.answers import UserAnswer
from ostiary.web.answers import FILE, Answer, Moment, refusals
from ostiary.web.doors import AnyCaller, Strict, StrongCaller, TheVisit, api_router, as_file, service

router = api_router("privacy")

ThePrivacy = Annotated[Privacy, service(Privacy)]


class EraseBody(Strict):
    """The password once more."""

    current_password: str = Field(max_length=1024, description="Empty where the account has none.")


class KeepBody(Strict):
    """The secret from the letter."""

    token: str = Field(min_length=1, max_length=128)


class ErasureAnswer(Answer):
    """When the account is erased, unless it is kept until then."""

    detail: str
    due_at: Moment


@router.post(
    "/account/export", operation_id="exportAccount", response_class=Response,
    responses=refusals(401)
    | {200: {"description": "Everything, as an attachment.", "content": {"application/json": {"schema": FILE}}}},
)  # fmt: skip
async def export_account(privacy: ThePrivacy, caller: StrongCaller) -> Response:
    """Return everything that is stored about the caller; needs a fresh, strong proof.

    It is journalled, counted and told by letter, so that no link may cause it (ASVS 3.5.3).
    """
    return as_file(await privacy.export(caller, caller.account_id or ""), EXPORT_NAME)


@router.post("/account/erase", operation_id="eraseAccount", responses=refusals(401, body=True))
async def erase_account(
    body: EraseBody,
    privacy: ThePrivacy,
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: StrongCaller,
    visit: TheVisit,
) -> ErasureAnswer:
    """Close the caller's account now and erase it after the grace; needs a fresh, strong proof."""
    erasure = await privacy.erase(caller, body.current_password)
    handover.take(visit)
    return ErasureAnswer(
        detail="Your account is closed and will be erased. The link in our letter keeps it until then.",
        due_at=iso(erasure.due_at),
    )


@router.post("/account/keep", operation_id="keepAccount", responses=refusals(401, body=True))
async def keep_account(body: KeepBody, privacy: ThePrivacy, caller: AnyCaller) -> UserAnswer:
    """Cancel an erasure with the single-use secret from its letter; nobody is signed in by it."""
    return UserAnswer.of(await privacy.keep(caller, body.token))
