"""The gate: the outermost layer, plain ASGI, through which every request and answer passes."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING

from ostiary.core.errors import Problem, Unavailable
from ostiary.web.address import ClientAddress
from ostiary.web.headers import Header, api_policy, common_headers
from ostiary.web.lane import JSON, Lane, answer
from ostiary.web.probe import HEADER as PROBE
from ostiary.web.problems import BodyTooLarge, HeadersTooLarge, InternalFault, NotFound, send_problem
from ostiary.web.redirects import SeeOther
from ostiary.web.strict_json import MalformedJSON
from ostiary.web.visit import App, Message, Receive, Scope, Send, Visit

if TYPE_CHECKING:
    from ostiary.web.languages import Languages
    from ostiary.web.probe import Probe
    from ostiary.web.settings import WebSettings
    from ostiary.web.watch import Watch

log = logging.getLogger(__name__)

Admission = Callable[[Visit], AbstractAsyncContextManager[None]]
NONE: Mapping[tuple[str, str], Admission] = {}


# The one grammar of paths: no encoding, no empty or dotted segment; so there is
# no second spelling of a path that a limit or a check could overlook.
_PATH = re.compile(rb"/|(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?")
DISMISSED = "the server ends, and waits no longer"
"""What a server says as it cancels the requests that are still under way."""
MOST_HEADERS = 100
PREFLIGHT_SECONDS = b"86400"
CORS_HEADERS = b"authorization, content-type, x-csrf-token, x-csrftoken"


class Gate:
    """Names the request, bounds it, normalises its path once, and dresses every answer.

    Exact paths of the fast lane are answered right here; all others go on to `app`.

    Args:
        app: The breadth of the API and the pages.
        lanes: The fast lane.
        settings: Origin, proxies, bounds.
        admissions: What costly requests enter first, by method and path; it
            may raise TooBusy before anything is done for them (D7).
        watch: Counts requests and turns blocked addresses away.
        addresses: Finds the client's address; without one, by the settings.
        probe: Answers the keeper's own doctor.
        languages: What letters are written in.
    """

    def __init__(
        self,
        app: App,
        lanes: Iterable[Lane],
        settings: WebSettings,
        admissions: Mapping[tuple[str, str], Admission] = NONE,
        watch: Watch | None = None,
        addresses: ClientAddress | None = None,
        probe: Probe | None = None,
        languages: Languages | None = None,
    ) -> None:
        self._app = app
        self._admissions = admissions
        self._watch = watch
        self._fast_lane = {(lane.method, lane.path): lane for lane in lanes}
        self._lane_methods: dict[str, set[str]] = {}
        for method, path in self._fast_lane:
            self._lane_methods.setdefault(path, set()).add(method)
        self._settings = settings
        self._addresses = addresses or ClientAddress(settings.trusted_proxies, settings.forwarding_header)
        self._probe = probe
        self._languages = languages
        self._common = common_headers(settings)
        self._policy = api_policy(settings)
        self._cors = frozenset(origin.encode() for origin in settings.cors_origins)
        self._exact = {(method, path.encode()): lane for (method, path), lane in self._fast_lane.items()}
        self._lane_headers = {
            lane.path: [
                JSON, *self._common, (b"content-security-policy", self._policy), (b"cache-control", lane.cache_control)
            ]
            for lane in self._fast_lane.values()
        }  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request; anything else goes on untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(scope, self._addresses.of(scope))
        visit.languages = self._languages
        scope["ostiary"] = visit
        sent = self._dressed(visit, send)
        try:
            self._bound(scope, visit)
            if self._watch is not None and not self._watch.passes(visit):
                await self._watch.admit(visit)
            await self._serve(scope, visit, receive, sent, send)
        except Problem as problem:
            # Whoever raised it may hold it: a circle that only the garbage collector would end.
            problem.__traceback__ = None
            await send_problem(sent, visit, problem)
        except SeeOther as elsewhere:
            headers = [(b"location", elsewhere.place.encode("ascii")), (b"content-length", b"0")]
            await sent({"type": "http.response.start", "status": 303, "headers": headers})
            await sent({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError as cancelled:
            if cancelled.args == (DISMISSED,) and not visit.is_answered:  # who else cancels has an answer of its own
                await send_problem(sent, visit, Unavailable(retry_after=1))
            raise
        except Exception as fault:  # noqa: BLE001 - the last resort (ASVS 16.5.4): nothing leaks, the id is logged
            # The type and place alone: an exception's text may hold what was sent.
            log.error("request %s failed: %s at %s", visit.request_id, type(fault).__name__, _place(fault))  # noqa: TRY400
            if not visit.is_answered:  # the framework answers a fault and raises it all the same
                await send_problem(sent, visit, InternalFault())
        finally:
            if self._watch is not None:
                self._watch.settle(visit)

    async def _serve(self, scope: Scope, visit: Visit, receive: Receive, dressed: Send, send: Send) -> None:
        lane = self._exact.get((visit.method, scope.get("raw_path") or b""))
        if lane is not None:  # the very bytes of the table: nothing to normalise
            await self._answer_at_once(lane, visit, receive, send)
            return
        if PROBE in visit.headers and self._probe and (seen := self._probe.answer(scope, visit)):
            await self._answer_probe(seen, dressed)
            return
        self._normalise(scope, visit)
        if self._is_plain_page(scope, visit):
            await self._to_https(scope, visit, dressed)
            return
        if visit.method == "OPTIONS" and b"access-control-request-method" in visit.headers:
            await self._preflight(dressed)
            return
        if visit.method == "HEAD":
            scope["method"] = "GET"  # RFC 9110 section 9.3.2: as GET, without the content
            dressed = _without_body(dressed)
        lane = self._fast_lane.get((scope["method"], visit.path))
        if lane is not None:
            await answer(lane, visit, receive, dressed)
            return
        visit.lane_methods = self._lane_methods.get(visit.path, frozenset())
        admission = self._admissions.get((visit.method, visit.path), nullcontext)
        async with admission(visit):
            await self._app(scope, self._bounded(receive), dressed)

    async def _answer_probe(self, seen: bytes, send: Send) -> None:
        headers = [JSON, (b"content-length", b"%d" % len(seen))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": seen})

    async def _answer_at_once(self, lane: Lane, visit: Visit, receive: Receive, send: Send) -> None:
        """As `answer`, dressed already: of what such an answer wears almost all is known beforehand."""
        body = await lane.ask(visit, receive)
        headers = [
            *self._lane_headers[lane.path], (b"content-length", b"%d" % len(body)),
            (b"x-request-id", visit.request_id.encode()), *visit.answers,
        ]  # fmt: skip
        if self._cors:
            headers += self._cross_origin(visit)
        visit.is_answered = True
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _bound(self, scope: Scope, visit: Visit) -> None:
        headers = scope["headers"]
        size = 0
        for name, value in headers:  # names and doubled ones count too: all of it has to be held
            size += len(name) + len(value)
        if len(headers) > MOST_HEADERS or size > self._settings.largest_headers:
            raise HeadersTooLarge
        if len(scope.get("query_string", b"")) > self._settings.largest_headers:
            raise HeadersTooLarge
        length = visit.headers.get(b"content-length")
        if length is not None and not _is_at_most(length, self._settings.largest_body):
            raise BodyTooLarge

    def _normalise(self, scope: Scope, visit: Visit) -> None:
        raw = (scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")).partition(b"?")[0]
        if len(raw) > 1024 or not _PATH.fullmatch(raw):
            raise NotFound
        path = raw.decode("ascii")
        if len(path) > 1 and path.endswith("/"):
            path = path[:-1]
        scope["path"] = visit.path = path
        scope["raw_path"] = path.encode()

    def _bounded(self, receive: Receive) -> Receive:
        largest = self._settings.largest_body
        received, is_whole = 0, False

        async def bounded() -> Message:
            nonlocal received, is_whole
            message = await receive()
            if message["type"] == "http.disconnect" and not is_whole:
                raise MalformedJSON("The body ended too early.")  # a refusal: no fault of ours to be woken for
            is_whole = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > largest:
                raise BodyTooLarge
            return message

        return bounded

    def _dressed(self, visit: Visit, send: Send) -> Send:
        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.is_answered = True
                headers: list[Header] = list(message.get("headers", ()))
                given = {name for name, _ in headers}
                headers += [common for common in self._common if common[0] not in given]
                headers.append((b"x-request-id", visit.request_id.encode()))
                headers += visit.answers
                if b"content-security-policy" not in given:
                    headers.append((b"content-security-policy", self._policy))
                if b"cache-control" not in given:
                    headers.append((b"cache-control", b"no-store"))
                if self._cors:
                    headers += self._cross_origin(visit)
                message["headers"] = headers
            await send(message)

        return dressed

    def _cross_origin(self, visit: Visit) -> list[Header]:
        origin = visit.headers.get(b"origin")
        if origin not in self._cors:
            return [(b"vary", b"Origin")]
        assert origin is not None
        return [
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", b"retry-after, x-request-id"),
        ]

    def _is_plain_page(self, scope: Scope, visit: Visit) -> bool:
        if not (self._settings.https_redirect and self._settings.is_https) or visit.method not in ("GET", "HEAD"):
            return False
        if visit.path.startswith(("/api/", "/.well-known/")) or visit.path in ("/healthz", "/readyz"):
            return False  # ASVS 4.1.2: a program that speaks plain http must notice, not be sent on
        peer = scope.get("client")
        return not self._addresses.is_https(scope.get("scheme", "http"), peer[0] if peer else None, visit.headers)

    async def _to_https(self, scope: Scope, visit: Visit, send: Send) -> None:
        query = scope.get("query_string", b"")
        place = self._settings.public_url.encode() + visit.path.encode() + (b"?" + query if query else b"")
        await send({"type": "http.response.start", "status": 308, "headers": [(b"location", place)]})
        await send({"type": "http.response.body", "body": b""})

    async def _preflight(self, send: Send) -> None:
        headers = [
            (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
            (b"access-control-allow-headers", CORS_HEADERS),
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        ]
        # Without a listed origin the browser gets no permission, whatever else stands here.
        await send({"type": "http.response.start", "status": 204, "headers": headers if self._cors else []})
        await send({"type": "http.response.body", "body": b""})


def _is_at_most(length: bytes, largest: int) -> bool:
    # Ten digits are enough for any bound of ours, and int() refuses thousands of them with an error.
    return length.isdigit() and len(length) <= 10 and int(length) <= largest


def _without_body(send: Send) -> Send:
    async def bare(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return bare


def _place(fault: BaseException) -> str:
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
