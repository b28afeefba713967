"""The commands of a checkout, one function each."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from scripts import environment, locks, machine, parts
from scripts.console import give_up, say, shout
from scripts.console import run as run_program
from scripts.environment import PYTHON, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
    "import-linter": ("lint-imports",),
}


def setup(arguments: list[str]) -> int:
    """Make the environment in .venv, for everything."""
    _no_more(arguments)
    environment.prepare("check")
    return 0


def start(arguments: list[str]) -> int:
    """Start the server on embedded SQLite; more words go to `ostiary dev`."""
    environment.prepare("server")
    program = PYTHON.with_name("ostiary")
    os.execv(program, [str(program), "dev", *arguments])


def test(arguments: list[str]) -> int:
    """Run every test, bringing what they need; more words go to pytest."""
    without, rest = split_without(arguments)
    environment.prepare("test")
    missing = parts.bring(without)
    workers = ["-n", "0"] if "--pdb" in rest else ["-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadgroup"]
    told = {**os.environ, "OSTIARY_WITHOUT": ",".join(sorted(without))}
    told.pop("PYTHONDONTWRITEBYTECODE", None)  # else every process of hundreds compiles everything again

    def run(*words: str, **more: str) -> int:
        return run_program([PYTHON, "-m", "pytest", *words], cwd=ROOT, env=told | more)

    with machine.folder_in_memory() as memory:
        in_memory = {"PYTEST_DEBUG_TEMPROOT": memory} if memory else {}
        if rest:
            code = run(*workers, *rest, **in_memory)
        else:  # what measures time has the machine to itself, and a disk, as a server has
            code = run("-n", "0", "-m", "quiet", *files_that_measure_time()) or 0
            code = run(*workers, "-m", "not quiet", **in_memory) or code
    if missing:
        shout(["THIS RUN FAILED: not every part was there.", *map(parts.what_to_do, missing)])
    if without:
        shout([f"RUN WITHOUT {', '.join(sorted(without))}, as asked: the tests that need it were skipped."])
    return code or int(bool(missing))


def files_that_measure_time() -> list[str]:
    """Return the test files that hold a quiet test, so that these alone need be loaded."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if "pytest.mark.quiet" in file.read_text(encoding="utf-8")]


def split_without(arguments: list[str]) -> tuple[frozenset[str], list[str]]:
    """Take `--without NAME[,NAME]` out of the words; the rest are pytest's."""
    names: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--without":
            names += next(words, "").split(",")
        elif word.startswith("--without="):
            names += word.removeprefix("--without=").split(",")
        else:
            rest.append(word)
    if unknown := set(names) - set(parts.NAMES):
        give_up(f"--without takes {', '.join(parts.NAMES)}; not {', '.join(map(repr, sorted(unknown)))}.")
    return frozenset(names), rest


def check(arguments: list[str]) -> int:
    """Run the linter, the formatter (as a check), the type checker and the rule of floors."""
    _no_more(arguments)
    environment.prepare("check")
    failed = []
    for name, (program, *words) in CHECKS.items():
        say(name)
        if run_program([PYTHON.with_name(program), *words], cwd=ROOT) != 0:
            failed.append(name)
    if failed:
        say(f"failed: {', '.join(failed)}")
    print(f"{len(CHECKS) - len(failed)} passed, {len(failed)} failed", flush=True)
    return int(bool(failed))


def bench(arguments: list[str]) -> int:
    """Run the benchmarks; more words go to them."""
    if not (ROOT / "bench" / "__main__.py").exists():
        give_up("there are no benchmarks in this checkout.")
    environment.prepare("test")
    if shutil.which("wrk") is None and not machine.install("wrk"):
        give_up(f"the benchmarks need wrk: please type `{machine.what_to_type('wrk')}`.")
    return run_program([PYTHON, "-m", "bench", *arguments], cwd=ROOT)


def lock(arguments: list[str]) -> int:
    """Write requirements/*.txt anew from pyproject.toml; `--upgrade` takes newer versions."""
    return locks.write(arguments)


def show_help(arguments: list[str]) -> int:
    """List the commands."""
    _no_more(arguments)
    print("python3 tasks.py COMMAND [more words]   (or: make COMMAND)\n")
    for name, command in COMMANDS.items():
        print(f"  {name:6} {command.__doc__}")
    print(f"\n  test takes `--without NAME` for a part that cannot be had: {', '.join(parts.NAMES)}.")
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "help": show_help,
    "setup": setup,
    "run": start,
    "test": test,
    "check": check,
    "bench": bench,
    "lock": lock,
}


def run(arguments: list[str]) -> int:
    """Run the command that the first word names, with the other words."""
    name, *rest = arguments or ["help"]
    name = "help" if name in {"-h", "--help"} else name
    if name not in COMMANDS:
        give_up(f"there is no command {name!r}; `python3 tasks.py help` lists them.")
    try:
        return COMMANDS[name](rest)
    except KeyboardInterrupt:
        return 130  # as a shell says it


def _no_more(arguments: list[str]) -> None:
    if arguments:
        give_up(f"this command takes no more words; what is {' '.join(arguments)!r}?")
