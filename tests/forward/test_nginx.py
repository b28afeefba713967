"""The configuration of the guide, run by a real nginx in front of an application that knows nothing of the house."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.cli.reverse_proxies import _wait_for, find_nginx
from tests.house import API, PASSWORD
from tests.services.fixtures import StartOstiary
from tests.services.parts import NGINX, do_without
from tests.services.ports import LOOPBACK, free_port
from tests.services.reaper import reaper

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "forward-authentication.md").read_text(encoding="utf-8")


@contextmanager
def application() -> Iterator[int]:
    """Run an application that answers with the headers that it got."""

    class Told(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET  # noqa: N815 - the name that the library calls

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer((LOOPBACK, 0), Told)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def nginx(folder: Path, port: int, house: int, app: int) -> Iterator[None]:
    """Run nginx with what the guide says."""
    program = find_nginx()
    if program is None:
        do_without(NGINX)
    server, headers = re.findall(r"```nginx\n(.*?)```", GUIDE, re.DOTALL)
    folder.mkdir()
    (folder / "ostiary.headers").write_text(headers)
    server = server.replace("127.0.0.1:8080", f"{LOOPBACK}:{house}").replace("127.0.0.1:9000", f"{LOOPBACK}:{app}")
    server = server.replace("listen 443 ssl;", f"listen {LOOPBACK}:{port};").replace("app.example.org", "localhost")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; master_process off; pid {folder / 'pid'}; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{server}\n}}"
    )
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
        reaper.release(process)


@dataclass(frozen=True)
class Site:
    """One host name: the house's paths and the application's."""

    url: str


@pytest.fixture
def site(tmp_path: Path, start_ostiary: StartOstiary) -> Iterator[Site]:
    """The house, the application, and nginx in front of both."""
    port = free_port()
    url = f"http://localhost:{port}"
    house = start_ostiary(
        environment={"OSTIARY_WEB__PUBLIC_URL": url, "OSTIARY_WEB__TRUSTED_PROXIES": f'["{LOOPBACK}/32"]'}
    )
    with application() as app, nginx(tmp_path / "nginx", port, house.port, app):
        yield Site(url)


def test_nobody_passes_unknown_and_no_stranger_names_himself(site: Site) -> None:
    forged = {"Remote-User": "root", "Remote-Account": "1", "Remote-Permissions": "admin", "Remote-Session": "x"}
    page = {"Accept": "text/html"} | forged
    with httpx.Client(base_url=site.url, timeout=60) as client:
        assert client.get("/books", headers=forged).status_code == 401
        sent = client.get("/books?id=7", headers=page)
        assert sent.status_code == 303
        assert sent.headers["location"].startswith(f"{site.url}/auth/return/")
        assert client.get("/_ostiary", headers=forged).status_code == 404

        body = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
        mira = client.post(f"{API}/register", json=body).json()
        shown = {"Authorization": f"Bearer {mira['access_token']}"} | forged
        told = client.get("/books?id=7", headers=shown).json()
        assert told["path"] == "/books?id=7"
        assert (told["remote-user"], told["remote-account"]) == ("mira", mira["user"]["id"])
        # An empty header is none at all: nothing of the stranger's is left.
        assert not {"remote-email", "remote-permissions", "remote-session"} & told.keys()

        cookie = {"Cookie": f"__Host-access_token={mira['access_token']}", "Origin": "https://evil.example"}
        assert client.get("/books", headers=cookie).status_code == 200
        assert client.post("/books", headers=cookie, content=b"{}").status_code == 403
        assert client.post("/books", headers=cookie | {"Origin": site.url}, content=b"{}").status_code == 200

        client.post(f"{API}/logout", headers=shown)
        assert client.get("/books", headers=shown).status_code == 401  # at once


def test_a_person_signs_in_and_is_back_where_they_were_going(site: Site, page: Page) -> None:
    body = {"username": "noor", "email": "noor@example.org", "password": PASSWORD}
    assert httpx.post(f"{site.url}{API}/register", json=body, timeout=60).status_code == 201
    page.goto(f"{site.url}/books?id=7&by=noor")
    page.get_by_label("Username or email address").fill("noor")
    page.locator("input[type=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{site.url}/books?id=7&by=noor")
    expect(page.locator("body")).to_contain_text('"remote-user": "noor"')

    # The access cookie lapses: one way through the house renews it, and nobody is asked anything.
    page.context.clear_cookies(name="__Host-access_token")
    page.goto(f"{site.url}/books/8")
    page.wait_for_url(f"{site.url}/books/8")
    expect(page.locator("body")).to_contain_text('"remote-user": "noor"')
