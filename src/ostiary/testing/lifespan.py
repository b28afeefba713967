"""The lifespan of an application that no server runs (ASGI lifespan protocol)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ostiary.web.visit import App, Message


@asynccontextmanager
async def lifespan(app: App | None) -> AsyncIterator[None]:
    """Start an application, and end it after the block; one that knows no lifespan just runs.

    Raises:
        RuntimeError: It said that it could not start, or end.
    """
    if app is None:
        yield
        return
    orders: asyncio.Queue[Message] = asyncio.Queue()
    answers: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    running = asyncio.ensure_future(app(scope, orders.get, answers.put))
    await _order(running, orders, answers, "startup")
    try:
        yield
    finally:
        await _order(running, orders, answers, "shutdown")
        await asyncio.gather(running, return_exceptions=True)


async def _order(
    running: asyncio.Future[None], orders: asyncio.Queue[Message], answers: asyncio.Queue[Message], what: str
) -> None:
    if running.done():
        return
    await orders.put({"type": f"lifespan.{what}"})
    told = asyncio.ensure_future(answers.get())
    either: set[asyncio.Future[Any]] = {running, told}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not told.done():  # it has ended, or raised, without a word: it speaks no lifespan
        told.cancel()
        return
    if told.result()["type"] == f"lifespan.{what}.failed":
        cause = (await asyncio.gather(running, return_exceptions=True))[0]
        raise RuntimeError(f"{what} failed: {told.result().get('message', '')}") from (
            cause if isinstance(cause, BaseException) else None
        )
