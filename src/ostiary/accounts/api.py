"""One's own account, as JSON; reading it is in the fast lane."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET
from pydantic import Field

from ostiary.accounts.answers import UserAnswer
from ostiary.accounts.profile import ProfileChange
from ostiary.accounts.service import Accounts
from ostiary.accounts.texts import clean_display_text
from ostiary.web.answers import refusals
from ostiary.web.doors import SignedInCaller, Strict, api_router, service

router = api_router("accounts")


class ProfileBody(Strict):
    """What one may change of one's own profile at will; what is left out stays."""

    full_name: str = Field("", max_length=400)
    language: str | None = Field(
        None, max_length=35, description="In which letters come, such as `de`; null is: as the browser asks."
    )

    def change(self) -> ProfileChange:
        """Return what was sent, cleaned."""
        sent = self.model_fields_set
        return ProfileChange(
            full_name=clean_display_text(self.full_name) if "full_name" in sent else UNSET,
            language=(self.language or None) if "language" in sent else UNSET,
        )


@router.patch("/me", operation_id="changeMe", responses=refusals(401, body=True))
async def change_me(
    body: ProfileBody, accounts: Annotated[Accounts, service(Accounts)], caller: SignedInCaller
) -> UserAnswer:
    """Change the caller's profile and return it."""
    return UserAnswer.of(await accounts.change_profile(caller, caller.account_id or "", body.change()))
