"""Processes under measurement: started on chosen cores, with their CPU time and memory read from /proc."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.services.ports import LOOPBACK, free_port
from tests.services.reaper import reaper

Cores = tuple[int, ...] | None

ROOT = Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
READY_SECONDS = 30.0
API = "/api/v1/auth"
PAGE = "/auth/sign-in"  # a page that lies behind the fast lane

# One address signs everybody in, which is just what these limits are there to stop.
RELAXED = {
    "OSTIARY_PROTECTION__LOGIN_FAILURES_PER_MINUTE": "100000000",
    "OSTIARY_PROTECTION__LOGIN_FAILURES_PER_HOUR": "100000000",
    "OSTIARY_PROTECTION__LOCKOUT_FAILURES": "100",
    "OSTIARY_PROTECTION__SIGNUPS_PER_HOUR": "100000000",
    "OSTIARY_PROTECTION__ANONYMOUS_PER_MINUTE": "100000000",
    "OSTIARY_PROTECTION__SIGNED_IN_PER_MINUTE": "100000000",
}


def all_cores() -> tuple[int, ...]:
    """Return the cores that we may use."""
    return tuple(sorted(os.sched_getaffinity(0)))


def split_cores() -> tuple[Cores, Cores]:
    """Return a core for the server and the others for its load; None for both where there is only one."""
    cores = all_cores()
    return ((cores[0],), cores[1:]) if len(cores) > 1 else (None, None)


def on_cores(cores: Cores) -> list[str]:
    """Return the words before a command that keep it on these cores."""
    taskset = shutil.which("taskset")
    return [taskset, "-c", ",".join(map(str, cores))] if taskset and cores else []


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in MB: now, and at most so far."""

    now: float
    peak: float


class Process:
    """One server under measurement.

    Args:
        command: Program and arguments.
        port: Where it will listen on the loopback.
        environment: Settings; ours are not passed on.
        cores: Where it may run; None is everywhere.
    """

    def __init__(
        self, *command: str, port: int, environment: Mapping[str, str] | None = None, cores: Cores = None
    ) -> None:
        self.port = port
        own = {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}
        own.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
        descriptor, log = tempfile.mkstemp(prefix="ostiary-bench-log-")
        self._log = Path(log)
        with os.fdopen(descriptor, "wb") as output:
            self.started = time.perf_counter()
            self._process = subprocess.Popen(
                [*on_cores(cores), *command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd=ROOT, env={**own, **(environment or {})}, process_group=0,
            )  # fmt: skip
        reaper.guard(self._process)

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://{LOOPBACK}:{self.port}"

    def ready(self, path: str = "/readyz") -> float:
        """Wait for the first 200 and return the seconds from the spawn until then.

        Raises:
            RuntimeError: The process ended, or took too long.
        """
        while time.perf_counter() - self.started < READY_SECONDS and self._process.poll() is None:
            if self._status(path) == 200:
                return time.perf_counter() - self.started
            time.sleep(0.002)
        raise RuntimeError(f"the server was not ready:\n{self._log.read_text(errors='replace')[-3000:]}")

    def cpu(self) -> float:
        """Return the seconds of CPU that the process has used, user and system, all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rest(self) -> None:
        """Wait until what was asked of it before is done: letters that are on their way, callers that were held."""
        given_up_at = time.perf_counter() + READY_SECONDS
        while time.perf_counter() < given_up_at:
            before = self.cpu()
            time.sleep(0.5)
            if self.cpu() - before <= 0.02:
                return

    def memory(self) -> Memory:
        """Return its resident memory."""
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines())
        return Memory(int(lines["VmRSS"].split()[0]) / 1024, int(lines["VmHWM"].split()[0]) / 1024)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        reaper.release(self._process)
        self._log.unlink(missing_ok=True)

    def _status(self, path: str) -> int | None:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)
        try:
            with suppress(OSError, http.client.HTTPException):
                connection.request("GET", path)
                return connection.getresponse().status
        finally:
            connection.close()
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def house(data: Path, port: int, *, cores: Cores = None, environment: Mapping[str, str] | None = None) -> Process:
    """Start `ostiary serve` as anybody would, with the limits on one address lifted."""
    return Process(
        str(Path(sys.executable).with_name("ostiary")), "serve", "--data", str(data), "--port", str(port), port=port,
        environment={**RELAXED, **(environment or {})}, cores=cores,
    )  # fmt: skip


def floor(*, cores: Cores = None) -> Process:
    """Start the empty handler on the same server."""
    port = free_port()
    return Process(sys.executable, "-m", "bench.floor", str(port), port=port, cores=cores)
