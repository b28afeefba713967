"""Reverse proxies for tests: nginx where there is one, and a small one of our own that behaves the same."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.services.ports import LOOPBACK, free_port
from tests.services.reaper import reaper

if TYPE_CHECKING:
    from collections.abc import Iterator

PROXY = "127.0.0.2"
"""Where the proxy's own connections come from: this machine, but another address than anybody else here."""
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Behaviour:
    """What a proxy does to requests.

    Attributes:
        sets: Headers that it writes; `$remote_addr` and `$proxy_add_x_forwarded_for` mean what they mean in nginx,
            and nothing takes a header away.
        keeps_host: Whether it leaves the Host header alone.
        decodes: Whether it rewrites paths.
    """

    sets: dict[str, str] = field(default_factory=dict)
    keeps_host: bool = True
    decodes: bool = False


def find_nginx() -> str | None:
    """Return nginx, which some systems keep out of ordinary people's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")


@contextmanager
def nginx(folder: Path, port: int, upstream: int, behaviour: Behaviour) -> Iterator[None]:
    """Run nginx in front of a server until the block ends."""
    program = find_nginx()
    assert program is not None
    folder.mkdir()
    headers = dict(behaviour.sets)
    if behaviour.keeps_host:
        headers["Host"] = "$http_host"
    lines = "".join(f'proxy_set_header {name} "{value}";\n' for name, value in headers.items())
    temporary = "".join(
        f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
        daemon off; master_process off; pid {folder / "pid"}; error_log stderr;
        events {{}}
        http {{
            access_log off; {temporary}
            server {{
                listen {LOOPBACK}:{port};
                location / {{
                    proxy_pass http://{LOOPBACK}:{upstream}{"/" if behaviour.decodes else ""};
                    proxy_bind {PROXY};
                    {lines}
                }}
            }}
        }}
    """)
    process = subprocess.Popen(
        [program, "-p", str(folder), "-e", "stderr", "-c", str(configuration)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    reaper.guard(process)
    try:
        _wait_for(port)
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def small_proxy(folder: Path, port: int, upstream: int, behaviour: Behaviour) -> Iterator[None]:
    """Run a proxy of our own in front of a server until the block ends."""
    assert not folder.exists()  # it keeps nothing

    class Forwards(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            connection = http.client.HTTPConnection(LOOPBACK, upstream, timeout=10, source_address=(PROXY, 0))
            path = unquote(self.path) if behaviour.decodes else self.path
            connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
            for name, value in self._headers():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            body = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            connection.close()

        def _headers(self) -> list[tuple[str, str]]:
            written = {name.lower() for name in behaviour.sets}
            found = [(name, value) for name, value in self.headers.items() if name.lower() not in written | HOP_BY_HOP]
            if not behaviour.keeps_host:
                found = [(n, f"{LOOPBACK}:{upstream}" if n.lower() == "host" else v) for n, v in found]
            client = self.client_address[0]
            before = self.headers.get("X-Forwarded-For")
            chain = f"{before}, {client}" if before else client
            for name, value in behaviour.sets.items():
                text = value.replace("$remote_addr", client).replace("$proxy_add_x_forwarded_for", chain)
                if text:
                    found.append((name, text))
            return found

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((LOOPBACK, port), Forwards) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection((LOOPBACK, port), 1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise AssertionError("the proxy did not start")


__all__ = ["PROXY", "Behaviour", "find_nginx", "free_port", "nginx", "small_proxy"]
