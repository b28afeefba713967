"""Everybody's notes, by the id of their account: the only name that never changes hands."""

from __future__ import annotations

notes: dict[str, list[str]] = {}
