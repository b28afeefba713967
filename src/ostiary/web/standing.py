"""What more than a credential a request may need: a permission, and a sign-in that is young and strong enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ostiary.client import STRENGTHS, Strength, reaches
from ostiary.core.errors import Problem

if TYPE_CHECKING:
    from ostiary.core.clock import Millis


class InsufficientAuthentication(Problem):
    """What is asked for needs another proof of who somebody is than was shown (RFC 9470)."""

    words = "A fresh proof is needed."

    def __init__(self, max_age: int | None, acr: Strength | None = None) -> None:
        asked: dict[str, object] = {"max_age": max_age, "acr_values": acr}
        demanded = {name: value for name, value in asked.items() if value is not None}
        super().__init__(extra=demanded)
        told = [
            'Bearer realm="ostiary"', 'error="insufficient_user_authentication"', f'error_description="{self.words}"',
            *(f'{name}="{value}"' for name, value in demanded.items()),
        ]  # fmt: skip
        self.challenge = ", ".join(told)


class SignInTooOld(InsufficientAuthentication):
    """What is asked for needs a sign-in that is not so long ago (RFC 9470)."""

    slug = "sign-in-too-old"
    title = "Please sign in again to go on."
    status = 401
    words = "A more recent sign-in is needed."


class SignInTooWeak(InsufficientAuthentication):
    """What is asked for needs a stronger proof than the one that was shown (RFC 9470)."""

    slug = "sign-in-too-weak"
    title = "Please show your second factor to go on."
    status = 401
    words = "A stronger sign-in is needed."


class NotPermitted(Problem):
    """The account lacks the permission that is needed here."""

    slug = "not-permitted"
    title = "Your account may not do this."
    status = 403
    headers = ((b"www-authenticate", b'Bearer realm="ostiary", error="insufficient_scope"'),)  # RFC 6750 section 3.1


class ApiKeyNotAccepted(Problem):
    """A genuine API key, at a door that is for people, or for keys of another kind."""

    slug = "api-key-not-accepted"
    title = "This API key cannot be used here."
    status = 403
    headers = ((b"www-authenticate", b'Bearer realm="ostiary", error="insufficient_scope"'),)  # RFC 6750 section 3.1


class ScopeMissing(Problem):
    """A genuine API key that was not made for what is asked for."""

    slug = "scope-missing"
    title = "This API key was not made for that."
    status = 403

    def __init__(self, scope: str) -> None:
        super().__init__(extra={"scope": scope})
        challenge = f'Bearer realm="ostiary", error="insufficient_scope", scope="{scope}"'
        self.headers = ((b"www-authenticate", challenge.encode("ascii", "replace")),)


class Bearing(Protocol):
    """Whom a credential names, as far as rights go."""

    @property
    def permissions(self) -> tuple[str, ...]:
        """What may be done by this credential, now."""
        ...

    @property
    def scopes(self) -> tuple[str, ...] | None:
        """What an API key was made for; None for a person, who is not bounded by scopes."""
        ...


def require_scope(bearing: Bearing, name: str) -> None:
    """Refuse an API key that was not made for something.

    Raises:
        ScopeMissing: It was not.
    """
    if bearing.scopes is not None and name not in bearing.scopes:
        raise ScopeMissing(name)


def require_permission(bearing: Bearing, name: str) -> None:
    """Refuse whoever may not do something: an API key by its scopes first, which tells nothing of its owner.

    Raises:
        ScopeMissing: The key was not made for it.
        NotPermitted: The account has not got the permission.
    """
    require_scope(bearing, name)
    if name not in bearing.permissions:
        raise NotPermitted


class Proven(Protocol):
    """When and how somebody has proven who they are."""

    @property
    def auth_time(self) -> int: ...  # noqa: D102 - in seconds since 1970
    @property
    def acr(self) -> str: ...  # noqa: D102 - how strong that was


def require_recent(auth_time: int, seconds: int, now: Millis, acr: Strength | None = None) -> None:
    """Refuse a sign-in that is longer ago than so many seconds (RFC 9470).

    Args:
        auth_time: When the person last proved who they are, in seconds since 1970.
        seconds: How long ago that may be.
        now: The time.
        acr: How strong the next proof has to be; for the challenge, so that one is enough.

    Raises:
        SignInTooOld: It is longer ago.
    """
    if now / 1000 - auth_time > seconds:
        raise SignInTooOld(seconds, acr)


def require_strong(proven: Proven, seconds: int, acr: Strength, now: Millis) -> None:
    """Refuse a sign-in that is longer ago than so many seconds, or less strong than a word of `acr` says.

    Raises:
        SignInTooOld: It is longer ago.
        SignInTooWeak: It is less strong.
    """
    require_recent(proven.auth_time, seconds, now, None if acr == STRENGTHS[0] else acr)
    if not reaches(proven.acr, acr):
        raise SignInTooWeak(seconds, acr)
