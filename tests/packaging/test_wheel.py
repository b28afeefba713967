from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    dist = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    command += ["-w", str(dist), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = dist.glob("ostiary-*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    source = ROOT / "src"
    # Templates, static files and migrations are no modules: a rule that forgets them is seen only in the wheel.
    there = {
        str(path.relative_to(source))
        for path in (source / "ostiary").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".DS_Store"
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == there
    assert "ostiary/py.typed" in packed


def test_the_wheel_offers_the_command_and_the_extras(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    told = Parser().parsestr(wheel.read(metadata).decode())
    extras = {"server", "postgresql", "valkey", "django", "drf", "flask", "fastapi", "starlette", "testing"}
    assert extras <= set(told.get_all("Provides-Extra", []))
    assert told["Requires-Python"] == ">=3.11"
    entry_points = wheel.read(metadata.replace("METADATA", "entry_points.txt")).decode()
    assert "ostiary = ostiary.cli:main" in entry_points
    assert "[pytest11]\nostiary = ostiary.pytest_plugin" in entry_points


def test_the_base_install_asks_for_no_library_of_the_server(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    asked = Parser().parsestr(wheel.read(metadata).decode()).get_all("Requires-Dist", [])
    base = " ".join(line for line in asked if "extra ==" not in line).lower()
    assert base
    assert not any(name in base for name in ("sqlalchemy", "fastapi", "granian", "argon2", "jinja2", "django", "flask"))


def test_an_extra_for_a_framework_brings_that_framework_and_nothing_of_the_server(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    asked = Parser().parsestr(wheel.read(metadata).decode()).get_all("Requires-Dist", [])
    brought = {
        extra: {line.partition(">=")[0] for line in asked if f"extra == '{extra}'" in line}
        for extra in ("django", "drf", "flask", "fastapi", "starlette")
    }
    assert brought == {
        "django": {"django"}, "drf": {"django", "djangorestframework"}, "flask": {"flask"}, "fastapi": {"fastapi"},
        "starlette": {"starlette"},
    }  # fmt: skip
