from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.client.api.forms import FORMS, Form, served

from ostiary.wiring import Ostiary


@pytest.fixture
def storage() -> str:
    """SQLite alone: a client sees no database."""
    return "sqlite"


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    found: Form = request.param
    return found


@pytest.fixture
async def url(house: Ostiary) -> AsyncIterator[str]:
    """A real house behind a real socket."""
    async with served(house) as address:
        yield address
