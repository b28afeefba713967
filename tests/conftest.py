"""Fixtures for every test."""

from __future__ import annotations

from tests.services.fixtures import *  # noqa: F403
