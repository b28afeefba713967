"""The threat model names tests as its evidence; they exist, and each names what it shows."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import ROOT

PAGE = ROOT / "docs" / "security" / "threat-model.md"


def evidence() -> list[tuple[str, str]]:
    """Return each test that the page names: its file and, after `::`, its name."""
    found = re.findall(r"`(tests/[\w./-]+\.py)(?:::(\w+))?`", PAGE.read_text(encoding="utf-8"))
    assert len(found) >= 10
    return found


def test_every_test_that_the_threat_model_names_exists() -> None:
    for path, name in evidence():
        file = ROOT / path
        assert file.is_file(), path
        tree = ast.parse(file.read_text(encoding="utf-8"))
        tests = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
        assert any(test.startswith("test_") for test in tests), f"{path} holds no test"
        assert not name or name in tests, f"{path} has no {name}"


def test_every_attacker_of_the_table_has_a_section() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition("## Attackers")[2].partition("\n## ")[0]
    attackers = re.findall(r"^\| \[([^\]]+)\]", table, re.MULTILINE)
    assert len(attackers) >= 7
    for attacker in attackers:
        assert f"\n### {attacker}\n" in text, attacker
