"""Signing in and out as JSON."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from ostiary.core.errors import FieldError, InvalidFields
from ostiary.login.service import Login
from ostiary.protection import LONGEST_SOLUTION
from ostiary.sessions import CookieHandover, Sessions
from ostiary.sessions.answers import SignedInAnswer
from ostiary.web.answers import Done, refusals
from ostiary.web.doors import AnyCaller, Strict, TheEdge, TheVisit, api_router, service

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


@router.post("/login", operation_id="login", responses=refusals(401, 423, 429, body=True))
async def login(
    credentials: Credentials,
    desk: Annotated[Login, service(Login)],
    handover: Annotated[CookieHandover, service(CookieHandover)],
    caller: AnyCaller,
    visit: TheVisit,
) -> SignedInAnswer:
    """Sign in by username or proven address, and password."""
    grant = await desk.with_password(caller, credentials.name, credentials.password, solution=credentials.challenge)
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
