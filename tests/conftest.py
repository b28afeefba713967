"""Fixtures for every test."""

from __future__ import annotations

from tests.house import *  # noqa: F403
from tests.services.fixtures import *  # noqa: F403
