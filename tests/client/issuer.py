"""A small issuer on the loopback interface: real HTTP, and every misbehaviour on request."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from ostiary.client import SigningKey


@dataclass
class Issuer:
    """What the issuer answers, and how often it was asked.

    Attributes:
        hold: Called with the number of each request, before it is answered; may wait for what the test waits for.
    """

    url: str
    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    asked: int = 0
    hold: Callable[[int], object] = lambda _: None

    def publish(self, *keys: SigningKey) -> None:
        self.body = json.dumps({"keys": [key.verifying.to_jwk() for key in keys]}).encode()


@dataclass
class Clocks:
    """The time of day and the steady clock, moved together."""

    now: float
    steadily: float = 1000.0

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.steadily += seconds

    def clock(self) -> float:
        return self.now

    def steady(self) -> float:
        return self.steadily


@contextmanager
def running() -> Iterator[Issuer]:
    issuer = Issuer("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            body = issuer.body  # as it was when it was asked for, however late the answer comes
            issuer.hold(issuer.asked)
            time.sleep(issuer.delay)
            self.send_response(issuer.status)
            for name, value in issuer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # whoever asked may have given up
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
