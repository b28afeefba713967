"""The JSON shape of what protects an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.client import Strength
from ostiary.core.clock import iso, iso_or_none
from ostiary.totp.answers import AuthenticatorAnswer
from ostiary.web.answers import Answer, Moment

if TYPE_CHECKING:
    from ostiary.mfa.service import Standing
    from ostiary.texts import Telephone


class CodesLeft(Answer):
    """How many recovery codes are left; few are a reason to make new ones."""

    left: int
    made_at: Moment | None


class TelephoneAnswer(Answer):
    """The number that codes are texted to, masked."""

    number: str
    added_at: Moment
    last_used_at: Moment | None

    @classmethod
    def of(cls, phone: Telephone) -> TelephoneAnswer:
        """Return the owner's view of a number."""
        return cls(number=phone.number, added_at=iso(phone.added_at), last_used_at=iso_or_none(phone.last_used_at))


class MfaAnswer(Answer):
    """What protects the account; `strongest` is the `acr` of the best sign-in that it allows."""

    strongest: Strength
    password: bool
    totp: AuthenticatorAnswer | None
    phone: TelephoneAnswer | None
    recovery_codes: CodesLeft
    passkeys: int
    remembered_browsers: int

    @classmethod
    def of(cls, standing: Standing) -> MfaAnswer:
        """Return the owner's view of what is set up."""
        app, codes, phone = standing.totp, standing.codes, standing.phone
        return cls(
            strongest=standing.strongest, password=standing.has_password,
            totp=AuthenticatorAnswer.of(app) if app else None,
            phone=TelephoneAnswer.of(phone) if phone else None,
            recovery_codes=CodesLeft(left=codes.left, made_at=iso_or_none(codes.made_at)),
            passkeys=standing.passkeys, remembered_browsers=standing.browsers,
        )  # fmt: skip
