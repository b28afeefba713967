"""Bytes that no client library sends, over a real socket to a real server process."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.services.ports import LOOPBACK
from tests.services.server_process import ServerProcess

ONE = b"Host: localhost\r\nConnection: close\r\n"
BODY = b'{"login":"mira","password":"wrong password"}'
JSON = b"Content-Type: application/json\r\n"
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\n" + ONE + JSON
LENGTH = b"Content-Length: " + str(len(BODY)).encode() + b"\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all of these: each must leave it as it was."""
    process = ServerProcess(tmp_path_factory.mktemp("socket") / "data")
    process.wait_until_ready()
    yield process
    process.close()


def exchange(server: ServerProcess, raw: bytes, *, shut: bool = False) -> bytes:
    """Send bytes and return all that comes back until the server hangs up."""
    received = b""
    with socket.create_connection((LOOPBACK, server.port), timeout=10) as connection:
        try:
            connection.sendall(raw)
            if shut:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                received += piece
        except OSError:
            pass  # it hung up on us, which is an answer too
        return received


def statuses(answer: bytes) -> list[int]:
    return [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]


def test_an_ordinary_request_is_answered_and_names_no_version(server: ServerProcess) -> None:
    for path in (b"/healthz", b"/auth/sign-in", b"/nothing"):
        answer = exchange(server, b"GET " + path + b" HTTP/1.1\r\n" + ONE + b"\r\n")
        head = answer.partition(b"\r\n\r\n")[0].lower()
        assert len(statuses(answer)) == 1
        # The HTTP server below us names itself; no version may stand there (ASVS 13.4.6).
        assert not re.search(rb"\r\nserver:[^\r]*[0-9]", head)
        assert b"\r\nx-powered-by:" not in head
        assert b"\r\nx-request-id:" in head


@pytest.mark.parametrize(
    "target",
    [
        b"//api/v1/auth/me", b"/api/v1/auth//me", b"/api/v1/auth/%6de", b"/api/v1/auth/me%00", b"/api/v1/auth/ME",
        b"/api/v1/../v1/auth/me", b"/api/v1/auth/./me", b"/api/v1/auth/me;x", b"/api/v1/auth\\me", b"/\xff",
        b"http://evil.example/api/v1/auth//me", b"*", b"/" + b"a" * 3000,
    ],
)  # fmt: skip
def test_no_other_spelling_of_a_path_leads_anywhere(server: ServerProcess, target: bytes) -> None:
    found = statuses(exchange(server, b"GET " + target + b" HTTP/1.1\r\n" + ONE + b"\r\n"))

    assert all(status in (400, 404, 414) for status in found), found


@pytest.mark.parametrize(
    "raw",
    [
        LOGIN + LENGTH + b"Content-Length: 5\r\n\r\n" + BODY,
        LOGIN + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + BODY,
        LOGIN + b"Content-Length: -1\r\n\r\n" + BODY,
        LOGIN + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + BODY,
        LOGIN + b"Content-Length: 99999999\r\n\r\n" + BODY,
        LOGIN + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY,
        LOGIN + b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n" + b"x" * 90_000,
        LOGIN + b"Content-Length: 90000\r\n\r\n" + b"x" * 90_000,
        LOGIN + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        LOGIN + b"X: a\x00b\r\n" + LENGTH + b"\r\n" + BODY,
        LOGIN + b"X\x00: a\r\n" + LENGTH + b"\r\n" + BODY,
        LOGIN + b"X : a\r\n" + LENGTH + b"\r\n" + BODY,
        LOGIN + b"".join(b"X-%d: a\r\n" % number for number in range(150)) + LENGTH + b"\r\n" + BODY,
        b"POST /api/v1/auth/login HTTP/9.9\r\n" + ONE + LENGTH + b"\r\n" + BODY,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"GET /healthz\r\n\r\n",
        b"\r\n" * 20 + b"X",
    ],
)  # fmt: skip
def test_what_is_no_good_request_is_refused_without_harm(server: ServerProcess, raw: bytes) -> None:
    found = statuses(exchange(server, raw, shut=True))

    assert all(400 <= status < 500 for status in found), found
    assert len(found) <= 1  # no second request was found inside the first
    assert server.status_of("/readyz") == 200


def test_half_a_request_and_a_hasty_leave_harm_nobody(server: ServerProcess) -> None:
    for raw in (LOGIN + LENGTH + b"\r\n" + BODY[:10], LOGIN + LENGTH, b"POST /api"):
        for _ in range(5):
            with socket.create_connection((LOOPBACK, server.port), timeout=10) as connection:
                connection.sendall(raw)
    assert server.status_of("/readyz") == 200


def test_nothing_of_all_this_left_a_fault_or_a_secret_in_the_log(server: ServerProcess) -> None:
    exchange(server, LOGIN + LENGTH + b"\r\n" + BODY)

    assert "wrong password" not in server.output
    assert "Traceback" not in server.output
    assert "failed:" not in server.output
    assert not list(Path(server.data).glob("*.core"))
