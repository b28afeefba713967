"""Fixtures for applications that use Ostiary. pytest loads this wherever it is: nothing is imported until asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ostiary.testing import InProcessOstiary


@pytest.fixture
def ostiary_settings() -> Mapping[str, Mapping[str, Any]]:
    """Settings of the `ostiary` fixture, by section; define your own fixture of this name to set some."""
    return {}


@pytest.fixture
def ostiary(ostiary_settings: Mapping[str, Mapping[str, Any]]) -> InProcessOstiary:
    """Give a new Ostiary for this test, with nobody in it, not yet open."""
    from ostiary.testing import InProcessOstiary  # noqa: PLC0415 - the whole server, for who asks for one

    return InProcessOstiary(**ostiary_settings)
