"""Requests straight to the application: where time is told, it is the house's and no client's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
from tests.house import ORIGIN

from ostiary.wiring import Ostiary

ADDRESS = ("203.0.113.7", 50000)


async def knock(house: Ostiary, path: str, body: Mapping[str, object]) -> httpx.Response:
    """Post JSON as a stranger without cookies, and return the answer: a fourth faster than by an HTTP client."""
    content = json.dumps(body).encode()
    sent: list[Any] = []
    told = [{"type": "http.request", "body": content, "more_body": False}]

    async def receive() -> Any:  # noqa: ANN401 - an ASGI message
        return told.pop() if told else {"type": "http.disconnect"}

    async def send(message: Any) -> None:  # noqa: ANN401 - as above
        sent.append(message)

    fields = {
        "host": ORIGIN.removeprefix("http://"), "content-type": "application/json", "user-agent": "Knock/1.0",
        "accept": "*/*", "content-length": str(len(content)),
    }  # fmt: skip
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
        "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "client": ADDRESS,
        "server": ("localhost", 8080), "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
    }  # fmt: skip
    await house.app(scope, receive, send)
    start, *parts = sent
    return httpx.Response(start["status"], headers=start["headers"], content=b"".join(part["body"] for part in parts))
