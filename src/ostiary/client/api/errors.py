"""What can go wrong between a program and the API, as exceptions that hold no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from ostiary.client.problems import PROBLEM_TYPES


class OstiaryError(Exception):
    """Anything that a call raises; says which operation, and never what was sent."""


class NoAnswer(OstiaryError):  # noqa: N818 - says what happened
    """The house could not be reached, or the answer did not come in time: what was asked for may have been done."""


class AnswerNotUnderstood(OstiaryError):  # noqa: N818 - says what happened
    """What came is no answer of this API: too long, no JSON, of another shape, or a redirect, which is not followed."""


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field."""

    field: str
    message: str
    code: str


class ApiProblem(OstiaryError):  # noqa: N818 - RFC 9457's own word for it
    """The house refuses, and says why (RFC 9457).

    Attributes:
        operation: The `operationId` of what was asked for.
        status: The HTTP status.
        slug: Last part of `type`, as in `docs/problems/<slug>.md`; empty where a proxy answered in its own words.
        type: The URI of this kind of problem.
        title: The same words at every occurrence.
        detail: What is particular to this one, or None.
        errors: One entry for each field at fault.
        retry_after: Whole seconds until a repetition can succeed, or None.
        acr_values: The strength that a step-up has to reach, or None.
        max_age: How many seconds ago the sign-in may be, or None.
        request_id: Finds the request in the house's log.
        members: Every member of the document, those of this kind alone too.
    """

    def __init__(self, operation: str, status: int, document: Mapping[str, object], retry_after: int | None) -> None:
        self.operation = operation
        self.status = status
        self.members = dict(document)
        self.type = _text(document, "type") or "about:blank"
        self.slug = self.type.removeprefix(PROBLEM_TYPES) if self.type.startswith(PROBLEM_TYPES) else ""
        self.title = _text(document, "title") or _phrase(status)
        self.detail = _text(document, "detail")
        self.errors = _faults(document.get("errors"))
        told = document.get("retry_after")
        self.retry_after = told if isinstance(told, int) else retry_after
        self.acr_values = _text(document, "acr_values")
        age = document.get("max_age")
        self.max_age = age if isinstance(age, int) else None
        self.request_id = _text(document, "request_id")
        super().__init__(f"{operation}: {status} {self.detail or self.title}")


class SignInNeeded(ApiProblem):
    """Nobody is signed in, or the session has ended: it takes a new sign-in, or another key."""


class ProofRefused(ApiProblem):
    """What was shown proves nothing: a password, a code, a passkey, a ticket or the secret of a letter."""


class StepUpNeeded(ApiProblem):
    """Needs a sign-in that is more recent or stronger: see `acr_values`, `max_age` and `client.step_up`."""


class NotPermitted(ApiProblem):
    """Not for this account, not by this key, or not from here."""


class FieldsRefused(ApiProblem):
    """Some values need another look; `errors` says which."""


class NotThere(ApiProblem):
    """There is no such thing, or it is not the caller's own."""


class Locked(ApiProblem):
    """Too many wrong attempts; `retry_after` says for how long."""


class LimitReached(ApiProblem):
    """Too many requests; `retry_after` says for how long."""


class Unavailable(ApiProblem):
    """The house is busy, or cannot answer safely now."""


_BY_SLUG: Final[dict[str, type[ApiProblem]]] = {
    "not-signed-in": SignInNeeded,
    "refresh-refused": SignInNeeded,
    "api-key-refused": SignInNeeded,
    "sign-in-too-old": StepUpNeeded,
    "sign-in-too-weak": StepUpNeeded,
}
_BY_STATUS: Final[dict[int, type[ApiProblem]]] = {
    401: ProofRefused,
    403: NotPermitted,
    404: NotThere,
    422: FieldsRefused,
    423: Locked,
    429: LimitReached,
    503: Unavailable,
}


def problem(operation: str, status: int, document: Mapping[str, object], retry_after: int | None) -> ApiProblem:
    """Return a refusal as the exception that it is raised as."""
    plain = ApiProblem(operation, status, document, retry_after)
    kind = _BY_SLUG.get(plain.slug) or _BY_STATUS.get(status, ApiProblem)
    return kind(operation, status, document, retry_after)


def _text(document: Mapping[str, object], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None


def _faults(found: object) -> tuple[FieldFault, ...]:
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    return tuple(
        FieldFault(_text(one, "field") or "", _text(one, "message") or "", _text(one, "code") or "") for one in entries
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"
