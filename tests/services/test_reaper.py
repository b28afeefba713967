from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.services.parts import Part, do_without
from tests.services.ports import free_port

ROOT = Path(__file__).parents[2]

FORGETFUL = """
import os, subprocess, sys
from pathlib import Path
from tests.services.reaper import reaper
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
reaper.guard(child)
reaper.guard_directory(Path(sys.argv[1]))
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pid: int, directory: Path) -> None:
    deadline = time.monotonic() + 10
    while (is_alive(pid) or directory.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_what_a_killed_run_started_is_ended_and_swept_up(tmp_path: Path) -> None:
    litter = tmp_path / "litter"
    litter.mkdir()
    killed = subprocess.run(
        [sys.executable, "-c", FORGETFUL, litter], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    assert killed.returncode == -9
    child = int(killed.stdout)
    wait_until_gone(child, litter)
    assert not is_alive(child)
    assert not litter.exists()


def test_ports_are_free_and_differ() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(20_000 <= port < 32_768 for port in ports)


def test_a_missing_part_fails_the_test_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_WITHOUT", "valkey")
    with pytest.raises(pytest.fail.Exception, match="bell is missing: hang one up"):
        do_without(Part("bell", "hang one up"))


def test_a_missing_part_is_skipped_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_WITHOUT", "valkey,bell")
    with pytest.raises(pytest.skip.Exception, match="run without bell, as asked"):
        do_without(Part("bell", "hang one up"))
