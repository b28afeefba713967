"""A loopback server that shows every sample page under the policy the product sends."""

from __future__ import annotations

import json
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.web.pages.samples import NONCE, samples

from ostiary.web.render import STATIC, Renderer

POLICY = (
    f"default-src 'none'; style-src 'self' 'nonce-{NONCE}'; script-src 'nonce-{NONCE}' 'strict-dynamic'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; report-uri /csp-report"
)
BROKEN = "a-page-that-breaks-the-policy"
WEAK = {
    "acceptable": False,
    "score": 1,
    "guesses": 1200,
    "reasons": ["It is shorter than 12 characters."],
    "warnings": ["<b>This</b> is like a common password."],
    "suggestions": ["Add another word or two."],
}
STRONG = {"acceptable": True, "score": 4, "guesses": 1e14, "reasons": [], "warnings": [], "suggestions": []}


@dataclass
class Preview:
    """Where the pages are, and what reached the server."""

    address: str
    reports: list[str] = field(default_factory=list)
    posts: list[tuple[str, str]] = field(default_factory=list)
    checks: list[tuple[str | None, dict[str, str]]] = field(default_factory=list)

    def forget(self) -> None:
        """Empty the three lists."""
        self.reports.clear()
        self.posts.clear()
        self.checks.clear()


@contextmanager
def preview() -> Iterator[Preview]:
    """Serve the samples at `<address>/<name>` until the block ends."""
    renderer = Renderer()
    pages = {f"/{s.name}": renderer.page(s.template, nonce=NONCE, **s.context).encode() for s in samples()}
    pages[f"/{BROKEN}"] = b'<!doctype html><title>Broken</title><body style="color: red">Red</body>'

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path in pages:
                self._answer(200, "text/html; charset=utf-8", pages[path])
            elif path.startswith("/auth/static/"):
                file = STATIC / path.removeprefix("/auth/static/")
                self._answer(200, mimetypes.guess_type(file.name)[0] or "", file.read_bytes())
            else:
                self._answer(404, "text/plain", b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            if self.path == "/csp-report":
                seen.reports.append(body)
                self._answer(204, "text/plain", b"")
            elif self.path == "/api/v1/auth/password/check":
                asked = json.loads(body)
                seen.checks.append((self.headers["X-CSRF-Token"], asked))
                verdict = STRONG if len(asked["password"]) >= 12 else WEAK
                self._answer(200, "application/json", json.dumps(verdict).encode())
            else:
                seen.posts.append((self.path, body))
                hold.wait(0.3)  # long enough for an impatient second press
                self._answer(200, "text/html", b"<!doctype html><title>Done</title>")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if status != 204:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing; a test that fails says enough."""

    hold = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    seen = Preview(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield seen
    finally:
        hold.set()
        server.shutdown()
        server.server_close()
