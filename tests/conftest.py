"""Fixtures for every test."""

from __future__ import annotations

import gc

import hypothesis
import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG

from tests.house import *  # noqa: F403
from tests.services.fixtures import *  # noqa: F403

LONGEST_NAME = 24

# A busy machine stands still for seconds. Hypothesis would take it for a slow example (200 ms) or slow data, and
# httpx for a server that does not answer (5 s); what is promised about time is asserted where it is measured.
hypothesis.settings.register_profile(
    "patient",
    parent=hypothesis.settings.get_profile(hypothesis.settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("patient")
for part in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, part, 60.0)


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


def pytest_collection_finish() -> None:
    """Search no more for garbage among ten thousand tests and all that they have loaded: it stays."""
    gc.collect()
    gc.freeze()
