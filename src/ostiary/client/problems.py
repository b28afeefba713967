"""Refusals of an application that trusts an Ostiary, in the house's own words (RFC 9457) and with its challenges."""

from __future__ import annotations

import secrets
from typing import ClassVar, Final

import msgspec

PROBLEM_TYPES: Final = "https://ostiary.dev/problems/"
MEDIA_TYPE: Final = "application/problem+json"
_encoder = msgspec.json.Encoder()


class Refusal(Exception):  # noqa: N818 - says what happened
    """A request that is turned down: what happened, and what to do.

    Slugs, titles and statuses are those of the house's problems, so that a
    client need not know which of the two has refused it.

    Attributes:
        slug: Last part of the problem's `type` URI; described in `docs/problems/<slug>.md`.
        title: The same words at every occurrence.
        status: HTTP status code.
        can_sign_in: Whether signing in is a way out; a browser that is sent to the sign-in page for any other
            reason would come back with the same refusal, for ever.
        challenge: Parameters of `WWW-Authenticate: Bearer` (RFC 6750 section 3), or None for no challenge.
        retry_after: Whole seconds until a repetition can succeed, or None.
        reason: A fixed word for the log; never told to the caller.
        members: Members of the document besides those of every problem.
        request_id: Stands in the document and in the log.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    can_sign_in: bool = False

    def __init__(
        self,
        *,
        challenge: dict[str, str] | None = None,
        retry_after: int | None = None,
        reason: str = "",
        members: dict[str, object] | None = None,
    ) -> None:
        super().__init__(self.title)
        self.challenge = challenge
        self.retry_after = retry_after
        self.reason = reason
        self.members = members or {}
        self.request_id = secrets.token_hex(8)

    def document(self) -> dict[str, object]:
        """Return the members of the problem document."""
        found: dict[str, object] = {"type": PROBLEM_TYPES + self.slug, "title": self.title, "status": self.status}
        if self.retry_after is not None:
            found["retry_after"] = self.retry_after
        return found | self.members | {"request_id": self.request_id}

    def body(self) -> bytes:
        """Return the document as JSON."""
        return _encoder.encode(self.document())

    def www_authenticate(self) -> str | None:
        """Return the challenge, or None; one, as clients read the first."""
        if self.challenge is None:
            return None
        parameters = {"realm": "ostiary"} | self.challenge
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers of the answer, without its length."""
        found = [("Content-Type", MEDIA_TYPE), ("Cache-Control", "no-store")]
        challenge = self.www_authenticate()
        if challenge is not None:
            found.append(("WWW-Authenticate", challenge))
        if self.retry_after is not None:
            found.append(("Retry-After", str(self.retry_after)))
        return found


class NotSignedIn(Refusal):
    """No credential, or one that proves nothing: never said which (D14)."""

    slug = "not-signed-in"
    title = "Please sign in."
    status = 401

    def __init__(self, *, reason: str = "") -> None:
        # RFC 6750 section 3.1: no error code for a request that has shown nothing.
        shown = {"error": "invalid_token", "error_description": "The access token proves nothing."} if reason else {}
        super().__init__(challenge=shown, reason=reason)
        # What the issuer has signed for somebody else, it will sign for them again.
        self.can_sign_in = reason in ("", "expired", "revoked")


class SignInTooOld(Refusal):
    """What is asked for needs a sign-in that is more recent (RFC 9470)."""

    slug = "sign-in-too-old"
    title = "Please sign in again to go on."
    status = 401
    can_sign_in = True
    words: ClassVar[str] = "A more recent sign-in is needed."

    def __init__(self, *, max_age: int | None = None, acr: str | None = None) -> None:
        challenge = {"error": "insufficient_user_authentication", "error_description": self.words}
        members: dict[str, object] = {}
        if max_age is not None:
            challenge["max_age"] = str(max_age)
            members["max_age"] = max_age
        if acr is not None:
            challenge["acr_values"] = acr
            members["acr_values"] = acr
        super().__init__(challenge=challenge, members=members)


class SignInTooWeak(SignInTooOld):
    """What is asked for needs a stronger sign-in (RFC 9470)."""

    slug = "sign-in-too-weak"
    title = "Please show your second factor to go on."
    words = "A stronger sign-in is needed."


class ApiKeyRefused(Refusal):
    """An API key, where only the issuer's public keys are known: nobody here can say what it is worth."""

    slug = "api-key-refused"
    title = "This API key does not open anything here."
    status = 401

    def __init__(self) -> None:
        told = "API keys are verified by the Ostiary that made them. Show an access token here."
        challenge = {"error": "invalid_token", "error_description": told}
        super().__init__(challenge=challenge, members={"detail": told}, reason="api-key")


class ScopeMissing(Refusal):
    """The credential was not made for what is asked for."""

    slug = "scope-missing"
    title = "This API key was not made for that."
    status = 403

    def __init__(self, scope: str) -> None:
        super().__init__(challenge={"error": "insufficient_scope", "scope": scope}, members={"scope": scope})


class NotPermitted(Refusal):
    """The account lacks the permission that is needed here."""

    slug = "not-permitted"
    title = "Your account may not do this."
    status = 403

    def __init__(self) -> None:
        super().__init__(challenge={"error": "insufficient_scope"})


class AddressNotProven(Refusal):
    """What is asked for is for accounts whose address is proven (D4)."""

    slug = "address-not-proven"
    title = "Please confirm your address first."
    status = 403

    def __init__(self) -> None:
        super().__init__(challenge={"error": "insufficient_scope"})


class ForeignOrigin(Refusal):
    """The request acts by cookie and was made by a page of another origin, or does not say by whose."""

    slug = "foreign-origin"
    title = "This request came from another site and was not carried out."
    status = 403


class CsrfTokenMissing(Refusal):
    """The request acts by cookie and has not passed the framework's own check against forgery."""

    slug = "csrf-token-missing"
    title = "The form has grown old. Please load the page again and repeat."
    status = 403


class Unavailable(Refusal):
    """The issuer's keys cannot be had, so that nobody can be believed (D14: closed)."""

    slug = "unavailable"
    title = "The service cannot answer safely right now. Please try again."
    status = 503
