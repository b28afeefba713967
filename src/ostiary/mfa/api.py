"""What protects an account, as JSON."""

from __future__ import annotations

from typing import Annotated

from ostiary.mfa.answers import MfaAnswer
from ostiary.mfa.service import Mfa
from ostiary.web.answers import refusals
from ostiary.web.doors import SignedInCaller, api_router, service

router = api_router("second factors")


@router.get("/mfa", operation_id="getSecondFactors", responses=refusals(401))
async def standing(
    mfa: Annotated[Mfa, service(Mfa)], caller: SignedInCaller
) -> MfaAnswer:  # fmt: skip
    """Say which second factors the caller has, and how many recovery codes are left."""
    return MfaAnswer.of(await mfa.standing(caller.account_id or ""))
