"""Authenticator apps as JSON: set up in two steps, and removed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ostiary.totp.answers import ActivatedAnswer, EnrolmentAnswer
from ostiary.totp.service import Totp
from ostiary.web.answers import Done, refusals
from ostiary.web.doors import Strict, StrongCaller, api_router, service

router = api_router("second factors")

TheTotp = Annotated[Totp, service(Totp)]


class AppCode(Strict):
    """The code that the app shows now."""

    code: Annotated[str, Field(max_length=64)]


@router.post("/mfa/totp/begin", operation_id="beginTotp", responses=refusals(401, 403))
async def begin(totp: TheTotp, caller: StrongCaller) -> EnrolmentAnswer:
    """Make a secret for an authenticator app; needs a fresh, strong proof and a proven address."""
    return EnrolmentAnswer.of(await totp.enrol(caller))


@router.post("/mfa/totp/confirm", operation_id="confirmTotp", responses=refusals(401, 403, 409, 422, body=True))
async def confirm(body: AppCode, totp: TheTotp, caller: StrongCaller) -> ActivatedAnswer:
    """Set the app up that this session began with, since it shows the right code; the owner is told by letter."""
    return ActivatedAnswer.of(await totp.activate(caller, body.code))


@router.delete("/mfa/totp", operation_id="removeTotp", responses=refusals(401, 403, 404))
async def remove(totp: TheTotp, caller: StrongCaller) -> Done:
    """Remove the app; with the last second factor the recovery codes go, too."""
    await totp.remove(caller)
    return Done(detail="The authenticator app is removed.")
