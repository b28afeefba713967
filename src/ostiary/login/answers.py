"""The JSON shapes of the front desk, and how a sign-in that goes on becomes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from ostiary.core.errors import FieldError, InvalidFields
from ostiary.login.entrance import SecondFactorOwed
from ostiary.passkeys.answers import AssertionBody
from ostiary.passwords import PasswordChangeRequired
from ostiary.protection import LONGEST_SOLUTION
from ostiary.sessions.answers import SignedInAnswer
from ostiary.web.answers import Answer
from ostiary.web.doors import Strict

if TYPE_CHECKING:
    from ostiary.login.entrance import Entered
    from ostiary.sessions import CookieHandover, Grant
    from ostiary.web.visit import Visit

Name = Annotated[str, Field(min_length=1, max_length=320)]
Ticket = Annotated[str, Field(min_length=1, max_length=128, description="From the answer that asked for more.")]
Method = Annotated[str, Field(min_length=1, max_length=40, description="One of the `methods` of that answer.")]
Remember = Annotated[bool, Field(description="Do not ask this browser for a second factor for a while.")]


class Credentials(Strict):
    """A password, and a name or an address under any one of three names."""

    password: str = Field(min_length=1, max_length=1024)
    username: Name | None = None
    email: Name | None = None
    login: Name | None = None
    challenge: str | None = Field(
        None, max_length=LONGEST_SOLUTION, description="The solution of the challenge that the refusal before carried."
    )

    @model_validator(mode="after")
    def _has_one_name(self) -> Self:
        if sum(name is not None for name in (self.username, self.email, self.login)) != 1:
            error = FieldError("login", "Give a name or an address, under one of username, email, login.", "missing")
            raise InvalidFields(errors=(error,))
        return self

    @property
    def name(self) -> str:
        """The one that was given."""
        return self.username or self.email or self.login or ""


class Replacement(Strict):
    """A ticket for a password that has to be replaced, and its successor."""

    ticket: Ticket
    new_password: str = Field(max_length=1024)


class PasskeyShown(Strict):
    """What the browser's authenticator answered."""

    credential: AssertionBody


class CodeShown(Strict):
    """A second factor that is text, for the attempt that a ticket stands for."""

    ticket: Ticket
    method: Method
    code: str = Field(min_length=1, max_length=128)
    remember: Remember = False


class CodeWanted(Strict):
    """A factor whose code has to be sent."""

    ticket: Ticket
    method: Method


class TicketShown(Strict):
    """An attempt that shall go on by a passkey."""

    ticket: Ticket


class PasskeyBeside(Strict):
    """A passkey as the second factor of the attempt that a ticket stands for."""

    ticket: Ticket
    credential: AssertionBody
    remember: Remember = False


class PasswordAgain(Strict):
    """The password of whoever is signed in, once more."""

    password: str = Field(min_length=1, max_length=1024)


class SecondFactorAnswer(Answer):
    """What was shown is right, and the account asks for more: show one of `methods` with the ticket."""

    mfa_required: Literal[True]
    ticket: str
    methods: list[str]


class PasswordChangeAnswer(Answer):
    """The password is right and opens nothing: send its successor with the ticket to `/password/replace`."""

    password_change_required: Literal[True]
    ticket: str
    reason: str


OnTheWay: TypeAlias = SecondFactorAnswer | PasswordChangeAnswer
"""Answers of a sign-in that goes on."""


def answered(handover: CookieHandover, visit: Visit, entered: Entered) -> SignedInAnswer | OnTheWay:
    """Return how a sign-in goes on, as JSON; with its cookies, where that is a session."""
    if isinstance(entered, SecondFactorOwed):
        return SecondFactorAnswer(mfa_required=True, ticket=entered.ticket, methods=list(entered.methods))
    if isinstance(entered, PasswordChangeRequired):
        return PasswordChangeAnswer(password_change_required=True, ticket=entered.ticket, reason=entered.reason)
    return hand_over(handover, visit, entered)


def hand_over(handover: CookieHandover, visit: Visit, grant: Grant) -> SignedInAnswer:
    """Return a grant; into the cookies it goes as well, but of a session that acts by bearer token and has none."""
    if visit.identity is None or visit.bearer is None:
        handover.give(visit, grant)
    return SignedInAnswer.of(grant)
