"""Lets browser tests and asynchronous tests live in one process.

Playwright's synchronous calls run its event loop in a greenlet, and leave that loop marked as
the running one of the thread between two calls. `asyncio.Runner` refuses to start then, so every
asynchronous test that follows a browser test in the same process would fail.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Playwright


def lend_the_loop(playwright: Playwright) -> None:
    """Mark Playwright's loop as running whenever control passes to it, whatever was marked before."""
    fiber, loop = playwright._dispatcher_fiber, playwright._loop
    hand_over = fiber.switch

    def switch(*values: Any) -> Any:  # noqa: ANN401  greenlet passes on whatever it is given
        asyncio._set_running_loop(loop)
        return hand_over(*values)

    fiber.switch = switch  # an attribute of this one object shadows its class's method


def take_the_loop_back() -> None:
    """Mark no loop as running, as it is true while no greenlet of Playwright has control."""
    asyncio._set_running_loop(None)
