"""The environment in `.venv`: made once, renewed when what it is made from changes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from scripts import machine
from scripts.console import give_up, run_quietly, say

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "ostiary-setup.json"
LEVELS = ("server", "test", "check")  # each holds the ones before it

PIP_ENVIRONMENT = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_USER": "0",  # a person's own setting of it would break every environment
    "PYTHONNOUSERSITE": "1",
}


def prepare(level: str) -> None:
    """Make `.venv` hold the libraries of this level and the project itself; a moment when it does already."""
    with _one_at_a_time():
        digest = digest_of(ROOT)
        if PYTHON.exists() and is_current(STAMP, digest, level):
            return
        STAMP.unlink(missing_ok=True)  # a run that is interrupted leaves no promise
        _make_venv()
        lock = ROOT / "requirements" / f"{level}.txt"
        count = lock.read_text(encoding="utf-8").count("==")
        say(f"installing up to {count} libraries from requirements/{lock.name} (a minute, the first time)")
        if not pip("install", "--require-hashes", "-r", str(lock), counted="Collecting "):
            give_up("the libraries could not be installed: see above. Is this machine online?")
        if not pip("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)):
            give_up("the project itself could not be installed: see above.")
        STAMP.write_text(json.dumps({"digest": digest, "level": level}), encoding="utf-8")
        say("the environment in .venv is ready")


def digest_of(root: Path) -> str:
    """Return a digest of all that decides what belongs into the environment, its own place included."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [str(root), str(sys.version_info[:2]), json.dumps([project["project"], project["build-system"]])]
    parts += [lock.read_text(encoding="utf-8") for lock in sorted((root / "requirements").glob("*.txt"))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_current(stamp: Path, digest: str, level: str) -> bool:
    """Say whether the environment was made from the same sources, for this level or a wider one."""
    try:
        made = json.loads(stamp.read_text(encoding="utf-8"))
        return bool(made["digest"] == digest and LEVELS.index(made["level"]) >= LEVELS.index(level))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def pip(*arguments: str, counted: str = "") -> bool:
    """Run the environment's pip; with `counted`, show how many lines began so, as the work goes on."""
    command = [str(PYTHON), "-m", "pip", *arguments]
    environment = {**os.environ, **PIP_ENVIRONMENT}
    if not counted:
        return run_quietly(command, cwd=ROOT, env=environment)
    lines: list[str] = []
    seen = 0
    with subprocess.Popen(
        [*command, "--progress-bar", "off"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as program:
        assert program.stdout is not None
        for line in program.stdout:
            lines.append(line.rstrip())
            if line.startswith(counted):
                seen += 1
                if seen % 20 == 0:
                    say(f"  {seen} fetched")
            elif line.startswith("Installing collected"):
                say("  all fetched, unpacking")
    if program.returncode != 0:
        print("\n".join(lines[-15:]), flush=True)
    return program.returncode == 0


def _make_venv() -> None:
    """Make the environment unless a sound one is there, that is new enough and has pip."""
    sound = "import pip, sys; raise SystemExit(sys.version_info < (3, 11))"
    if PYTHON.exists() and _succeeds([str(PYTHON), "-c", sound]):
        return
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        # Debian and Ubuntu keep this part of Python in a package of its own.
        say("this Python came without `venv`")
        if not machine.install("venv"):
            give_up(f"please type `{machine.what_to_type('venv')}` and run this again.")
    say(f"making the environment in {VENV} with Python {sys.version.split()[0]}")
    base = getattr(sys, "_base_executable", None) or sys.executable
    if not run_quietly([base, "-m", "venv", "--clear", str(VENV)], cwd=ROOT):
        give_up("the environment could not be made: see above.")


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:  # its interpreter is gone
        return False


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Keep two commands, started at once in a fresh checkout, from making the same environment."""
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
