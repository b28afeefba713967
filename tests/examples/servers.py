"""Applications as their users start them: a server process on a port of its own."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.house import CHEAP_HASHING
from tests.services.ports import LOOPBACK, free_port
from tests.services.reaper import reaper

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        url: Where browsers find it.
        log: The file with everything it has printed.
    """

    url: str
    log: Path


def program(name: str) -> str:
    """Return the path of a program of this environment."""
    return str(Path(sys.executable).with_name(name))


def environment(port: int, data: Path | None, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our environment with what an application needs on this port; hashing is cheap."""
    found = {name: value for name, value in os.environ.items() if not name.startswith(("OSTIARY_", "PYTEST_"))}
    found |= {f"OSTIARY_HASHING__{name.upper()}": str(value) for name, value in CHEAP_HASHING.items()}
    found["OSTIARY_WEB__PUBLIC_URL"] = f"http://localhost:{port}"
    if data is not None:
        found["OSTIARY_DATA"] = str(data)
    return found | dict(more or {})


def commands(server: str, app: str, port: int) -> list[str]:
    """Return the command that runs an application on uvicorn or granian."""
    if server == "uvicorn":
        return [program("uvicorn"), app, "--port", str(port)]
    return [program("granian"), "--interface", "asgi", "--port", str(port), app]


@contextmanager
def running(
    command: Sequence[str], port: int, env: Mapping[str, str], cwd: Path = ROOT, *, ready: str = "/auth/sign-in"
) -> Iterator[Server]:
    """Run a server until the block ends; it answers at `ready` when the block begins, and ends in good order."""
    descriptor, name = tempfile.mkstemp(prefix="ostiary-log-")
    log = Path(name)
    with os.fdopen(descriptor, "ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=cwd, env=dict(env),
            start_new_session=True,
        )  # fmt: skip
    reaper.guard(process)
    try:
        _wait(process, port, log, ready)
        yield Server(f"http://localhost:{port}", log)
        _interrupt(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)
        reaper.release(process)
        log.unlink()


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C until it ends: one that comes while a framework's own server handles a request may be lost."""
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
            return
    raise AssertionError("it does not end by Ctrl-C")


@contextmanager
def example(server: str, app: str, data: Path) -> Iterator[Server]:
    """Run one of `examples/` on a free port."""
    port = free_port()
    with running(commands(server, app, port), port, environment(port, data)) as found:
        yield found


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, ready: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
        try:
            connection.request("GET", ready, headers={"Host": f"localhost:{port}"})
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        finally:
            connection.close()
    raise RuntimeError(f"the server did not start; it said:\n{log.read_text(errors='replace')[-4000:]}")
