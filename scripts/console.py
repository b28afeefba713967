"""What the commands print, and how they run programs."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def say(words: str) -> None:
    """Print a line of our own, before anything that a program prints next."""
    print(f"[ostiary] {words}", flush=True)


def shout(lines: Sequence[str]) -> None:
    """Print lines that nobody overlooks at the end of a long output."""
    rule = "!" * 100
    print("\n".join(["", rule, *(f"!! {line}" for line in lines), rule]), flush=True)


def give_up(words: str) -> NoReturn:
    """End with a message that says what to do."""
    sys.exit(f"[ostiary] {words}")


def run(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str] | None = None) -> int:
    """Run a program in the foreground and return its exit code; Ctrl-C is for the program to answer."""
    program = subprocess.Popen(command, cwd=cwd, env=env)
    while True:
        try:
            return program.wait()
        except KeyboardInterrupt:
            continue


def run_quietly(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str] | None = None) -> bool:
    """Run a program and show what it printed only if it failed."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        say(f"{command[0]} does not start: {error}")
        return False
    if done.returncode != 0:
        say(f"`{shlex.join(map(str, command))}` failed with {done.returncode}; its last words:")
        print("\n".join(done.stdout.splitlines()[-15:]), flush=True)
    return done.returncode == 0
