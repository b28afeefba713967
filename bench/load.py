"""Load by wrk: one run, its requests, latencies and errors."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import on_cores

SCRIPTS = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw; times in milliseconds.

    Attributes:
        failed: Connections that broke or timed out; always errors.
        status_errors: Answers of 400 and more.
        accepted_p99: Of the answers with 200, where the script times them.
        statuses: Answers by status, where the script counts them.
    """

    requests: int
    seconds: float
    failed: int
    status_errors: int
    p50: float
    p99: float
    longest: float
    accepted_p99: float
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return self.requests / self.seconds

    @property
    def errors(self) -> int:
        """Whatever was not answered as it should."""
        return self.failed + self.status_errors

    def rate_of(self, status: int) -> float:
        """Answers with this status in a second."""
        return self.statuses.get(status, 0) / self.seconds


@dataclass(frozen=True, slots=True)
class Running:
    """A wrk at work."""

    process: subprocess.Popen[str]

    def result(self) -> Load:
        """Wait for its end and return what it saw.

        Raises:
            RuntimeError: It said nothing that can be read.
        """
        said, _ = self.process.communicate(timeout=180)
        line = next((line for line in said.splitlines() if line.startswith("BENCH ")), None)
        if self.process.returncode != 0 or line is None:
            raise RuntimeError(f"wrk failed ({self.process.returncode}):\n{said[-2000:]}")
        found = json.loads(line.removeprefix("BENCH "))
        return Load(
            requests=found["requests"],
            seconds=found["seconds"],
            failed=found["connect"] + found["read"] + found["write"] + found["timeout"],
            status_errors=found["status"],
            p50=found["p50_ms"],
            p99=found["p99_ms"],
            longest=found["max_ms"],
            accepted_p99=found["accepted_p99_ms"],
            statuses={int(status): number for status, number in found["statuses"].items()},
        )


@dataclass(frozen=True, slots=True)
class Wrk:
    """How to run wrk.

    Attributes:
        cores: The cores it may use; None leaves that to the scheduler.
    """

    cores: tuple[int, ...] | None = None

    def run(
        self, url: str, script: str, *arguments: str | Path, seconds: int, connections: int, threads: int = 1
    ) -> Load:
        """Run one of the scripts against a URL, and wait for it."""
        return self.begin(url, script, *arguments, seconds=seconds, connections=connections, threads=threads).result()

    def begin(
        self, url: str, script: str, *arguments: str | Path, seconds: int, connections: int, threads: int = 1
    ) -> Running:
        """Begin a run; `result` waits for it."""
        program = shutil.which("wrk")
        if program is None:
            raise RuntimeError("wrk is missing: install it, for example `apt-get install wrk`")
        options = [f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "15s"]
        command = [program, *options, "-s", str(SCRIPTS / f"{script}.lua"), url, "--", *map(str, arguments)]
        return Running(
            subprocess.Popen(
                [*on_cores(self.cores), *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
