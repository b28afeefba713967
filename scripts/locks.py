"""Writes the lock files: every library with its version and the digests of its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts import environment
from scripts.console import give_up, run_quietly, say
from scripts.environment import PYTHON, ROOT, pip

if TYPE_CHECKING:
    from pathlib import Path

REQUIREMENTS = ROOT / "requirements"
EXTRAS = ("server", "postgresql", "valkey", "django", "drf", "flask", "fastapi", "starlette")
EVERYTHING = ("pyproject.toml", "requirements/build.in", *(f"--extra={extra}" for extra in EXTRAS))
AS_IN_CHECK = "--constraint=requirements/check.txt"
LOCKS = {
    "check": (*EVERYTHING, "--group=test", "--group=check"),
    "test": (*EVERYTHING, "--group=test", AS_IN_CHECK),
    "server": ("pyproject.toml", "requirements/build.in", "--extra=server", AS_IN_CHECK),
    "postgresql": ("requirements/postgresql.in", "--no-deps", "--python-version=3.11"),
    "lock": ("requirements/lock.in", "--python-version=3.11"),
}
STYLE = (
    "--universal",
    "--generate-hashes",
    "--no-annotate",
    "--no-emit-index-url",
    "--custom-compile-command=python3 tasks.py lock",
    "--quiet",
)


def write(arguments: list[str]) -> int:
    """Resolve every lock file anew, the widest first, so that a library has one version in all of them."""
    environment.prepare("server")
    uv = PYTHON.with_name("uv")
    known = REQUIREMENTS / "lock.txt"
    if not uv.exists() and not pip("install", "--require-hashes", "-r", str(known)):
        give_up("uv, which resolves the libraries, could not be installed: see above.")
    for name, sources in LOCKS.items():
        say(f"requirements/{name}.txt")
        command: list[str | Path] = [
            uv,
            "pip",
            "compile",
            *STYLE,
            *sources,
            *arguments,
            f"--output-file=requirements/{name}.txt",
        ]
        if not run_quietly(command, cwd=ROOT):
            return 1
    return 0
