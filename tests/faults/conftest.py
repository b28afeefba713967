"""The fixtures of these tests."""

from __future__ import annotations

from tests.races.fixtures import *  # noqa: F403
