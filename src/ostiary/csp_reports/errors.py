"""Refusals that concern reports."""

from __future__ import annotations

from ostiary.core.errors import Problem


class MalformedReport(Problem):
    """Strict JSON, but none of the two forms in which browsers report."""

    slug = "malformed-report"
    title = "The body is no report of a violated content policy."
    status = 400
