"""Documentation that cannot fall behind the code it tells of."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

import click
import pytest
from scripts import generate_reference as reference
from scripts import reference_words as words
from tests.architecture.source import ROOT, modules

from ostiary.core.errors import Problem

DOCS = ROOT / "docs"
ENTRY_NAME = re.compile(r"[a-z]+\.[a-z]+(_[a-z]+)*")
PAST = re.compile(r"[a-z_]*(ed|en|found|sent|kept|left)")


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_generated_page_says_what_the_code_says(name: str) -> None:
    written = (reference.REFERENCE / name).read_text(encoding="utf-8")
    assert written == reference.PAGES[name](), "run: .venv/bin/python -m scripts.generate_reference"


# Settings


def test_every_setting_is_described() -> None:
    for path, description, model in reference.sections():
        assert description, f"the section {path} is not described"
        for name, field in reference.plain_fields(model):
            assert field.description, f"{path}.{name} is not described"
            assert field.description.endswith("."), f"{path}.{name} is described by less than a sentence"


def test_every_section_refuses_what_it_does_not_know() -> None:
    for path, _, model in reference.sections():
        assert model.model_config.get("extra") == "forbid", path
        assert model.model_config.get("frozen") is True, path


def test_every_setting_is_read_somewhere() -> None:
    read = {
        node.attr
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    unread = {
        f"{path}.{name}" for path, _, model in reference.sections() for name, _ in reference.plain_fields(model)
        if name not in read
    }  # fmt: skip
    assert not unread, "these settings change nothing"


# Problems


def test_every_kind_of_problem_has_a_slug_of_its_own() -> None:
    counts = Counter(kind.slug for kind in reference.problems())
    assert not [slug for slug, count in counts.items() if count > 1]


def test_every_problem_says_what_it_is() -> None:
    for kind in reference.problems():
        assert kind.__doc__, kind
        assert kind.title.endswith("."), kind
        assert 400 <= kind.status < 600, kind


@pytest.mark.parametrize("kind", reference.problems(), ids=lambda kind: str(kind.slug))
def test_every_problem_has_a_page(kind: type[Problem]) -> None:
    text = (DOCS / "problems" / f"{kind.slug}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {kind.title}\n\n`{kind.slug}`, status {kind.status}\n")
    for part in ("**What happened.**", "**Why.**", "**What to do.**"):
        assert part in text, f"{kind.slug} does not say {part}"


def test_every_problem_page_has_a_problem() -> None:
    written = {path.stem for path in (DOCS / "problems").glob("*.md")}
    assert written == {kind.slug for kind in reference.problems()}


# Journal


def test_every_journal_entry_is_a_noun_and_what_befell_it() -> None:
    for name in reference.journal_notes():
        assert ENTRY_NAME.fullmatch(name), name
        assert PAST.fullmatch(name.partition(".")[2]), f"{name} is not in the past tense"


def test_every_journal_entry_has_a_meaning() -> None:
    assert words.JOURNAL_ENTRIES.keys() == reference.journal_notes().keys()


def test_no_journal_entry_is_given_a_secret() -> None:
    for name, entry in reference.journal_notes().items():
        for field in entry.fields | entry.private:
            assert not re.search(r"password|secret|token|hash|digest|cookie", field), f"{name} tells {field}"


# Limits


def test_every_limit_is_explained_and_its_setting_exists() -> None:
    limits = reference.limits()
    assert words.LIMITS.keys() == {limit.name for limit in limits}
    (protection,) = (model for path, _, model in reference.sections() if path == "protection")
    for *_, setting in words.LIMITS.values():
        assert setting in protection.model_fields


def test_the_table_of_limits_names_every_limit_in_the_code() -> None:
    made = [
        call for name in ("limits", "challenges") for call in modules()[f"protection.{name}"].calls()
        if isinstance(call.func, ast.Name) and call.func.id == "Limit"
    ]  # fmt: skip
    assert {ast.literal_eval(call.args[0]) for call in made} == {limit.name for limit in reference.limits()}


# Commands


def test_every_command_and_option_has_help() -> None:
    for typed, command in reference.commands():
        assert command.help, f"`{typed}` does not say what it does"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"`{typed} {parameter.opts[0]}` does not say what it does"


# Dependencies


def declared() -> set[str]:
    """Return the name of every library that pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    return {re.split(r"[<>=\[; ]", line)[0] for group in groups for line in group if isinstance(line, str)}


def test_every_library_is_there_for_a_written_reason() -> None:
    text = (reference.REFERENCE / "dependencies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE)
    assert {name for name, _ in rows} == declared()
    assert all(len(why.partition(" | ")[0]) > 10 for _, why in rows)


# Links


def pages() -> list[Path]:
    """Return every page of documentation."""
    return [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md"))]


@pytest.mark.parametrize("written", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(written: Path) -> None:
    text = re.sub(r"```.*?```", "", written.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (written.parent / name).resolve() if name else written
        assert place.exists(), f"{written.name} links to {target}"
        if anchor and place.suffix == ".md":
            assert anchor in anchors(place), f"{written.name} links to {target}, which has no such heading"


def anchors(written: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts derive them."""
    headings = re.findall(r"^#+ (.+)$", written.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_map_leads_to_every_page() -> None:
    text = (DOCS / "README.md").read_text(encoding="utf-8")
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)\)", text)}
    lost = [
        str(page.relative_to(DOCS)) for page in sorted(DOCS.rglob("*.md"))
        if page != DOCS / "README.md" and page.resolve() not in linked and page.parent.resolve() not in linked
    ]  # fmt: skip
    assert not lost, "docs/README.md does not lead there"


@pytest.mark.parametrize("written", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_that_a_page_names_exists(written: Path) -> None:
    """Catches a renamed file; names of the form `src/…`, `tests/…`, `docs/…` and `scripts/…` only."""
    for name in re.findall(r"`((?:src|tests|docs|scripts)/[\w./-]+)`", written.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), f"{written.name} names {name}"
