"""Refusals that concern authenticator apps."""

from __future__ import annotations

from ostiary.core.errors import FieldError, Problem


class AuthenticatorCodeWrong(Problem):
    """While an app is being set up; at a sign-in, the front desk has one answer for every wrong proof."""

    slug = "authenticator-code-wrong"
    title = "This is not the code that the app shows now."
    status = 422

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("code", self.title, "wrong"),))


class NoEnrolment(Problem):
    """Never begun in this session, begun anew elsewhere, too old, finished, or of before everything was ended."""

    slug = "no-enrolment"
    title = "There is no authenticator app to confirm. Please begin anew."
    status = 409


class NoAuthenticator(Problem):
    """The account has none."""

    slug = "no-authenticator"
    title = "There is no authenticator app."
    status = 404
