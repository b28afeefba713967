"""Refusals that concern text messages."""

from __future__ import annotations

from ostiary.core.errors import FieldError, Problem


class TextsNotOffered(Problem):
    """No country prefix is allowed, or nobody is there who sends."""

    slug = "texts-not-offered"
    title = "Codes by text message are not offered here."
    status = 404


class TextNotSent(Problem):
    """Whoever sends texts for the house did not take this one."""

    slug = "text-not-sent"
    title = "The text message could not be sent. Please try again, or take another way."
    status = 503


class TextCodeNotValid(Problem):
    """One answer for a code that is wrong, used, too old, of another session, or guessed at too often."""

    slug = "text-code-not-valid"
    title = "This code is not right, or not good any more."
    status = 422

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("code", self.title, "wrong"),))


class NoPhone(Problem):
    """The account has no telephone number."""

    slug = "no-phone"
    title = "There is no telephone number."
    status = 404
