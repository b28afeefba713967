"""Refusals become `application/problem+json`, here and nowhere else (D11)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from ostiary.core.errors import PROBLEM_TYPES, FieldError, InvalidFields, Problem

if TYPE_CHECKING:
    from ostiary.web.visit import Send, Visit

log = logging.getLogger(__name__)

MEDIA_TYPE = b"application/problem+json"
_encoder = msgspec.json.Encoder()


class NotFound(Problem):
    """Nothing is at that path."""

    slug = "not-found"
    title = "There is nothing here."
    status = 404


class MethodNotAllowed(Problem):
    """The path exists, but not for this method."""

    slug = "method-not-allowed"
    title = "This method is not allowed here."
    status = 405


class BodyTooLarge(Problem):
    """The body is larger than any that could be meant."""

    slug = "body-too-large"
    title = "The request's body is too large."
    status = 413


class HeadersTooLarge(Problem):
    """The headers are larger than any that could be meant (RFC 6585)."""

    slug = "headers-too-large"
    title = "The request's headers are too large."
    status = 431


class MediaTypeUnsupported(Problem):
    """The body is not of a type that this path reads."""

    slug = "media-type-unsupported"
    title = "Send the body as application/json."
    status = 415


class InternalFault(Problem):
    """A fault of ours; says nothing of its inside (D11)."""

    slug = "internal-fault"
    title = "Something went wrong on our side. The request id helps us find it."
    status = 500


def body_and_headers(problem: Problem, request_id: str) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Return status, body and headers of a problem's answer."""
    body = _encoder.encode(problem.document() | {"request_id": request_id})
    headers = [
        (b"content-type", MEDIA_TYPE),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if problem.retry_after is not None:
        headers.append((b"retry-after", str(problem.retry_after).encode()))
    if problem.status == HTTPStatus.UNAUTHORIZED:
        # One challenge, as clients read the first.
        headers.append((b"www-authenticate", getattr(problem, "challenge", 'Bearer realm="ostiary"').encode()))
    for name, value in getattr(problem, "headers", ()):
        headers.append((name, value))
    return problem.status, body, headers


async def send_problem(send: Send, visit: Visit, problem: Problem) -> None:
    """Answer with a problem document."""
    status, body, headers = body_and_headers(problem, visit.request_id)
    if visit.method == "HEAD":
        body = b""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def by_status(status: int) -> Problem:
    """Return the problem that a bare status of the framework stands for."""
    kinds: dict[int, type[Problem]] = {
        404: NotFound, 405: MethodNotAllowed, 413: BodyTooLarge, 415: MediaTypeUnsupported,
    }  # fmt: skip
    if status in kinds:
        return kinds[status]()
    if status < 500:
        return InvalidFields("The request could not be read.")
    return InternalFault()


_WORDS = {
    "missing": "This field is needed.",
    "extra_forbidden": "This field is not known here.",
    "string_type": "This must be text.",
    "bool_type": "This must be true or false.",
    "int_type": "This must be a whole number.",
    "string_too_long": "This is too long.",
    "string_too_short": "This is too short.",
    "model_attributes_type": "Send a JSON object.",
    "dict_type": "Send a JSON object.",
    "model_type": "Send a JSON object.",
}


def invalid_fields(errors: Any) -> InvalidFields:  # noqa: ANN401 - pydantic's own list of dicts
    """Return validation errors in words, each beside its field; what was sent is not repeated."""
    found = []
    for error in list(errors)[:50]:
        place = [str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")]
        # Names that the sender made up are not echoed at length.
        field = ".".join(place)[:80] or "body"
        message = _WORDS.get(error["type"], "This is not a valid value.")
        if error["type"] == "value_error":  # a rule of our own shapes, in its own words
            message = str(error["ctx"]["error"])
        found.append(FieldError(field, message, error["type"]))
    return InvalidFields(errors=tuple(found))


__all__ = [
    "PROBLEM_TYPES", "BodyTooLarge", "HeadersTooLarge", "InternalFault", "MediaTypeUnsupported", "MethodNotAllowed",
    "NotFound", "body_and_headers", "by_status", "invalid_fields", "send_problem",
]  # fmt: skip
