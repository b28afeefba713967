"""Proves the wheel: built, installed in a fresh environment, served bare, used, and stopped.

Run by `.venv/bin/python -m scripts.prove_wheel` from the root of the checkout. The libraries are
not pinned here, so that this is what somebody gets who installs the package today.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.console import run_quietly, say
from tests.services.ports import LOOPBACK, free_port
from tests.services.server_process import ServerProcess

ROOT = Path(__file__).resolve().parent.parent
API = "/api/v1/auth"
NEWCOMER = {"username": "mira", "email": "mira@example.org", "password": "seven lanterns over the harbour"}


def main() -> int:
    """Run the proof and print its verdict as one line, counted like pytest's."""
    with tempfile.TemporaryDirectory(prefix="ostiary-wheel-") as place:
        try:
            prove(Path(place).resolve())
        except (AssertionError, OSError, RuntimeError) as failure:
            say(f"the wheel does not hold: {failure}")
            print("0 passed, 1 failed", flush=True)
            return 1
    print("1 passed, 0 failed", flush=True)
    return 0


def prove(place: Path) -> None:
    """Install the wheel in `place` and take it through the life of a server.

    Raises:
        AssertionError: A step did not hold.
        RuntimeError: The server did not start, or did not end.
    """
    wheel = build(place / "dist")
    venv, client = install(wheel, place / "venv", "[server]"), install(wheel, place / "client", "")
    inhabited = [place / name for name in ("cwd", "home", "tmp")]
    for folder in inhabited:
        folder.mkdir()
    installed = files_below(venv)
    say("`ostiary serve` on nothing but the package")
    server = ServerProcess(
        place / "data",
        program=venv / "bin" / "ostiary",
        port=free_port(),
        cwd=place / "cwd",
        environment={"HOME": str(place / "home"), "TMPDIR": str(place / "tmp")},
    )
    try:
        server.wait_until_ready()
        say("ready; a newcomer registers")
        register_and_look(server.port)
        say("a program with the client alone asks who that is")
        look_by_client(client, server.port)
        say("SIGTERM")
        exit_code = server.terminate()
        assert exit_code == 0, f"SIGTERM ended the server with {exit_code}, not 0:\n{server.output[-3000:]}"
        assert str(server.port) in server.output, f"the server did not print its address:\n{server.output}"
    finally:
        server.close()
    assert files_below(place / "data"), "the server kept nothing in its data directory"
    litter = [name for folder in inhabited for name in files_below(folder)] + sorted(files_below(venv) - installed)
    assert not litter, f"the server wrote outside of its data directory: {litter}"


def build(dist: Path) -> Path:
    """Return the wheel, built from this checkout."""
    say("building the wheel")
    command: list[str | Path] = [sys.executable, "-m", "pip", "wheel"]
    command += ["--no-deps", "--no-build-isolation", "-w", dist, ROOT]
    assert run_quietly(command, cwd=ROOT), "the wheel could not be built"
    (wheel,) = dist.glob("ostiary-*.whl")
    return wheel


def install(wheel: Path, venv: Path, extras: str) -> Path:
    """Return a fresh environment that holds the wheel with its extras, and nothing of this checkout."""
    say(f"installing ostiary{extras} from it in a fresh environment (up to a minute)")
    base = getattr(sys, "_base_executable", None) or sys.executable
    assert run_quietly([base, "-m", "venv", venv], cwd=wheel.parent), "no fresh environment"
    python = str(venv / "bin" / "python")
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", f"{wheel}{extras}"]
    assert run_quietly(command, cwd=wheel.parent, env=without_python_settings()), "the wheel could not be installed"
    asked = [python, "-c", "import ostiary; print(ostiary.__file__)"]
    told = subprocess.run(asked, cwd=wheel.parent, env=without_python_settings(), capture_output=True, check=True)
    where = Path(told.stdout.decode().strip())
    assert venv in where.parents, f"the package was imported from {where}, not from the wheel"
    return venv


def without_python_settings() -> dict[str, str]:
    """Return the environment without what would lead Python back into the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def register_and_look(port: int) -> None:
    """Register through the API, then read the profile with the access token."""
    status, answer = call(port, "POST", f"{API}/register", NEWCOMER)
    assert status == 201, f"registering answered {status}: {answer}"
    status, profile = call(port, "GET", f"{API}/me", token=str(answer["access_token"]))
    assert status == 200, f"the profile answered {status}: {profile}"
    assert '"mira"' in json.dumps(profile), f"whose profile is this? {profile}"


def look_by_client(venv: Path, port: int) -> None:
    """Sign in through the typed client, in an environment that has the base install and nothing else."""
    asked = (
        "from ostiary.client.api import OstiaryClient\n"
        f"with OstiaryClient('http://127.0.0.1:{port}') as client:\n"
        f"    print(client.auth.login(login='mira', password={NEWCOMER['password']!r}).user.username)"
    )
    command = [venv / "bin" / "python", "-c", asked]
    told = subprocess.run(command, cwd=venv, env=without_python_settings(), capture_output=True, text=True, check=False)
    assert told.stdout.strip() == "mira", f"the client said {told.stdout}{told.stderr}"


def call(port: int, method: str, path: str, body: object = None, token: str = "") -> tuple[int, dict[str, object]]:
    """Return the status and the JSON of one request."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
    headers = {"Content-Type": "application/json", "Host": f"localhost:{port}"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request(method, path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"{}")
    finally:
        connection.close()


def files_below(folder: Path) -> set[str]:
    """Return the paths of all files below the folder, but Python's own cache of compiled code."""
    return {str(path) for path in folder.rglob("*") if not path.is_dir() and "__pycache__" not in path.parts}


if __name__ == "__main__":
    sys.exit(main())
