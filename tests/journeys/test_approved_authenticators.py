"""A house that welcomes the authenticators of one maker only, and somebody who brings another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.journeys.conftest import ROOMY
from tests.journeys.people import Device
from tests.journeys.virtual_keys import Key, settle
from tests.passkeys.makers import Maker
from tests.services.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("house")
    roots = data / "makers.pem"
    roots.write_bytes(Maker().pem)
    asked = {"OSTIARY_PASSKEYS__ATTESTATION": "direct", "OSTIARY_PASSKEYS__ATTESTATION_ROOTS": str(roots)}
    server = ServerProcess(data, command="dev", environment=ROOMY | asked)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.close()


def test_an_authenticator_that_nobody_approved_is_told_so(laptop: Device) -> None:
    """Chromium hands out its own attestation here, by a maker of its own."""
    settle(laptop)
    Key(laptop)
    page = laptop.go("/auth/passkeys")

    page.get_by_role("button", name="Add a passkey").click()

    expect(page.get_by_role("status")).to_have_text(
        "This kind of authenticator is not accepted here. Use one that was approved."
    )
    laptop.said.clear()  # the refusal stands in the console as well
    expect(laptop.go("/auth/passkeys").get_by_text("No passkey yet.")).to_be_visible()
