"""One's own account, as JSON; reading it is in the fast lane."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ostiary.accounts.answers import UserAnswer
from ostiary.accounts.service import Accounts
from ostiary.accounts.texts import clean_display_text
from ostiary.web.answers import refusals
from ostiary.web.doors import SignedInCaller, Strict, api_router, service

router = api_router("accounts")


class ProfileChange(Strict):
    """What one may change of one's own profile at will."""

    full_name: str = Field(max_length=400)


@router.patch("/me", operation_id="changeMe", responses=refusals(401, body=True))
async def change_me(
    change: ProfileChange, accounts: Annotated[Accounts, service(Accounts)], caller: SignedInCaller
) -> UserAnswer:
    """Change the caller's profile and return it."""
    return UserAnswer.of(await accounts.rename(caller, caller.account_id or "", clean_display_text(change.full_name)))
