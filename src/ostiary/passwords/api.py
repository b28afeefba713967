"""Passwords as JSON: weigh one, change one's own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ostiary.passwords.service import Passwords
from ostiary.web.answers import Answer, Done, refusals
from ostiary.web.doors import AnyCaller, Strict, StrongCaller, api_router, service

router = api_router("passwords")

PasswordText = Annotated[str, Field(max_length=1024)]


class PasswordChange(Strict):
    """The current password and its successor."""

    current_password: PasswordText
    new_password: PasswordText


class PasswordToWeigh(Strict):
    """A password in the making, and what it must not be made of."""

    password: PasswordText
    username: str | None = Field(None, max_length=200)
    email: str | None = Field(None, max_length=320)
    full_name: str | None = Field(None, max_length=400)


class Weighed(Answer):
    """What the policy thinks of a password."""

    acceptable: bool
    score: int
    guesses: float
    reasons: list[str]
    warnings: list[str]
    suggestions: list[str]


@router.post("/password/change", operation_id="changePassword", responses=refusals(401, 404, 429, body=True))
async def change_password(
    change: PasswordChange, passwords: Annotated[Passwords, service(Passwords)], caller: StrongCaller
) -> Done:
    """Replace the caller's password, after a fresh, strong proof; every other session ends."""
    await passwords.change(caller, change.current_password, change.new_password)
    return Done(detail="Your password is changed. Other devices are signed out.")


@router.post("/password/check", operation_id="checkPassword", responses=refusals(429, body=True))
async def check_password(
    asked: PasswordToWeigh, passwords: Annotated[Passwords, service(Passwords)], caller: AnyCaller
) -> Weighed:
    """Say what the policy thinks of a password in the making; nothing is kept."""
    verdict = await passwords.weigh(
        caller, asked.password, username=asked.username, email=asked.email, full_name=asked.full_name
    )
    return Weighed(
        acceptable=verdict.acceptable, score=verdict.score, guesses=verdict.guesses,
        reasons=[reason.sentence for reason in verdict.reasons], warnings=list(verdict.warnings),
        suggestions=list(verdict.suggestions),
    )  # fmt: skip
