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
Ask = Callable[[Visit, Receive], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Lane:
    """One exact path of the fast lane.

    Attributes:
        ask: Returns the JSON of a 200; refusals are raised.
        operation: Its OpenAPI operation object.
        cache_control: How long caches may keep the answer.
    """

    method: str
    path: str
    ask: Ask
    operation: dict[str, Any]
    cache_control: bytes = b"no-store"


async def answer(lane: Lane, visit: Visit, receive: Receive, send: Send) -> None:
    """Answer a request to a lane; the gate dresses what is sent."""
    body = await lane.ask(visit, receive)
    headers = [JSON, (b"cache-control", lane.cache_control), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
