"""Refusals that concern recovery."""

from __future__ import annotations

from ostiary.core.errors import Problem


class NotClosed(Problem):
    """Said to the keeper of the house only."""

    slug = "not-closed"
    title = "The account is open: its owner can come back by mail."
    status = 409
