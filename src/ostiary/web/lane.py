"""The fast lane: exact paths answered in plain ASGI, described for the same OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ostiary.core.errors import InvalidFields
from ostiary.web.problems import BodyTooLarge, MediaTypeUnsupported
from ostiary.web.strict_json import MalformedJSON, loads
from ostiary.web.visit import Receive, Send, Visit

JSON = (b"content-type", b"application/json")

Answer = tuple[int, bytes, list[tuple[bytes, bytes]]]
Ask = Callable[[Visit, Receive], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Lane:
    """One exact path.

    Attributes:
        operation: Its OpenAPI operation object.
    """

    method: str
    path: str
    handle: Callable[[Visit, Receive, Send], Awaitable[None]]
    operation: dict[str, Any]


def answering(ask: Ask, *, cache_control: bytes | None = None, media_type: bytes = b"application/json") -> Any:  # noqa: ANN401
    """Return a handler that sends what `ask` returns as a 200."""
    fixed = [(b"content-type", media_type)]
    if cache_control is not None:
        fixed.append((b"cache-control", cache_control))

    async def handle(visit: Visit, receive: Receive, send: Send) -> None:
        body = await ask(visit, receive)
        headers = [*fixed, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return handle


async def read_object(visit: Visit, receive: Receive, largest: int) -> dict[str, object]:
    """Return the JSON object in a request's body; none at all counts as an empty one.

    Raises:
        BodyTooLarge: It is larger than bodies may be.
        MediaTypeUnsupported: It is not declared as JSON.
        MalformedJSON: It is not strict JSON, or not all of it came.
        InvalidFields: It is JSON, but no object.
    """
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":  # half a body is no body, above all not an empty one
            raise MalformedJSON("The body ended too early.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > largest:
            raise BodyTooLarge
        more = message.get("more_body", False)
    if not size:
        return {}
    if visit.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        raise MediaTypeUnsupported
    found = loads(b"".join(parts))
    if not isinstance(found, dict):
        raise InvalidFields("Send a JSON object.")
    return found
