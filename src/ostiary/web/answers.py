"""Shapes that many routes answer with, and how refusals are documented."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, WithJsonSchema

Moment: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time as `core.clock.iso` writes it, which the document calls one, so that clients read it as one."""


class Answer(BaseModel):
    """A JSON answer; documented in the OpenAPI document under its own name."""

    model_config = ConfigDict(frozen=True)


class Done(Answer):
    """Says in words what was done."""

    detail: str


class FieldErrorAnswer(Answer):
    """What is wrong with one field."""

    field: str
    message: str
    code: str


class ProblemAnswer(Answer):
    """A refusal (RFC 9457); a problem may have further members of its own."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldErrorAnswer] | None = None
    retry_after: int | None = None
    request_id: str


_WORDS = {
    400: "Not strict JSON.",
    401: "Not signed in, or what was shown proves nothing.",
    403: "This address is blocked, or the request comes from another site's page, or without its CSRF token.",
    404: "Nothing of the caller's own is there.",
    405: "Not for this method.",
    409: "Taken.",
    413: "The body is too large.",
    415: "Not application/json.",
    422: "Some fields need another look; `errors[]` says which.",
    423: "Locked; `Retry-After` says for how long.",
    429: "Too many; `Retry-After` says for how long.",
    431: "The headers are too large.",
    503: "Busy, or not able to answer safely; try again.",
}
ALWAYS = (403, 405, 413, 429, 431, 503)
WITH_BODY = (400, 415, 422)


BEARER = "bearer"
SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "needed": [{BEARER: []}],
    "looked at": [{}, {BEARER: []}],
    "ignored": [],
}
"""What the document says of a route, by what becomes of a credential there."""
FILE = {"type": "object", "format": "file"}
"""The schema of JSON that is too long to be read at once."""


def refusals(*statuses: int, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of the refusals that a route may answer with."""
    every = {*statuses, *ALWAYS, *(WITH_BODY if body else ())}
    schema = {"$ref": "#/components/schemas/ProblemAnswer"}
    return {
        status: {"description": _WORDS[status], "content": {"application/problem+json": {"schema": schema}}}
        for status in sorted(every)
    }
