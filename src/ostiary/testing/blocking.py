"""A house for tests that are not asynchronous: it runs on an event loop of a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import httpx

from ostiary.client.resource import ResourceServer

if TYPE_CHECKING:
    from ostiary.client import Strength
    from ostiary.testing.authenticator import Authenticator
    from ostiary.testing.house import AsyncOstiary
    from ostiary.testing.letters import SentLetter
    from ostiary.testing.people import MintedKey, SignedIn
    from ostiary.web.visit import App

T = TypeVar("T")
PATIENCE_SECONDS: Final = 60.0


def _result(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    try:
        is_own = asyncio.get_running_loop() is loop
    except RuntimeError:
        is_own = False
    if is_own:
        work.close()
        raise RuntimeError("This would wait for itself: on the house's own event loop, await its verbs.")
    return asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE_SECONDS)


class EventLoopThread:
    """An event loop that runs in a thread until the block ends."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ostiary-test", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    @contextmanager
    def holding(self, context: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Hold an asynchronous context over there while the block runs here."""
        leave, entered = asyncio.Event(), threading.Event()
        held: list[T] = []

        async def hold() -> None:  # entered and left in one task, as some contexts want it
            async with context as value:
                held.append(value)
                entered.set()
                await leave.wait()

        running = asyncio.run_coroutine_threadsafe(hold(), self._loop)
        running.add_done_callback(lambda _: entered.set())
        entered.wait(PATIENCE_SECONDS)
        try:
            if not held:
                running.result(0)
            yield held[0]
        finally:
            self._loop.call_soon_threadsafe(leave.set)
            if held:
                running.result(PATIENCE_SECONDS)


class BlockingTransport(httpx.BaseTransport):
    """Lets an `httpx.Client` call an ASGI application on another thread's event loop; answers come whole."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inner: httpx.AsyncBaseTransport) -> None:
        self._loop = loop
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over, and wait for its answer."""
        body = request.read()
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        return _result(self._loop, self._sent(sent))

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        body = b"".join([part async for part in answer.stream])
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(body))


class Blocking:
    """The verbs of an open house, each of which waits until it is done.

    Attributes:
        client: Calls the application, or the house; keeps cookies as a browser does.
        transport: The same for an `httpx.Client` of your own.
    """

    def __init__(self, house: AsyncOstiary, app: App | None = None) -> None:
        self.house = house
        self.clock = house.clock
        self.origin = house.origin
        self._loop = house.loop
        self.transport = BlockingTransport(self._loop, house.transport(app))
        self.client = httpx.Client(transport=self.transport, base_url=house.origin)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a verb of the house gives, such as `wait(house.sessions.listed(mira.id))`."""
        return _result(self._loop, work)

    def sign_in(
        self, username: str = "mira", *, permissions: Iterable[str] = (), acr: Strength = "aal1",
        email: str | None = None, verified: bool = True,
    ) -> SignedIn:  # fmt: skip
        """As `AsyncOstiary.sign_in`."""
        return self.wait(self.house.sign_in(username, permissions=permissions, acr=acr, email=email, verified=verified))

    def api_key(
        self, owner: str = "mira", *, scopes: Iterable[str] = (), permissions: Iterable[str] = (),
        networks: Iterable[str] = (), lifetime: timedelta | None = None, machine: bool = False,
    ) -> MintedKey:  # fmt: skip
        """As `AsyncOstiary.api_key`."""
        return self.wait(
            self.house.api_key(
                owner, scopes=scopes, permissions=permissions, networks=networks, lifetime=lifetime, machine=machine
            )
        )

    def passkey(self, owner: SignedIn, **traits: Any) -> Authenticator:  # noqa: ANN401 - the fields of Authenticator
        """As `AsyncOstiary.passkey`."""
        return self.wait(self.house.passkey(owner, **traits))

    def letter(self, to: str, about: str = "") -> SentLetter:
        """As `AsyncOstiary.letter`."""
        return self.wait(self.house.letter(to, about))

    def sent_letters(self, to: str | None = None, about: str = "") -> list[SentLetter]:
        """As `AsyncOstiary.sent_letters`."""
        return self.wait(self.house.sent_letters(to, about))

    def resource_server(self, **more: Any) -> ResourceServer:  # noqa: ANN401 - the arguments of ResourceServer
        """Return what a Flask, Django or ASGI application asks that trusts this house from elsewhere, by its clock."""
        own: dict[str, Any] = {
            "issuer": self.origin, "audience": self.house.minter.audience, "cookie": self.house.cookies.name("access"),
            "clock": lambda: self.clock.now() / 1000,
            "transport": BlockingTransport(self._loop, self.house.transport()),
        }  # fmt: skip
        return ResourceServer(**own | more)
