"""The guide on testing is run as it stands, by a pytest of its own that has no configuration of ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.examples.servers import ROOT

from ostiary.testing import InProcessOstiary, SentLetter, SignedIn
from ostiary.testing.house import AsyncOstiary

GUIDE = (ROOT / "docs" / "guides" / "testing-your-application.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_first_example_runs_as_shown(tmp_path: Path) -> None:
    app, tests = BLOCK.findall(GUIDE)
    (tmp_path / "library.py").write_text(app)
    (tmp_path / "test_library.py").write_text(tests)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    # The fixture comes by the entry point, as wherever Ostiary is installed.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OSTIARY_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--strict-markers"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout, done.stdout


def test_the_guide_names_everything_that_the_kit_offers() -> None:
    verbs = {*vars(InProcessOstiary), *vars(AsyncOstiary)}
    own = {name for name in verbs if not name.startswith("_")} - {"open", "close", "loop", "transport", "post"}
    offered = own | set(SignedIn.__dataclass_fields__) | {"link", "links", "token", "code"} | {"clock", "console"}
    assert {name for name in offered if not re.search(rf"\b{name}\b", GUIDE)} == set()
    assert {"link", "token", "code"} <= set(vars(SentLetter))
