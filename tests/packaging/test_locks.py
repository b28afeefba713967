from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]) for requirement in requirements}


def pins_of(lock: Path) -> dict[str, set[str]]:
    """Return each locked library with its versions (several where platforms differ)."""
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", lock.read_text(), re.MULTILINE):
        pins.setdefault(normal(name), set()).add(version)
    return pins


def lock(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.txt"


SERVER = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["server"]
STORES = [
    *PROJECT["project"]["optional-dependencies"]["postgresql"],
    *PROJECT["project"]["optional-dependencies"]["valkey"],
]
GUESTS = [line for name in ("django", "drf", "flask") for line in PROJECT["project"]["optional-dependencies"][name]]
TEST = PROJECT["dependency-groups"]["test"]
CHECK = PROJECT["dependency-groups"]["check"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("server", SERVER), ("test", SERVER + STORES + GUESTS + TEST), ("check", SERVER + STORES + GUESTS + TEST + CHECK)],
)
def test_a_lock_holds_every_library_that_the_project_asks_for(name: str, wanted: list[str]) -> None:
    missing = names_of([*wanted, *PROJECT["build-system"]["requires"]]) - pins_of(lock(name)).keys()
    assert not missing, "run `python3 tasks.py lock`"


def test_the_server_is_locked_without_the_libraries_of_the_tests() -> None:
    assert not pins_of(lock("server")).keys() & {"pytest", "playwright", "mypy", "asyncpg", "django", "flask"}


def test_a_library_has_one_version_in_every_lock() -> None:
    widest = pins_of(lock("check"))
    for narrower in ("server", "test"):
        pins = pins_of(lock(narrower))
        assert pins == {name: widest[name] for name in pins}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_line_of_a_lock_is_pinned_and_hashed_and_names_no_host(path: Path) -> None:
    text = re.sub(r"^ *#.*$", "", path.read_text(), flags=re.MULTILINE)
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert requirements
    for requirement in requirements:
        assert re.match(r"[A-Za-z0-9._-]+==", requirement)
        assert "--hash=sha256:" in requirement
    assert "://" not in text
    assert "index" not in re.sub(r"^\S+==", "", text, flags=re.MULTILINE)
