"""Looks through an operator's templates for what would go wrong with a letter, before there is one."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import TemplateNotFound, TemplateSyntaxError, meta, nodes

from ostiary.core.errors import Misconfigured
from ostiary.mail.dates import locale_of
from ostiary.mail.kinds import KINDS, OPTIONAL
from ostiary.mail.rendering import FORMS, SHIPPED, NoSubject, Templates
from ostiary.mail.samples import PLACE, READER, sample

if TYPE_CHECKING:
    from ostiary.mail.letters import Letter, Letters

log = logging.getLogger("ostiary.mail")

_PLANTED: Final = "<planted>"
_UNMISSED: Final = frozenset({"username"})
"""What is needed, and may all the same be left unsaid."""

_OF_LANGUAGES: Final = frozenset(path.name for path in SHIPPED.glob("*/*"))
_OF_ALL: Final = frozenset(path.name for path in SHIPPED.iterdir() if path.is_file())
_WEB_LINK: Final = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a template.

    Attributes:
        file: Below the operator's folder.
        line: Where, or None if it is about the whole file.
        is_broken: Whether letters would suffer; such a house does not start. If not, they go in another language.
    """

    file: str
    line: int | None
    words: str
    is_broken: bool = True

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.words}"


def refuse_broken(letters: Letters) -> None:
    """Let no house start with templates of the operator's that would break a letter; log what is merely missing.

    Raises:
        Misconfigured: Names file, line and what is wrong, for each.
    """
    if letters.templates.folder is None:
        return
    found = look_through(letters)
    broken = [str(finding) for finding in found if finding.is_broken]
    if broken:
        raise Misconfigured("\n".join([f"mail.templates: letters from {letters.templates.folder} are broken", *broken]))
    for finding in found:
        log.warning("mail.templates: %s", finding)


def look_through(letters: Letters) -> list[Finding]:
    """Return everything that is wrong with the operator's templates: they are read, and if that went well, rendered."""
    found = [*_Reading(letters).findings()] or [*_vocabularies(letters.templates)] or [*_Rendering(letters).findings()]
    return [*dict.fromkeys(found), *_missing(letters)]


def own_files(folder: Path) -> list[Path]:
    """Return the templates in an operator's folder."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix[1:] in FORMS
        and path.is_file()
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    )


class _Reading:
    """Finds what can be seen in the files alone."""

    def __init__(self, letters: Letters) -> None:
        self._templates = letters.templates
        self._environment = letters.templates.environment(letters.languages.default)
        self._trees: dict[str, nodes.Template] = {}

    def findings(self) -> Iterator[Finding]:
        """Yield them by file."""
        assert self._templates.folder is not None
        for tag in self._templates.languages:
            if locale_of(tag) is None:
                yield Finding(tag, None, "a folder here is named by a language, such as de or pt-BR; this is none")
        for path in own_files(self._templates.folder):
            yield from self._parsed(path.relative_to(self._templates.folder).as_posix(), path)
        included = {name for tree in self._trees.values() for name in meta.find_referenced_templates(tree) if name}
        for name, tree in self._trees.items():
            yield from _misplaced(name, included)
            yield from self._faults(name, tree)

    def _parsed(self, name: str, path: Path) -> Iterator[Finding]:
        try:
            text = path.read_text("utf-8")
            self._environment.compile(text, name)  # an unknown filter is found here
            self._trees[name] = self._environment.parse(text, name)
        except TemplateSyntaxError as fault:
            yield Finding(name, fault.lineno, fault.message or "this is no template")
        except (UnicodeDecodeError, OSError) as failure:
            yield Finding(name, None, f"it cannot be read as text in UTF-8 ({type(failure).__name__})")

    def _faults(self, name: str, tree: nodes.Template) -> Iterator[Finding]:
        for switch in tree.find_all(nodes.EvalContextModifier):
            yield Finding(name, switch.lineno, "escaping cannot be switched")
        kind = Path(name).stem
        if kind not in KINDS:
            return  # a part may be given names by what includes it; rendering tells
        known = KINDS[kind] | OPTIONAL | {"subject"}
        unknown = meta.find_undeclared_variables(tree) - known - self._environment.globals.keys() - _declared(tree)
        for one in sorted(unknown):
            lines = [found.lineno for found in tree.find_all(nodes.Name) if found.name == one and found.ctx == "load"]
            words = f"{one!r} is not known here; this letter can say {', '.join(sorted(known))}"
            yield Finding(name, min(lines, default=None), words)


def _declared(tree: nodes.Template) -> set[str]:
    """Return the names that a template gives itself: blocks use those of its top, unseen by Jinja's own look."""
    found = {one.name for one in tree.find_all(nodes.Name) if one.ctx != "load"}
    found |= {one.target for one in tree.find_all(nodes.Import)} | {one.name for one in tree.find_all(nodes.Macro)}
    for one in tree.find_all(nodes.FromImport):
        found |= {name if isinstance(name, str) else name[1] for name in one.names}
    return found


def _misplaced(name: str, included: set[str]) -> Iterator[Finding]:
    """Find a file that no letter would use: a name with a slip in it takes the place of nothing."""
    in_language = name.partition("/")[2]
    if in_language in _OF_LANGUAGES | _OF_ALL | included:
        return
    if name in _OF_LANGUAGES:
        yield Finding(name, None, f"it belongs into the folder of its language, such as en/{name}")
    elif name not in _OF_ALL | included:
        import difflib  # noqa: PLC0415 - only for who made a slip

        meant = difflib.get_close_matches(in_language or name, _OF_LANGUAGES | _OF_ALL, 1)
        hint = f"; did you mean {meant[0]}?" if meant else ""
        yield Finding(name, None, f"no letter has a template of this name, and none of yours includes it{hint}")


def _vocabularies(templates: Templates) -> Iterator[Finding]:
    """Find words and macros that shipped templates use and the operator's own files do not offer."""
    shipped = Templates(None, templates.known)
    for tag in templates.languages:
        for name in ("words.txt", "parts.html"):
            try:
                offered = exports(templates, tag, name)
            except TemplateNotFound:
                yield Finding(f"{tag}/{name}", None, "it is missing, and every letter uses it")
                continue
            except Exception as failure:  # noqa: BLE001 - whatever a template does as it is loaded
                yield _located(templates, f"{tag}/{name}", failure)
                continue
            if missing := exports(shipped, "en", name) - offered:
                yield Finding(f"{tag}/{name}", None, f"it lacks {', '.join(sorted(missing))}")


def exports(templates: Templates, tag: str, name: str) -> frozenset[str]:
    """Return the names that a template offers to those that import it."""
    module = templates.environment(tag).get_template(name).module
    return frozenset(one for one in vars(module) if not one.startswith("_"))


class _Rendering:
    """Finds what shows only when a letter is written."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    def findings(self) -> Iterator[Finding]:
        """Yield them by language and kind."""
        for tag in self._letters.languages.tags:
            for kind in KINDS:
                if self._letters.templates.has(tag, kind):
                    yield from self._of_letter(tag, kind)

    def _of_letter(self, tag: str, kind: str) -> Iterator[Finding]:
        facts = sample(kind)
        if kind == "alert":
            facts["alert"] = "no_known_one"  # of those that it knows a template may say more, in its own words
        try:
            self._letters.say(tag, "device", None, None)
            plain = self._composed(tag, kind, facts)
            changed = {
                name: self._composed(tag, kind, facts | {name: _other(facts.get(name, PLACE))})
                for name in sorted(facts.keys() | OPTIONAL)
            }
        except Exception as failure:  # noqa: BLE001 - whatever a template does
            yield _located(self._letters.templates, f"{tag}/{kind}", failure)
            return
        for name, letter in changed.items():
            yield from _unsaid(tag, kind, name, plain, letter)
        yield from self._strays(tag, kind, plain)

    def _composed(self, tag: str, kind: str, facts: Mapping[str, Any]) -> Letter:
        return self._letters.compose(kind, READER, language=tag, **facts)

    def _strays(self, tag: str, kind: str, letter: Letter) -> Iterator[Finding]:
        from ostiary.mail.leads import leads_of  # noqa: PLC0415 - a reader of HTML, only for who has templates

        home = self._letters.home
        for form, links in (("txt", _WEB_LINK.findall(letter.text)), ("html", leads_of(letter.html))):
            for link in links:
                if link != home and not link.startswith((f"{home}/", "mailto:")):
                    file, line = self._source_of(link) or (f"{tag}/{kind}.{form}", None)
                    yield Finding(file, line, f"a letter leads to {home} only, and not to {link[:80]} (R30)")

    def _source_of(self, text: str) -> tuple[str, int] | None:
        """Return file and line of the first template of the operator's in which a text stands."""
        folder = self._letters.templates.folder
        assert folder is not None
        for path in own_files(folder):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if text in line:
                    return path.relative_to(folder).as_posix(), number
        return None


def _other(value: Any) -> Any:  # noqa: ANN401 - a fact
    """Return another fact of the same type; text gets markup, which must not survive in HTML."""
    if isinstance(value, datetime):
        return value + timedelta(days=400)
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [_other(one) for one in value]
    if value.startswith("/"):
        return f"{value}-either"
    return f"x{value.replace('@', '@x')} {_PLANTED}"


def _unsaid(tag: str, kind: str, name: str, plain: Letter, changed: Letter) -> Iterator[Finding]:
    if _PLANTED in changed.html:
        yield Finding(f"{tag}/{kind}.html", None, f"it does not escape {name!r}")
    if name in OPTIONAL | _UNMISSED:
        return
    for form, before, after in (("txt", plain.text, changed.text), ("html", plain.html, changed.html)):
        if before == after:
            yield Finding(f"{tag}/{kind}.{form}", None, f"it never says {name!r}")


def _located(templates: Templates, letter: str, failure: Exception) -> Finding:
    """Return what went wrong as a template was rendered, with the line that did it."""
    words = f"there is no {failure.name}" if isinstance(failure, TemplateNotFound) else str(failure)
    if isinstance(failure, NoSubject) or "subject" in words:
        return Finding(f"{letter}.txt", 1, words)
    for frame in reversed(traceback.extract_tb(failure.__traceback__)):
        for root in filter(None, (templates.folder, SHIPPED)):
            if Path(frame.filename).is_relative_to(root):
                whose = "" if root != SHIPPED else " (a shipped template, which uses yours)"
                return Finding(Path(frame.filename).relative_to(root).as_posix(), frame.lineno, words + whose)
    return Finding(letter, None, words)


def _missing(letters: Letters) -> Iterator[Finding]:
    for tag in filter(locale_of, letters.languages.tags):
        there = letters.templates.files(tag)
        if missing := [name for kind in KINDS for form in FORMS if (name := f"{kind}.{form}") not in there]:
            words = f"these are missing, so that their letters go in another language: {', '.join(missing)}"
            yield Finding(tag, None, words, is_broken=False)
