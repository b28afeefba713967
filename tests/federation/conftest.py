"""A house, and providers that it sends people to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.contract.browser import Browser
from tests.federation.scripted import Scripted, open_provider
from tests.federation.steps import settings_for
from tests.house import OpenHouse, client_of

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> str:
    """SQLite, where the database is not what a test is about; races take both."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
async def provider(clock: ManualClock) -> AsyncIterator[Scripted]:
    """An OpenID provider whose word on addresses is taken."""
    async with open_provider(clock) as opened:
        yield opened


@pytest.fixture
def federation(provider: Scripted) -> dict[str, Any]:
    """Settings: the provider as `acme`, and as GitHub's like as `github`."""
    return settings_for(provider)


@pytest.fixture
async def house(open_house: OpenHouse, federation: dict[str, Any]) -> Ostiary:
    """A house that knows the provider."""
    opened: Ostiary = await open_house(work=False, **federation)
    return opened


@pytest.fixture
async def outside(house: Ostiary) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client at the door of `house`."""
    async with client_of(house) as client:
        yield client


@pytest.fixture
def visitor(outside: httpx.AsyncClient) -> Browser:
    """A browser that nobody is signed in with."""
    return Browser(outside)
