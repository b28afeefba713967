"""The JSON shapes of authenticator apps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.core.clock import iso, iso_or_none
from ostiary.web.answers import Answer, Moment

if TYPE_CHECKING:
    from ostiary.totp.queries import Authenticator
    from ostiary.totp.service import Activated, Enrolment


class EnrolmentAnswer(Answer):
    """What an app needs, shown once; it is no factor until a code of it is shown."""

    secret: str
    uri: str
    qr_svg: str
    expires_at: Moment

    @classmethod
    def of(cls, enrolment: Enrolment) -> EnrolmentAnswer:
        """Return the answer of a beginning."""
        return cls(
            secret=enrolment.secret, uri=enrolment.uri, qr_svg=enrolment.picture, expires_at=iso(enrolment.expires_at)
        )


class AuthenticatorAnswer(Answer):
    """An authenticator app as its owner sees it."""

    added_at: Moment
    last_used_at: Moment | None

    @classmethod
    def of(cls, authenticator: Authenticator) -> AuthenticatorAnswer:
        """Return the owner's view of an app."""
        return cls(added_at=iso(authenticator.added_at), last_used_at=iso_or_none(authenticator.last_used_at))


class ActivatedAnswer(Answer):
    """The app is set up; `recovery_codes` are those that were made with it, shown once, or none."""

    added_at: Moment
    recovery_codes: list[str]

    @classmethod
    def of(cls, activated: Activated) -> ActivatedAnswer:
        """Return the answer of a confirmation."""
        return cls(added_at=iso(activated.added_at), recovery_codes=list(activated.codes))
