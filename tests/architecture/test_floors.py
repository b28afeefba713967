"""Who may know whom: front doors between slices, an order of rooms within one (docs/contributing/architecture.md)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from importlib import import_module

from tests.architecture.source import modules, slices

OPEN_ROOMS = {
    ("server.*", "*.api"): "routers are mounted where the application is put together",
    ("server.*", "*.pages"): "as above",
    ("server.*", "*.lane"): "as above",
    ("server.*", "*.answers"): "shapes that the fast lane answers with, for the OpenAPI document",
    ("*.api", "sessions.answers"): "whoever signs in gets the same answer; a program that embeds needs no shapes",
    ("login.api", "passkeys.answers"): "what an authenticator answers is read by its own slice's shape",
    ("login.pages", "passkeys.answers"): "as above, out of a form's field",
    ("*.answers", "*.answers"): "an answer may hold another room's",
    ("settings", "*.settings"): "composes every section",
    ("settings", "passwords.policy"): "the policy's settings stand beside the policy",
    ("migrations.tables", "*.models"): "must see every table",
    ("roles.queries", "accounts.models"): "what an account may is read with it in one statement: the tables are there",
    ("roles.queries", "accounts.queries"): "whoever holds a role is shown as the account is",
    ("testing.house", "migrations.fresh"): "tables without migrations are for tests; no server should find them",
    ("cli.*", "passwords.breaches.*"): "makes and reads the filter's file; a server only asks it",
}
"""Doors besides the front door: who may use which, and why."""

RANKS = {
    "api": 4, "pages": 4, "lane": 4, "jobs": 4, "service": 3, "queries": 2, "models": 1, "errors": 1, "settings": 1,
}  # fmt: skip
"""The rooms that every slice may have; calls go down. Rooms of other names only must not run in circles."""


def test_another_slice_is_entered_by_its_front_door() -> None:
    wrong, used = [], set()
    for module in modules().values():
        for target, line in module.house_imports():
            slice_, _, room = target.partition(".")
            if slice_ not in slices() or slice_ == module.slice or not room:
                continue
            allowed = [
                door for door in OPEN_ROOMS if fnmatchcase(module.name, door[0]) and fnmatchcase(target, door[1])
            ]
            used.update(allowed)
            if not allowed:
                wrong.append(f"{module.path}:{line} imports ostiary.{target}: take it from ostiary.{slice_}")
    assert not wrong, "\n".join(wrong)
    assert used == OPEN_ROOMS.keys(), f"nobody uses these doors any more: {OPEN_ROOMS.keys() - used}"


def test_a_front_door_names_exactly_what_it_lets_out() -> None:
    for name in slices() - {"cli"}:  # a command: nobody imports from it
        door = import_module(f"ostiary.{name}")
        assert door.__doc__, f"ostiary.{name} does not say what it is"
        exported = set(getattr(door, "__all__", ()))
        taken = {item for module, item, _ in modules()[name].imports() if module.startswith(f"ostiary.{name}") and item}
        assert exported == taken, f"ostiary.{name}: {exported ^ taken}"


def test_calls_in_a_slice_go_down() -> None:
    wrong = []
    for module in modules().values():
        rank = RANKS.get(module.room)
        if module.slice not in slices() or rank is None:
            continue
        for target, line in module.house_imports():
            slice_, _, room = target.partition(".")
            if slice_ == module.slice and RANKS.get(room, 0) >= rank:
                wrong.append(f"{module.path}:{line}: {module.room} imports {room}")
    assert not wrong, "\n".join(wrong)


def test_no_slice_runs_in_circles() -> None:
    for name in slices():
        inside = [module for module in modules().values() if module.slice == name and module.room]
        graph = {m.name: {target for target, _ in m.house_imports() if target.startswith(f"{name}.")} for m in inside}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as circle:
            raise AssertionError(f"imports run in a circle: {' -> '.join(circle.args[1])}") from None


def test_nobody_outside_sees_private_names() -> None:
    wrong = [
        f"{module.path}:{line} takes {name} from {source}"
        for module in modules().values()
        for source, name, line in module.imports()
        if source.startswith("ostiary") and name.startswith("_") and not name.startswith("__")
    ]
    assert not wrong, "\n".join(wrong)
