"""Forms of hosted pages: read, and shown again with what was wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.web.render import Form

if TYPE_CHECKING:
    from starlette.requests import Request

    from ostiary.core.errors import Problem

LONGEST_FIELD = 2048


async def fields(request: Request, *names: str) -> dict[str, str]:
    """Return the named fields of a form as text; what is missing or no text is empty."""
    form = await request.form(max_files=0, max_fields=20)
    found = {name: form.get(name) for name in names}
    return {name: clean(value) for name, value in found.items()}


def clean(value: object) -> str:
    """Return a field's text, or nothing if it holds what no field can (NUL) or too much of it."""
    if not isinstance(value, str) or len(value) > LONGEST_FIELD or "\x00" in value:
        return ""
    return value


def refused(problem: Problem, values: dict[str, str]) -> Form:
    """Return the form as it was filled in, with the refusal beside its fields; passwords are not kept."""
    errors: dict[str, list[str]] = {}
    for error in problem.errors:
        errors.setdefault(error.field, []).append(error.message)
    kept = {name: value for name, value in values.items() if "password" not in name}
    return Form(values=kept, errors=errors, problem=None if errors else (problem.detail or problem.title))
