"""What more than a credential a request may need: a permission, and a sign-in that is not long ago."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.core.errors import Problem

if TYPE_CHECKING:
    from ostiary.core.clock import Millis


class SignInTooOld(Problem):
    """What is asked for needs a sign-in that is not so long ago (RFC 9470)."""

    slug = "sign-in-too-old"
    title = "Please sign in again to go on."
    status = 401

    def __init__(self, max_age: int) -> None:
        super().__init__(extra={"max_age": max_age})
        self.challenge = (
            'Bearer realm="ostiary", error="insufficient_user_authentication", '
            f'error_description="A more recent sign-in is needed.", max_age="{max_age}"'
        )


class NotPermitted(Problem):
    """The account lacks the permission that is needed here."""

    slug = "not-permitted"
    title = "Your account may not do this."
    status = 403


def require_recent(auth_time: int, seconds: int, now: Millis) -> None:
    """Refuse a sign-in that is longer ago than so many seconds (RFC 9470).

    Args:
        auth_time: When the person last proved who they are, in seconds since 1970.
        seconds: How long ago that may be.
        now: The time.

    Raises:
        SignInTooOld: It is longer ago.
    """
    if now / 1000 - auth_time > seconds:
        raise SignInTooOld(seconds)
