"""Other people's web sites: loopback origins that are not the house's."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.services.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

SEND = """
<!doctype html><html lang="en"><title>Win a prize</title>
<form method="post" action="{action}" {attributes}>{fields}</form>
<iframe name="unseen"></iframe>
<script>
  const held = document.cookie.match(/csrftoken=([^;]*)/);
  const field = document.querySelector("[name=csrf_token]");
  if (held && field) field.value = held[1];
  onload = () => document.forms[0].submit();
</script>
"""
FRAME = '<!doctype html><title>Frame</title><iframe name="framed" src="{address}"></iframe>'
LINK = '<!doctype html><title>Link</title><a href="{address}">Your account</a>'


class Stranger:
    """A web site whose pages the test writes; reached under any name of the loopback."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.pages: dict[str, str] = {}

    def show(self, host: str, page: str) -> str:
        """Put up a page and return its address."""
        path = f"/{len(self.pages)}"
        self.pages[path] = page
        return f"http://{host}:{self.port}{path}"

    def form(self, host: str, action: str, fields: dict[str, str], *, attributes: str = "") -> str:
        """Put up a page that sends a form by itself, with whatever token it can read, and return its address."""
        hidden = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
        return self.show(host, SEND.format(action=action, fields=hidden, attributes=attributes))


@contextmanager
def stranger() -> Iterator[Stranger]:
    """Run a stranger's web site until the block ends."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = site.pages.get(self.path)
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((page or "").encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), Pages) as server:
        site = Stranger(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
