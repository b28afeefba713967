"""Ostiary as its users start it: a process of its own, killed like one."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.services.ports import LOOPBACK, free_port
from tests.services.reaper import reaper

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = Path(sys.executable).with_name("ostiary")


class ServerProcess:
    """One running `ostiary serve` or `ostiary dev`.

    Several may share a data directory, or a database by `environment`.
    """

    def __init__(
        self,
        data: Path,
        *arguments: str,
        command: str = "serve",
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        program: Path = PROGRAM,
        cwd: Path | None = None,
    ) -> None:
        self.data = data
        self.port = port or free_port()
        self.exit_code: int | None = None
        descriptor, log = tempfile.mkstemp(prefix="ostiary-log-")
        self._log = Path(log)
        with os.fdopen(descriptor, "ab") as output:
            self._process = subprocess.Popen(
                [program, command, "--data", data, "--port", str(self.port), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**_own_environment(), **(environment or {})},
                start_new_session=True,
            )
        reaper.guard(self._process)

    @property
    def url(self) -> str:
        """Where browsers find it: `localhost` is a secure context, also without TLS."""
        return f"http://localhost:{self.port}"

    @property
    def output(self) -> str:
        """Everything it has printed so far."""
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self, seconds: float = 30.0) -> None:
        """Wait until `/readyz` answers 200.

        Raises:
            RuntimeError: The server ended, or was not ready in time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.is_running:
            if self.status_of("/readyz") == 200:
                return
            time.sleep(0.02)
        state = "was not ready in time" if self.is_running else f"ended with {self._process.returncode}"
        output = self.output
        self.kill9()
        raise RuntimeError(f"the server {state}; it said:\n{output[-4000:]}")

    def status_of(self, path: str) -> int | None:
        """Return the status of a GET, or None while nobody answers."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", path, headers={"Host": f"localhost:{self.port}"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def terminate(self, seconds: float = 20.0) -> int:
        """Ask it to end as an init system does, and return its exit code (negative: the signal that ended it)."""
        if self.exit_code is None and self.is_running:
            os.kill(self._process.pid, signal.SIGTERM)
        try:
            return self._settle(seconds)
        except subprocess.TimeoutExpired:
            output = self.output
            self.kill9()
            raise RuntimeError(f"the server did not end within {seconds} s; it said:\n{output[-4000:]}") from None

    def kill9(self) -> None:
        """End it and its workers as a crash of the machine would."""
        if self.exit_code is None:
            with suppress(ProcessLookupError, PermissionError):  # it may have ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._settle(20.0)

    def _settle(self, seconds: float) -> int:
        if self.exit_code is None:
            self.exit_code = self._process.wait(timeout=seconds)
            reaper.release(self._process)
        return self.exit_code

    def close(self) -> None:
        """End it if it still runs, and forget what it printed."""
        self.kill9()
        self._log.unlink(missing_ok=True)


def _own_environment() -> dict[str, str]:
    """Return our environment without settings that would reach into the server under test.

    But for the broad traffic limits: every request of a test comes from one address, within a few seconds.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OSTIARY_", "PYTEST_"))}
    lifted = {f"OSTIARY_PROTECTION__{who}_PER_MINUTE": "1000000" for who in ("ANONYMOUS", "SIGNED_IN")}
    return own | lifted
