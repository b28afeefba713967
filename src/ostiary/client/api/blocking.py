"""The API for programs without an event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from threading import RLock
from typing import TYPE_CHECKING, Self, TypeVar

import httpx

from ostiary.client.api import wire
from ostiary.client.api.cookies import Cookies
from ostiary.client.api.errors import AnswerNotUnderstood, LimitReached, NoAnswer, SignInNeeded, Unavailable
from ostiary.client.api.renewal import renewal_call
from ostiary.client.api.shapes.common import SignedIn
from ostiary.client.api.tokens import RENEWAL_TIMEOUT, Tokens
from ostiary.client.api.verbs import Verbs
from ostiary.client.api.wire import Bounds, Heard

if TYPE_CHECKING:
    import ssl

    from ostiary.client.api.call import Call

T = TypeVar("T")
OnTokens = Callable[[Tokens | None], None]
LatestTokens = Callable[[], Tokens | None]


class OstiaryClient(Verbs):
    """The API of one house, shown one credential: an API key, or the tokens of a session.

    Whatever signs in (`auth.login`, `auth.register`, `step_up.with_password`, …) leaves the client signed in. Its
    access token is exchanged before it runs out, once for all threads. Make one at start, and close it at the end, or
    use it in a `with`.

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
        transport: httpx.BaseTransport | httpx.Client | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
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
        self._turn = RLock()
        self._is_owner = not isinstance(transport, httpx.Client)
        self._http = transport if isinstance(transport, httpx.Client) else self._connections(transport, tls)

    def _connections(self, transport: httpx.BaseTransport | None, tls: ssl.SSLContext | None) -> httpx.Client:
        """Return a client that follows nothing and keeps nothing by itself."""
        return httpx.Client(
            transport=transport, timeout=self._bounds.timeout, verify=tls if tls is not None else True,
            follow_redirects=False, cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )  # fmt: skip

    def __repr__(self) -> str:
        held = "an API key" if self._api_key else "a session" if self._tokens else "nothing"
        return f"{type(self).__name__}({self._origin!r}, shows {held})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections; the session goes on until `auth.logout`."""
        if self._is_owner:
            self._http.close()

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
    ) -> OstiaryClient:
        """Return a client for another session, over the same connections: for programs that act for many people.

        It is good until this one is closed.
        """
        return OstiaryClient(
            self._origin, tokens=tokens, on_tokens=on_tokens, latest_tokens=latest_tokens,
            bounds=self._bounds, transport=self._http, clock=self._clock, sleep=self._sleep,
        )  # fmt: skip

    # What the verbs call

    def send(self, call: Call[T]) -> T:
        """Send a call and return its answer; the verbs do this.

        Raises:
            ApiProblem: The house refuses.
            NoAnswer: Nothing came, or not in time.
            AnswerNotUnderstood: What came is no answer of this API.
        """
        if SignedIn not in call.answers and not call.signs_out:
            return wire.read(call, self._exchange(call))
        with self._turn:  # no exchange of tokens meanwhile: whichever came last would not be the newest
            answer = wire.read(call, self._exchange(call))
            if isinstance(answer, SignedIn):
                self._adopt(Tokens.of(answer, self._clock()))
            elif call.signs_out:
                self._adopt(None)
            return answer

    @contextmanager
    def stream(self, call: Call[bytes]) -> Iterator[Iterator[bytes]]:
        """Send a call and yield the parts of its answer; the verbs do this.

        Raises:
            ApiProblem: The house refuses.
            NoAnswer: Nothing came, or it broke off.
            AnswerNotUnderstood: What came is no answer of this API.
        """
        shown = self._credential(call)
        with self._opened(call, shown) as answer:
            if wire.is_file(answer.status_code, answer.headers):
                yield _told(call.operation, answer)
                return
            heard = self._heard(call, answer)
        if self._may_renew(shown, heard):
            with self._opened(call, self._credential(call, refused=shown)) as answer:
                if wire.is_file(answer.status_code, answer.headers):
                    yield _told(call.operation, answer)
                    return
                heard = self._heard(call, answer)
        wire.raise_refusal(call, heard)

    # Credentials

    def _may_renew(self, shown: str | None, heard: Heard) -> bool:
        return shown is not None and self._api_key is None and wire.refused_as_stranger(heard)

    def _credential(self, call: Call[T], refused: str | None = None) -> str | None:
        """Return what to show; a pair that has run out, or whose token was refused, is exchanged first."""
        if self._api_key is not None or call.credential == "ignored":
            return self._api_key if call.credential != "ignored" else None
        held = self._tokens
        if held is None or (self._clock() < held.renew_at and held.access_token != refused):
            return held.access_token if held is not None else None
        try:
            return self._renewed(refused)
        except SignInNeeded:
            if call.credential == "needed":
                raise
            return None

    def _renewed(self, refused: str | None) -> str | None:
        with self._turn:
            held = self._tokens
            if held is None or (self._clock() < held.renew_at and held.access_token != refused):
                return held.access_token if held is not None else None  # another thread has done it
            held = self._taken_over(held)
            if self._clock() < held.renew_at and held.access_token != refused:
                return held.access_token
            try:
                answer = self._exchanged(held.refresh_token)
            except SignInNeeded:
                theirs = self._taken_over(held)
                if theirs is held:
                    self._adopt(None)
                    raise
                return theirs.access_token
            except (NoAnswer, LimitReached, Unavailable):
                if refused is not None:
                    raise
                return held.access_token  # good for some seconds yet, perhaps
            self._adopt(Tokens.of(answer, self._clock()))
            return answer.access_token

    def _taken_over(self, held: Tokens) -> Tokens:
        """Return what another process has saved meanwhile, or what is held."""
        latest = self._latest_tokens() if self._latest_tokens is not None else None
        if latest is None or latest.renew_at <= held.renew_at:  # a store may lag behind
            return held
        self._tokens = latest
        return latest

    def _exchanged(self, refresh_token: str) -> SignedIn:
        call = renewal_call(refresh_token)
        try:
            return wire.read(call, self._once(call, None, seconds=RENEWAL_TIMEOUT))
        except NoAnswer:
            self._sleep(wire.REPEAT_LOST_SECONDS)
        # Within the grace: the answer is the same successor.
        return wire.read(call, self._once(call, None, seconds=RENEWAL_TIMEOUT))

    def _adopt(self, tokens: Tokens | None) -> None:
        if self._api_key is None:
            self._tokens = tokens
            if self._on_tokens is not None:
                self._on_tokens(tokens)

    # The wire

    def _exchange(self, call: Call[T]) -> Heard:
        shown = self._credential(call)
        heard = self._attempts(call, shown)
        if not self._may_renew(shown, heard):
            return heard
        renewed = self._credential(call, refused=shown)  # nothing was done for a stranger: it may be sent again
        return heard if renewed == shown else self._attempts(call, renewed)

    def _attempts(self, call: Call[T], credential: str | None) -> Heard:
        attempts, waited = 0, 0.0
        while True:
            attempts += 1
            try:
                heard = self._once(call, credential)
            except NoAnswer:
                if call.method != "GET" or attempts >= wire.MOST_ATTEMPTS:  # it may have been done
                    raise
                pause: float | None = wire.REPEAT_LOST_SECONDS
            else:
                pause = wire.pause_before_repeating(call, heard, attempts, waited, self._bounds.patience)
                if pause is None:
                    return heard
            self._sleep(pause or 0.0)
            waited += pause or 0.0

    def _once(self, call: Call[T], credential: str | None, seconds: float | None = None) -> Heard:
        with self._opened(call, credential, seconds) as answer:
            return self._heard(call, answer, seconds)

    @contextmanager
    def _opened(self, call: Call[T], credential: str | None, seconds: float | None = None) -> Iterator[httpx.Response]:
        request = self._http.build_request(
            call.method, self._origin + call.path, params=call.parameters or None, content=call.content(),
            headers=wire.headers_for(call, credential, self._cookies.header()),
            timeout=seconds if seconds is not None else self._bounds.timeout,
        )  # fmt: skip
        failure = ""
        try:
            answer = self._http.send(request, stream=True)
        except httpx.HTTPError as error:
            failure = type(error).__name__  # the exception itself holds the request, and with it what was sent
        if failure:
            raise NoAnswer(f"{call.operation}: no answer ({failure}).")
        try:
            self._cookies.take(answer.headers.get_list("set-cookie"))
            yield answer
        finally:
            answer.close()

    def _heard(self, call: Call[T], answer: httpx.Response, seconds: float | None = None) -> Heard:
        give_up_at = time.monotonic() + (seconds if seconds is not None else self._bounds.deadline)
        body = bytearray()
        for part in _told(call.operation, answer):
            body += part
            if len(body) > self._bounds.largest_answer:
                raise AnswerNotUnderstood(f"{call.operation}: the answer is too long.")
            if time.monotonic() > give_up_at:
                raise NoAnswer(f"{call.operation}: the answer came too slowly.")
        return Heard.of(answer.status_code, answer.headers, bytes(body))


def _told(operation: str, answer: httpx.Response) -> Iterator[bytes]:
    """Yield an answer's bytes as they come; what httpx raises carries the request, and stays here."""
    failure = ""
    if answer.headers.get("content-encoding", "identity") != "identity":  # a bound on bytes must bound the text
        raise AnswerNotUnderstood(f"{operation}: the answer is packed.")
    parts = answer.iter_bytes()
    while not failure:
        try:
            part = next(parts, None)
        except httpx.HTTPError as error:
            failure = type(error).__name__
            break
        if part is None:
            return
        yield part
    raise NoAnswer(f"{operation}: the answer broke off ({failure}).")
