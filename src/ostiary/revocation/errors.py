"""Refusals that concern what is revoked."""

from __future__ import annotations

from ostiary.core.errors import Problem


class NoSuchList(Problem):
    """No token names a place in that status list."""

    slug = "no-such-list"
    title = "There is no such status list."
    status = 404
