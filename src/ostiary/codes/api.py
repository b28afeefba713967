"""Recovery codes as JSON: made anew."""

from __future__ import annotations

from typing import Annotated

from ostiary.codes.answers import RecoveryCodesAnswer
from ostiary.codes.service import RecoveryCodes
from ostiary.web.answers import refusals
from ostiary.web.doors import StrongCaller, api_router, service

router = api_router("second factors")


@router.post("/mfa/recovery-codes", operation_id="renewRecoveryCodes", responses=refusals(401, 403, 409))
async def renew(codes: Annotated[RecoveryCodes, service(RecoveryCodes)], caller: StrongCaller) -> RecoveryCodesAnswer:
    """Replace every recovery code by a new one, shown once; needs a fresh, strong proof and a second factor."""
    return RecoveryCodesAnswer(recovery_codes=list(await codes.renew(caller)))
