"""The telephone number of an account, as JSON. Codes at a sign-in are the front desk's."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ostiary.texts.service import Texts
from ostiary.web.answers import Done, refusals
from ostiary.web.doors import Strict, StrongCaller, api_router, service

router = api_router("phone")

TheTexts = Annotated[Texts, service(Texts)]


class NewNumber(Strict):
    """Where codes shall go."""

    number: str = Field(min_length=1, max_length=64, description="With + and the country's prefix.")


class TextedCode(Strict):
    """What stood in the text."""

    code: str = Field(min_length=1, max_length=32)


@router.post("/mfa/phone/begin", operation_id="beginPhone", responses=refusals(401, 403, 404, 429, 503, body=True))
async def begin_phone(body: NewNumber, texts: TheTexts, caller: StrongCaller) -> Done:
    """Send a code to a mobile number; needs a fresh, strong proof and a proven address."""
    await texts.begin(caller, body.number)
    return Done(detail="A text with a code is on its way. It works for 5 minutes, in this session.")


@router.post("/mfa/phone/confirm", operation_id="confirmPhone", responses=refusals(401, 403, 429, body=True))
async def confirm_phone(body: TextedCode, texts: TheTexts, caller: StrongCaller) -> Done:
    """Make the number that the code was sent to the account's own; the owner is told by letter."""
    await texts.finish(caller, body.code)
    return Done(detail="The number is added.")


@router.delete("/mfa/phone", operation_id="removePhone", responses=refusals(401, 404))
async def remove_phone(texts: TheTexts, caller: StrongCaller) -> Done:
    """Remove the account's number; needs a fresh, strong proof."""
    await texts.remove(caller)
    return Done(detail="The number is removed.")
