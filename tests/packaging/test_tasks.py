from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import commands, environment

ROOT = Path(__file__).parents[2]
README_COMMANDS = ("python3 tasks.py run", "python3 tasks.py test")


def tasks(*words: str, path: str | None = None, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run tasks.py in a process of its own, after the line of Python in `before`."""
    start = f"import runpy, sys; sys.argv = ['tasks.py', *{list(words)!r}]; sys.path.insert(0, {str(ROOT)!r}); {before}"
    program = f"{start}\nrunpy.run_path({str(ROOT / 'tasks.py')!r}, run_name='__main__')"
    env = {**os.environ, "PATH": path} if path is not None else dict(os.environ)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=env, timeout=60, check=False
    )


def test_help_lists_every_command() -> None:
    told = tasks("help")
    assert told.returncode == 0
    listed = re.findall(r"^  (\w+) +[A-Z]", told.stdout, re.MULTILINE)
    assert listed == list(commands.COMMANDS)
    assert {"setup", "run", "test", "check", "bench"} <= set(listed)


def test_no_word_at_all_asks_for_help() -> None:
    assert tasks().stdout == tasks("help").stdout


def test_make_offers_the_same_commands() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (targets,) = re.findall(r"^([a-z ]+):$", makefile, re.MULTILINE)
    assert targets.split() == ["help", "setup", "run", "test", "check", "bench"]
    assert set(targets.split()) <= set(commands.COMMANDS)


def test_an_unknown_command_is_named() -> None:
    refused = tasks("tset")
    assert refused.returncode == 1
    assert "no command 'tset'" in refused.stderr


def test_a_python_that_is_too_old_is_told_so(tmp_path: Path) -> None:
    refused = tasks("help", path=str(tmp_path), before="sys.version_info = (3, 10, 9)")
    assert refused.returncode == 1
    assert "needs Python 3.11 or newer" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_newer_python_beside_an_old_one_takes_over(tmp_path: Path) -> None:
    newer = tmp_path / "python3.12"
    newer.write_text('#!/bin/sh\necho "newer: $*"\n')
    newer.chmod(0o755)
    told = tasks("help", path=str(tmp_path), before="sys.version_info = (3, 9, 0)")
    assert told.stdout == f"newer: {ROOT / 'tasks.py'} help\n"


def test_without_is_taken_out_of_the_words_for_pytest() -> None:
    words = ["-x", "--without", "chromium,valkey", "tests/sessions", "--without=postgresql"]
    without, rest = commands.split_without(words)
    assert without == {"chromium", "valkey", "postgresql"}
    assert rest == ["-x", "tests/sessions"]


@pytest.mark.parametrize("words", [["--without", "tests"], ["--without"], ["--without="]])
def test_without_refuses_a_part_that_it_does_not_know(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="--without takes chromium"):
        commands.split_without(words)


def test_the_readme_gives_both_commands_and_only_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    assert all(command in readme for command in README_COMMANDS)
    assert set(re.findall(r"tasks\.py ([a-z]+)", readme)) <= set(commands.COMMANDS)


def test_continuous_integration_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert '"$python" tasks.py test' in script
    assert '"$python" tasks.py check' in script
    assert "scripts.prove_wheel" in script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_an_environment_serves_its_own_level_and_narrower_ones(tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    stamp.write_text('{"digest": "abc", "level": "test"}')
    assert environment.is_current(stamp, "abc", "test")
    assert environment.is_current(stamp, "abc", "server")
    assert not environment.is_current(stamp, "abc", "check")
    assert not environment.is_current(stamp, "abd", "test")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"digest": "abc", "level": "everything"}', '{"digest": "a'])
def test_a_spoilt_stamp_promises_nothing(tmp_path: Path, content: str) -> None:
    stamp = tmp_path / "stamp"
    assert not environment.is_current(stamp, "abc", "server")
    stamp.write_text(content)
    assert not environment.is_current(stamp, "abc", "server")


def test_a_changed_lock_or_dependency_renews_the_environment_and_a_changed_linter_rule_does_not(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    lock, project = tmp_path / "requirements" / "server.txt", tmp_path / "pyproject.toml"
    lock.write_text("a==1\n")
    text = '[build-system]\nrequires = ["hatchling"]\n[project]\nname = "x"\ndependencies = ["a"]\n'
    project.write_text(text)
    first = environment.digest_of(tmp_path)

    project.write_text(text + "[tool.ruff]\nline-length = 120\n")
    assert environment.digest_of(tmp_path) == first
    project.write_text(text.replace('["a"]', '["a", "b"]'))
    assert environment.digest_of(tmp_path) != first
    project.write_text(text)
    lock.write_text("a==2\n")
    assert environment.digest_of(tmp_path) != first
