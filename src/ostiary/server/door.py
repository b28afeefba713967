"""The whole house as one ASGI application: the gate and the fast lane at once, the breadth when it is loaded."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ostiary.server.lanes import lanes_of
from ostiary.web.gate import Gate
from ostiary.web.watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ostiary.web.visit import App, Receive, Scope, Send, Visit
    from ostiary.wiring import Ostiary


COSTLY = (("POST", "/api/v1/auth/login"), ("POST", "/api/v1/auth/register"))
"""Requests that strangers can send and that cost a hash: in a flood most are turned away at the gate."""


class Breadth:
    """Stands for the FastAPI application until it is loaded, which happens once, beside the loop.

    The framework takes a quarter of a second and 12 MB. A process that only
    answers the fast lane never pays them; elsewhere the first request for more
    waits, and the loop goes on meanwhile.
    """

    def __init__(self, house: Ostiary) -> None:
        self._house = house
        self._loading: asyncio.Task[App] | None = None
        self._app: App | None = None

    async def load(self) -> App:
        """Return the application, loading it at the first call."""
        if self._app is None:
            if self._loading is None:
                self._loading = asyncio.create_task(asyncio.to_thread(self._build))
            self._app = await asyncio.shield(self._loading)
            self._house.after_loading()
        return self._app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        app = self._app or await self.load()
        await app(scope, receive, send)

    def _build(self) -> App:
        import altcha  # noqa: F401, PLC0415 - so that the first refusal does not wait for it

        from ostiary.accounts import describe_agent  # noqa: PLC0415
        from ostiary.server.app import build  # noqa: PLC0415

        # Their patterns and tables take a tenth of a second to read, which no request should wait for.
        self._house.letters.warm()
        describe_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        return build(self._house)


class Turnstile:
    """Where a costly request waits for room: browsers that were signed in here go first, each once.

    A stranger has no genuine device cookie; one who has made an account to get
    it goes first with one request at a time, and no more.
    """

    def __init__(self, house: Ostiary) -> None:
        self._house = house
        self._inside: set[str] = set()

    @asynccontextmanager
    async def admitted(self, visit: Visit) -> AsyncIterator[None]:
        """Promise room for one hash, or refuse."""
        device = self._house.guard.device_of(visit)
        first = device is not None and device not in self._inside
        if device is not None and first:
            self._inside.add(device)
        try:
            async with self._house.hasher.admitted(first=first):
                yield
        finally:
            if device is not None and first:
                self._inside.discard(device)


def open_door(house: Ostiary) -> tuple[Gate, Breadth]:
    """Return the application of a house, and the part of it that loads later."""
    breadth = Breadth(house)
    admissions = dict.fromkeys(COSTLY, Turnstile(house).admitted)
    watch = Watch(house.traffic, house.blocks, house.guard)
    gate = Gate(
        breadth, lanes_of(house), house.settings.web, admissions, watch, house.addresses, house.probe,
        house.letters.languages,
    )  # fmt: skip
    return gate, breadth
