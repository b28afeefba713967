"""A database without a house."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.core.db.shelf import opened

from ostiary.core.db import Database


@pytest.fixture
async def database(database_url: str, patience: None) -> AsyncIterator[Database]:
    found = await opened(database_url)
    yield found
    await found.driver.close()
