"""The code of the house, parsed once, for tests that read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "ostiary"
FOUNDATIONS = frozenset({"core", "web", "client"})
"""What every slice stands on; its modules are its doors."""


@dataclass(frozen=True, slots=True)
class Module:
    """One file of the package.

    Attributes:
        name: Below `ostiary`, such as `sessions.service`; a package is named by its folder.
        path: Below the checkout, for messages.
    """

    name: str
    path: str
    tree: ast.Module
    lines: int

    @property
    def slice(self) -> str:
        """The first part of its name: a slice, a foundation, or a module of its own."""
        return self.name.partition(".")[0]

    @property
    def room(self) -> str:
        """The second part of its name: which room of its slice; empty for the front door."""
        return self.name.partition(".")[2].partition(".")[0]

    def imports(self) -> Iterator[tuple[str, str, int]]:
        """Yield the module, the name taken from it ("" for the module itself) and the line of each import."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "", node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}:{node.lineno} imports relatively"
                yield from ((node.module or "", alias.name, node.lineno) for alias in node.names)

    def house_imports(self) -> Iterator[tuple[str, int]]:
        """Yield each module of the house that this one imports, without `ostiary.`, and the line."""
        known = modules()
        for module, name, line in self.imports():
            if module == "ostiary" and name:
                yield name, line
            elif module.startswith("ostiary."):
                below = module.removeprefix("ostiary.")
                yield (f"{below}.{name}" if f"{below}.{name}" in known else below), line

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Yield every function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node

    def calls(self) -> Iterator[ast.Call]:
        """Yield every call."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node


@cache
def modules() -> dict[str, Module]:
    """Return every module of the package by its name below `ostiary`."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        where = str(path.relative_to(ROOT))
        found[name] = Module(name, where, ast.parse(text), len(text.splitlines()))
    return found


@cache
def slices() -> frozenset[str]:
    """Return the names of the packages that are slices: entered by their front door only."""
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    return frozenset(packages - FOUNDATIONS)


def owner_of(module: Module, line: int) -> str:
    """Return the qualified name of the innermost function or method around a line, such as `Login._start`."""

    def descend(node: ast.AST, names: tuple[str, ...]) -> tuple[str, ...]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            if child.lineno <= line <= (child.end_lineno or child.lineno):
                return descend(child, (*names, child.name))
        return names

    return ".".join(descend(module.tree, ()))
