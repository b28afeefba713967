"""The floor: an empty plain-ASGI handler, served by the very code that serves the house."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import uvloop

from bench.yardstick import Yardstick
from ostiary.cli import serve

if TYPE_CHECKING:
    from ostiary.web.visit import Receive, Scope, Send

YARDSTICK = "/yardstick"
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"2")]


class EmptyHouse:
    """Has what `ostiary serve` asks of a house, and does nothing."""

    def __init__(self, port: int) -> None:
        web = SimpleNamespace(product_name="The floor", public_url=f"http://localhost:{port}")
        self.settings = SimpleNamespace(web=web)
        self.post = SimpleNamespace(where="nowhere")
        self.texts = SimpleNamespace(are_offered=False, carrier=None)
        self.data = Path("nowhere")
        self.hasher = SimpleNamespace(held=0)
        self.feed = SimpleNamespace(end=lambda: None)
        self._folder = tempfile.TemporaryDirectory(prefix="ostiary-yardstick-")
        self._yardstick = Yardstick(Path(self._folder.name) / "yardstick.db")

    async def app(self, scope: Scope, _: Receive, send: Send) -> None:
        """Answer anything with an empty object; at one path after a fixed amount of work."""
        if scope["type"] == "http":
            if scope["path"] == YARDSTICK:
                self._yardstick.measure_out(scope)
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body", "body": b"{}"})

    async def open(self) -> None:
        """Nothing to open."""

    async def load(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Remove what the yardstick measured with."""
        self._folder.cleanup()


def main(port: int) -> None:
    """Serve the empty handler with granian exactly as `ostiary serve` configures it."""
    empty: Any = EmptyHouse(port)
    uvloop.run(serve._serve(empty, "127.0.0.1", port, None))  # noqa: SLF001 - so that the two can never differ


if __name__ == "__main__":
    main(int(sys.argv[1]))
