"""Refusals, in the shape of RFC 9457, without any knowledge of the web."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

PROBLEM_TYPES = "https://ostiary.dev/problems/"


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field, in words for the person who filled it in."""

    field: str
    message: str
    code: str = "invalid"


class Problem(Exception):  # noqa: N818 - RFC 9457's own word for it
    """A refusal that a caller may see: what happened, and what to do.

    One subclass for each kind of refusal, named as a person would say it. The
    edge turns it into `application/problem+json`; nothing here knows how.

    Attributes:
        slug: Last part of the problem's `type` URI; documented in `docs/problems/<slug>.md`.
        title: The same words at every occurrence.
        status: HTTP status code.
        keeps_deed: True where the refusal must commit what its unit did, as
            when a replayed token ends its session.
        detail: What is particular to this occurrence, or None.
        errors: One entry for each field at fault.
        retry_after: Whole seconds until a repetition can succeed, or None.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    keeps_deed: ClassVar[bool] = False

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
        extra: dict[str, object] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after
        self.extra = extra or {}

    def document(self) -> dict[str, object]:
        """Return the members of the problem document, without the request's own."""
        members: dict[str, object] = {
            "type": PROBLEM_TYPES + self.slug,
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            members["detail"] = self.detail
        if self.errors:
            members["errors"] = [{"field": e.field, "message": e.message, "code": e.code} for e in self.errors]
        if self.retry_after is not None:
            members["retry_after"] = self.retry_after
        return members | self.extra


class InvalidFields(Problem):
    """One or more fields cannot be accepted as they stand."""

    slug = "invalid-fields"
    title = "Some fields need another look."
    status = 422


class TooBusy(Problem):
    """The server protects what it is already doing (D7: admission control)."""

    slug = "too-busy"
    title = "The server is busy. Please try again shortly."
    status = 503


class Unavailable(Problem):
    """Something that a safe answer needs cannot be reached (D14: closed)."""

    slug = "unavailable"
    title = "The service cannot answer safely right now. Please try again."
    status = 503


class Misconfigured(Exception):  # noqa: N818 - reads as the sentence it is
    """A setting that must not start; the message names it and the remedy."""


_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def every_problem() -> list[type[Problem]]:
    """Return each concrete Problem class imported so far, sorted by slug."""
    found: list[type[Problem]] = []
    waiting = list(Problem.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if "slug" in kind.__dict__:
            assert _SLUG.fullmatch(kind.slug), kind
            found.append(kind)
    return sorted(set(found), key=lambda kind: kind.slug)
