"""Both forms of the client under one name, so that each test is written once and shows both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from operator import attrgetter
from typing import Any, Literal, TypeVar

import httpx
import uvicorn

from ostiary.client.api import AsyncOstiaryClient, OstiaryClient, Tokens
from ostiary.wiring import Ostiary

FORMS = ("blocking", "awaiting")
Form = Literal["blocking", "awaiting"]


THREADS = ThreadPoolExecutor(24, "client")  # as many at once as a test asks for; the loop's own are few
T = TypeVar("T")


async def in_a_thread(work: Callable[[], T]) -> T:
    """Run what blocks."""
    return await asyncio.get_running_loop().run_in_executor(THREADS, work)


class Moved:
    """A clock that a test moves."""

    def __init__(self, now: float = 1_900_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Kept:
    """Where a program saves its tokens: what `on_tokens` was told, oldest first."""

    def __init__(self) -> None:
        self.told: list[Tokens | None] = []

    @property
    def latest(self) -> Tokens | None:
        return self.told[-1] if self.told else None


class Client:
    """One client of either form: `await client("account.me")`."""

    def __init__(
        self, form: Form, url: str, *, kept: Kept | None = None, shares: bool = False, wire: Wire | None = None,
        slept: list[float] | None = None,
        **more: Any,  # noqa: ANN401
    ) -> None:  # fmt: skip
        self.form, self.wire, kept = form, wire or Wire(), kept or Kept()
        if slept is not None:
            more["sleep"] = slept.append if form == "blocking" else sleeper(slept)

        async def tell(tokens: Tokens | None) -> None:
            kept.told.append(tokens)

        async def latest() -> Tokens | None:
            return kept.latest

        self.real: OstiaryClient | AsyncOstiaryClient
        if form == "blocking":
            self.real = OstiaryClient(
                url, on_tokens=kept.told.append, latest_tokens=(lambda: kept.latest) if shares else None,
                transport=Blocking(self.wire), **more,
            )  # fmt: skip
        else:
            self.real = AsyncOstiaryClient(
                url, on_tokens=tell, latest_tokens=latest if shares else None, transport=Awaiting(self.wire), **more
            )

    async def __call__(self, verb: str, /, *args: Any, **values: Any) -> Any:  # noqa: ANN401
        method = attrgetter(verb)(self.real)
        if self.form == "blocking":
            return await in_a_thread(partial(method, *args, **values))
        return await method(*args, **values)

    async def all(self, name: str, **values: Any) -> list[Any]:  # noqa: ANN401
        """Read a list to its end."""
        pages = attrgetter(name)(self.real)(**values)
        if self.form == "blocking":
            return await in_a_thread(partial(list, pages))
        return [item async for item in pages]

    async def file(self, name: str) -> bytes:
        """Read a file to its end."""
        opened = attrgetter(name)(self.real)()
        if self.form == "awaiting":
            async with opened as parts:
                return b"".join([part async for part in parts])

        def read() -> bytes:
            with opened as parts:
                return b"".join(parts)

        return await in_a_thread(read)

    async def close(self) -> None:
        await self("close")


def sleeper(slept: list[float]) -> Callable[[float], Awaitable[None]]:
    """Return what waits for nothing, and tells how long it would have."""

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return sleep


class Wire:
    """What passes between a client and the network.

    Attributes:
        after: Called with each answer before the client sees it; may raise what httpx would.
    """

    def __init__(self, after: Callable[[httpx.Request], None] = lambda _: None) -> None:
        self.after = after
        self.asked: list[httpx.Request] = []

    def count(self, path: str) -> int:
        return sum(request.url.path.endswith(path) for request in self.asked)


class Blocking(httpx.HTTPTransport):
    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.wire.asked.append(request)
        answer = super().handle_request(request)
        self.wire.after(request)
        return answer


class Awaiting(httpx.AsyncHTTPTransport):
    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.wire.asked.append(request)
        answer = await super().handle_async_request(request)
        self.wire.after(request)
        return answer


async def until(happened: Callable[[], bool]) -> None:
    """Wait for something that tells nobody, no longer than ten seconds."""
    async with asyncio.timeout(10):
        while not happened():  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.005)


@asynccontextmanager
async def served(house: Ostiary) -> AsyncIterator[str]:
    """Serve a house on a loopback socket until the block ends; yield its address."""
    server = uvicorn.Server(uvicorn.Config(house.app, port=0, lifespan="off", log_level="error"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server._serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
