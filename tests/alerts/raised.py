"""What tests of alerts share: secrets, a raise of their own, and a clock that receivers believe."""

from __future__ import annotations

import base64
import secrets
import time
from typing import Any

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

KEEPER_MAIL = "keeper@example.org"
LOOPBACK = {"allowed_networks": ["127.0.0.0/8"]}


def new_secret(length: int = 32) -> str:
    """Return a signing secret as a receiver is given."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(length)).decode()


async def raised(house: Ostiary, kind: str = "spraying_seen", **said: Any) -> bool:  # noqa: ANN401
    """Raise an alert in a unit of its own; True if it is a new one."""
    async with house.database.unit() as unit:
        return await house.alerts.raise_(unit, kind, **said)


def set_to_now(clock: ManualClock) -> None:
    """Set the house's clock to the machine's, for receivers look at theirs."""
    clock.advance(milliseconds=time.time() * 1000 - clock.now())
