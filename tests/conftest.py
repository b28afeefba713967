"""Fixtures for every test."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.house import *  # noqa: F403
from tests.services.fixtures import *  # noqa: F403

LONGEST_NAME = 24

# Hypothesis would take a machine that stands still, for 200 ms or while an example is thought of, for a fault.
settings.register_profile("unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name long values by their argument: keys and tokens are new in each process, and workers must agree on names."""
    if isinstance(val, str | bytes) and len(val) > LONGEST_NAME:
        return argname
    return None


@pytest.hookimpl(tryfirst=True)  # before `-m` takes any away
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a quiet test that `tasks.py test` would not find: it reads the files for the words."""
    for item in items:
        if item.get_closest_marker("quiet") and "pytest.mark.quiet" not in item.path.read_text(encoding="utf-8"):
            raise pytest.UsageError(f"{item.path} has a quiet test and not the words `pytest.mark.quiet`")
