"""Refusals that concern recovery codes."""

from __future__ import annotations

from ostiary.core.errors import Problem


class NoSecondFactor(Problem):
    """A code that stands in for a second factor is worth nothing where none is set up."""

    slug = "no-second-factor"
    title = "There is no second factor that recovery codes could stand in for. Set one up first."
    status = 409
