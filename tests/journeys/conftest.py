"""A development server for each module, and as many browsers at its door as a test needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest
from tests.journeys.people import LAPTOP, Device
from tests.services.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import BrowserContext

# Everybody comes from one address here; what the limits are is tested elsewhere, and so is what hashing costs.
ROOMY = {
    "OSTIARY_PROTECTION__SIGNUPS_PER_HOUR": "10000",
    "OSTIARY_PROTECTION__LOGIN_FAILURES_PER_MINUTE": "10000",
    "OSTIARY_PROTECTION__LOGIN_FAILURES_PER_HOUR": "10000",
    "OSTIARY_PROTECTION__WEIGHINGS_PER_MINUTE": "10000",
    "OSTIARY_PROTECTION__RESETS_PER_HOUR": "10000",
    "OSTIARY_HASHING__MEMORY_KIB": "8",
    "OSTIARY_HASHING__PASSES": "1",
    "OSTIARY_HASHING__NICENESS": "0",
}


class OpenDevice(Protocol):
    """Opens a browser of its own; whatever it complains about fails the test at its end."""

    def __call__(self, **options: Any) -> Device: ...  # noqa: ANN401 - whatever a browser context takes


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One `ostiary dev` for the whole module; nothing may have failed in it when the module ends."""
    server = ServerProcess(tmp_path_factory.mktemp("house"), command="dev", environment=ROOMY)
    try:
        server.wait_until_ready()
        yield server
        said = [line for line in server.output.splitlines() if line.startswith(("ERROR", "Traceback"))]
        assert [line for line in said if not line.startswith("ERROR ostiary.alerts: alert ")] == []
    finally:
        server.close()


@pytest.fixture
def open_device(house: ServerProcess, new_context: Callable[..., BrowserContext]) -> Iterator[OpenDevice]:
    """Open devices at the door of `house`."""
    opened: list[Device] = []

    def open_one(**options: Any) -> Device:  # noqa: ANN401 - as above
        device = Device(new_context(**{"user_agent": LAPTOP, **options}), house)
        opened.append(device)
        return device

    yield open_one
    complaints = [complaint for device in opened for complaint in device.complaints]
    assert complaints == []


@pytest.fixture
def laptop(open_device: OpenDevice) -> Device:
    """One device with an ordinary browser."""
    return open_device()
