"""The JSON shape of what protects an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.core.clock import iso_or_none
from ostiary.totp.answers import AuthenticatorAnswer
from ostiary.web.answers import Answer

if TYPE_CHECKING:
    from ostiary.mfa.service import Standing


class CodesLeft(Answer):
    """How many recovery codes are left; few are a reason to make new ones."""

    left: int
    made_at: str | None


class MfaAnswer(Answer):
    """What is set up: the authenticator app, recovery codes, and the number of passkeys."""

    totp: AuthenticatorAnswer | None
    recovery_codes: CodesLeft
    passkeys: int

    @classmethod
    def of(cls, standing: Standing) -> MfaAnswer:
        """Return the owner's view of what is set up."""
        app, codes = standing.totp, standing.codes
        return cls(
            totp=AuthenticatorAnswer.of(app) if app else None,
            recovery_codes=CodesLeft(left=codes.left, made_at=iso_or_none(codes.made_at)),
            passkeys=standing.passkeys,
        )
