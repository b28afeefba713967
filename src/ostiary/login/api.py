"""Signing in and out as JSON."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ostiary.core.errors import FieldError, InvalidFields
from ostiary.login.service import Login
from ostiary.passkeys import Passkeys
from ostiary.passkeys.answers import AssertionBody
from ostiary.passwords import PasswordChangeRequired
from ostiary.protection import LONGEST_SOLUTION
from ostiary.sessions import CookieHandover, Grant, Sessions
from ostiary.sessions.answers import SignedInAnswer
from ostiary.web.answers import Answer, Done, refusals
from ostiary.web.doors import AnyCaller, Strict, TheEdge, TheVisit, api_router, service
from ostiary.web.visit import Visit

router = api_router("login")

Name = Annotated[str, Field(min_length=1, max_length=320)]


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

    ticket: str = Field(min_length=1, max_length=128)
    new_password: str = Field(max_length=1024)


class PasswordChangeAnswer(Answer):
    """The password is right and opens nothing: send its successor with the ticket to `/password/replace`."""

    password_change_required: Literal[True]
    ticket: str
    reason: str


@router.post("/login", operation_id="login", responses=refusals(401, 423, 429, body=True))
async def login(
    credentials: Credentials,
    desk: Annotated[Login, service(Login)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: AnyCaller,
    visit: TheVisit,
) -> SignedInAnswer | PasswordChangeAnswer:
    """Sign in by username or proven address, and password."""
    entered = await desk.with_password(caller, credentials.name, credentials.password, solution=credentials.challenge)
    return _entered(handover, visit, entered)


@router.post("/password/replace", operation_id="replacePassword", responses=refusals(401, 423, 429, body=True))
async def replace_password(
    replacement: Replacement,
    desk: Annotated[Login, service(Login)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: AnyCaller,
    visit: TheVisit,
) -> SignedInAnswer | PasswordChangeAnswer:
    """Replace a password that a sign-in found to be breached, and sign in; every other session ends."""
    return _entered(handover, visit, await desk.with_replacement(caller, replacement.ticket, replacement.new_password))


class PasskeyShown(Strict):
    """What the browser's authenticator answered."""

    credential: AssertionBody


@router.post("/passkeys/sign-in/finish", operation_id="signInWithPasskey", responses=refusals(401, 422, 429, body=True))
async def finish_passkey_sign_in(
    body: PasskeyShown,
    desk: Annotated[Login, service(Login)],
    passkeys: Annotated[Passkeys, service(Passkeys)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: AnyCaller,
    visit: TheVisit,
    edge: TheEdge,
) -> SignedInAnswer:
    """Sign in by a passkey, without a name: two factors in one step."""
    browser = passkeys.challenges.browser_in(edge.cookies.read(visit, "passkey"))
    grant = await desk.with_passkey(caller, body.credential.read(), browser)
    visit.answers.append(edge.cookies.clear("passkey"))
    handover.give(visit, grant)
    return SignedInAnswer.of(grant)


@router.post("/logout", operation_id="logout", responses=refusals(403))
async def logout(
    sessions: Annotated[Sessions, service(Sessions)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: AnyCaller,
    visit: TheVisit,
    edge: TheEdge,
) -> Done:
    """End the session and clear its cookies; nothing is wrong if it is over already."""
    await sessions.sign_out(caller, await edge.guard.session_to_end(visit))
    handover.take(visit)
    visit.answers.append((b"clear-site-data", b'"cache", "storage"'))
    return Done(detail="You are signed out.")


def _entered(
    handover: CookieHandover, visit: Visit, entered: Grant | PasswordChangeRequired
) -> SignedInAnswer | PasswordChangeAnswer:
    if isinstance(entered, PasswordChangeRequired):
        return PasswordChangeAnswer(password_change_required=True, ticket=entered.ticket, reason=entered.reason)
    handover.give(visit, entered)
    return SignedInAnswer.of(entered)
