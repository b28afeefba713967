"""Fixtures for every test."""

from __future__ import annotations

import pytest

from tests.house import *  # noqa: F403
from tests.services.fixtures import *  # noqa: F403

LONGEST_NAME = 24


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name long values by their argument: keys and tokens are new in each process, and workers must agree on names."""
    if isinstance(val, str | bytes) and len(val) > LONGEST_NAME:
        return argname
    return None
