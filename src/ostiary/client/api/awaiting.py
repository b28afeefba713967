"""The API for programs on an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Self, TypeVar

import httpx

from ostiary.client.api import wire
from ostiary.client.api.cookies import Cookies
from ostiary.client.api.errors import AnswerNotUnderstood, LimitReached, NoAnswer, SignInNeeded, Unavailable
from ostiary.client.api.renewal import renewal_call
from ostiary.client.api.shapes.common import SignedIn
from ostiary.client.api.tokens import RENEWAL_TIMEOUT, Tokens
from ostiary.client.api.verbs import AsyncVerbs
from ostiary.client.api.wire import Bounds, Heard

if TYPE_CHECKING:
    import ssl

    from ostiary.client.api.call import Call

T = TypeVar("T")
OnTokens = Callable[[Tokens | None], Awaitable[None]]
LatestTokens = Callable[[], Awaitable[Tokens | None]]


class AsyncOstiaryClient(AsyncVerbs):
    """The API of one house, shown one credential: an API key, or the tokens of a session.

    Whatever signs in (`auth.login`, `auth.register`, `step_up.with_password`, …) leaves the client signed in. Its
    access token is exchanged before it runs out, once for all tasks. Make one at start, and close it at the end, or
    use it in an `async with`.

    Args:
        url: The house's origin, such as `https://auth.example.org`; http only to this machine.
        api_key: An API key; then nobody signs in with this client.
        tokens: Those of a session that goes on.
        on_tokens: Told of each new pair before it is used, and None when the session is over: save them. Must not
            call the client.
        latest_tokens: Asked before an exchange and after one that was refused, where several processes share a
            session: what another one has saved meanwhile is taken instead.
        cookies: What `cookies` held when this device signed in last, so that it is known again.
        bounds: What to wait for, and how much to take.
        tls: How to check the house's certificate instead of the usual way.
        transport: How to reach the network instead of httpx's own way, or whose connections to share.
        clock: The time, in seconds since 1970.
        sleep: Waits for some seconds.

    Raises:
        ValueError: The address could be read or changed on the way, or two credentials are given.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        tokens: Tokens | None = None,
        on_tokens: OnTokens | None = None,
        latest_tokens: LatestTokens | None = None,
        cookies: Mapping[str, str] | None = None,
        bounds: Bounds | None = None,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if api_key is not None and tokens is not None:
            raise ValueError("Show an API key or the tokens of a session, not both.")
        super().__init__(self)
        self._origin = wire.origin_of(url)
        self._api_key = api_key
        self._tokens = tokens
        self._on_tokens = on_tokens
        self._latest_tokens = latest_tokens
        self._cookies = Cookies(cookies or {})
        self._bounds = bounds or Bounds()
        self._clock = clock
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._renewals: set[asyncio.Task[str | None]] = set()
        self._is_owner = not isinstance(transport, httpx.AsyncClient)
        self._http = transport if isinstance(transport, httpx.AsyncClient) else self._connections(transport, tls)

    def _connections(self, transport: httpx.AsyncBaseTransport | None, tls: ssl.SSLContext | None) -> httpx.AsyncClient:
        """Return a client that follows nothing and keeps nothing by itself."""
        return httpx.AsyncClient(
            transport=transport, timeout=self._bounds.timeout, verify=tls if tls is not None else True,
            follow_redirects=False, cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )  # fmt: skip

    def __repr__(self) -> str:
        held = "an API key" if self._api_key else "a session" if self._tokens else "nothing"
        return f"{type(self).__name__}({self._origin!r}, shows {held})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections; the session goes on until `auth.logout`."""
        if self._is_owner:
            await self._http.aclose()

    @property
    def tokens(self) -> Tokens | None:
        """Those of the session that the client is in."""
        return self._tokens

    @property
    def cookies(self) -> dict[str, str]:
        """What this device is known by; for the next client's `cookies`."""
        return self._cookies.saved()

    def in_session(
        self, tokens: Tokens | None, on_tokens: OnTokens | None = None, latest_tokens: LatestTokens | None = None
    ) -> AsyncOstiaryClient:
        """Return a client for another session, over the same connections: for programs that act for many people.

        It is good until this one is closed.
        """
        return AsyncOstiaryClient(
            self._origin, tokens=tokens, on_tokens=on_tokens, latest_tokens=latest_tokens,
            bounds=self._bounds, transport=self._http, clock=self._clock, sleep=self._sleep,
        )  # fmt: skip

    # What the verbs call

    async def send(self, call: Call[T]) -> T:
        """Send a call and return its answer; the verbs do this.

        Raises:
            ApiProblem: The house refuses.
            NoAnswer: Nothing came, or not in time.
            AnswerNotUnderstood: What came is no answer of this API.
        """
        if SignedIn not in call.answers and not call.signs_out:
            return wire.read(call, await self._exchange(call))
        async with self._turn:  # no exchange of tokens meanwhile: whichever came last would not be the newest
            answer = wire.read(call, await self._exchange(call, in_turn=True))
            if isinstance(answer, SignedIn):
                await self._adopt(Tokens.of(answer, self._clock()))
            elif call.signs_out:
                await self._adopt(None)
            return answer

    @asynccontextmanager
    async def stream(self, call: Call[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
        """Send a call and yield the parts of its answer; the verbs do this.

        Raises:
            ApiProblem: The house refuses.
            NoAnswer: Nothing came, or it broke off.
            AnswerNotUnderstood: What came is no answer of this API.
        """
        shown = await self._credential(call)
        async with self._opened(call, shown) as answer:
            if wire.is_file(answer.status_code, answer.headers):
                async with aclosing(_told(call.operation, answer)) as parts:
                    yield parts
                return
            heard = await self._heard(call, answer)
        if self._may_renew(shown, heard):
            async with self._opened(call, await self._credential(call, refused=shown)) as answer:
                if wire.is_file(answer.status_code, answer.headers):
                    async with aclosing(_told(call.operation, answer)) as parts:
                        yield parts
                    return
                heard = await self._heard(call, answer)
        wire.raise_refusal(call, heard)

    # Credentials

    def _may_renew(self, shown: str | None, heard: Heard) -> bool:
        return shown is not None and self._api_key is None and wire.refused_as_stranger(heard)

    async def _credential(self, call: Call[T], refused: str | None = None, *, in_turn: bool = False) -> str | None:
        """Return what to show; a pair that has run out, or whose token was refused, is exchanged first."""
        if self._api_key is not None or call.credential == "ignored":
            return self._api_key if call.credential != "ignored" else None
        held = self._tokens
        if held is None or (self._clock() < held.renew_at and held.access_token != refused):
            return held.access_token if held is not None else None
        try:
            return await self._renewed(refused, in_turn=in_turn)
        except SignInNeeded:
            if call.credential == "needed":
                raise
            return None

    async def _renewed(self, refused: str | None, *, in_turn: bool) -> str | None:
        """Exchange the tokens in a task of its own.

        It ends with nobody who waits for it: the successor of an exchange that was broken off would be lost, and
        after the grace the session with it.
        """

        async def alone() -> str | None:
            async with self._turn:
                return await self._renew(refused)

        renewal = asyncio.create_task(self._renew(refused) if in_turn else alone())
        self._renewals.add(renewal)
        renewal.add_done_callback(self._renewals.discard)
        return await asyncio.shield(renewal)

    async def _renew(self, refused: str | None) -> str | None:
        held = self._tokens
        if held is None or (self._clock() < held.renew_at and held.access_token != refused):
            return held.access_token if held is not None else None  # another task has done it
        held = await self._taken_over(held)
        if self._clock() < held.renew_at and held.access_token != refused:
            return held.access_token
        try:
            answer = await self._exchanged(held.refresh_token)
        except SignInNeeded:
            theirs = await self._taken_over(held)
            if theirs is held:
                await self._adopt(None)
                raise
            return theirs.access_token
        except (NoAnswer, LimitReached, Unavailable):
            if refused is not None:
                raise
            return held.access_token  # good for some seconds yet, perhaps
        await self._adopt(Tokens.of(answer, self._clock()))
        return answer.access_token

    async def _taken_over(self, held: Tokens) -> Tokens:
        """Return what another process has saved meanwhile, or what is held."""
        latest = await self._latest_tokens() if self._latest_tokens is not None else None
        if latest is None or latest.renew_at <= held.renew_at:  # a store may lag behind
            return held
        self._tokens = latest
        return latest

    async def _exchanged(self, refresh_token: str) -> SignedIn:
        call = renewal_call(refresh_token)
        try:
            return wire.read(call, await self._once(call, None, seconds=RENEWAL_TIMEOUT))
        except NoAnswer:
            await self._sleep(wire.REPEAT_LOST_SECONDS)
        # Within the grace: the answer is the same successor.
        return wire.read(call, await self._once(call, None, seconds=RENEWAL_TIMEOUT))

    async def _adopt(self, tokens: Tokens | None) -> None:
        if self._api_key is None:
            self._tokens = tokens
            if self._on_tokens is not None:
                await self._on_tokens(tokens)

    # The wire

    async def _exchange(self, call: Call[T], *, in_turn: bool = False) -> Heard:
        shown = await self._credential(call, in_turn=in_turn)
        heard = await self._attempts(call, shown)
        if not self._may_renew(shown, heard):
            return heard
        # Nothing was done for a stranger: it may be sent again.
        renewed = await self._credential(call, refused=shown, in_turn=in_turn)
        return heard if renewed == shown else await self._attempts(call, renewed)

    async def _attempts(self, call: Call[T], credential: str | None) -> Heard:
        attempts, waited = 0, 0.0
        while True:
            attempts += 1
            try:
                heard = await self._once(call, credential)
            except NoAnswer:
                if call.method != "GET" or attempts >= wire.MOST_ATTEMPTS:  # it may have been done
                    raise
                pause: float | None = wire.REPEAT_LOST_SECONDS
            else:
                pause = wire.pause_before_repeating(call, heard, attempts, waited, self._bounds.patience)
                if pause is None:
                    return heard
            await self._sleep(pause or 0.0)
            waited += pause or 0.0

    async def _once(self, call: Call[T], credential: str | None, seconds: float | None = None) -> Heard:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds if seconds is not None else self._bounds.deadline):
                async with self._opened(call, credential, seconds) as answer:
                    return await self._heard(call, answer)
        raise NoAnswer(f"{call.operation}: the answer came too slowly.")

    @asynccontextmanager
    async def _opened(
        self, call: Call[T], credential: str | None, seconds: float | None = None
    ) -> AsyncIterator[httpx.Response]:
        request = self._http.build_request(
            call.method, self._origin + call.path, params=call.parameters or None, content=call.content(),
            headers=wire.headers_for(call, credential, self._cookies.header()),
            timeout=seconds if seconds is not None else self._bounds.timeout,
        )  # fmt: skip
        failure = ""
        try:
            answer = await self._http.send(request, stream=True)
        except httpx.HTTPError as error:
            failure = type(error).__name__  # the exception itself holds the request, and with it what was sent
        if failure:
            raise NoAnswer(f"{call.operation}: no answer ({failure}).")
        try:
            self._cookies.take(answer.headers.get_list("set-cookie"))
            yield answer
        finally:
            await answer.aclose()

    async def _heard(self, call: Call[T], answer: httpx.Response) -> Heard:
        body = bytearray()
        async with aclosing(_told(call.operation, answer)) as parts:
            async for part in parts:
                body += part
                if len(body) > self._bounds.largest_answer:
                    raise AnswerNotUnderstood(f"{call.operation}: the answer is too long.")
        return Heard.of(answer.status_code, answer.headers, bytes(body))


async def _told(operation: str, answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield an answer's bytes as they come; what httpx raises carries the request, and stays here."""
    failure = ""
    if answer.headers.get("content-encoding", "identity") != "identity":  # a bound on bytes must bound the text
        raise AnswerNotUnderstood(f"{operation}: the answer is packed.")
    parts = answer.aiter_bytes()
    while not failure:
        try:
            part = await anext(parts, None)
        except httpx.HTTPError as error:
            failure = type(error).__name__
            break
        if part is None:
            return
        yield part
    raise NoAnswer(f"{operation}: the answer broke off ({failure}).")
