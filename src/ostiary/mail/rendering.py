"""The templates of letters, in each language: the operator's own before the shipped ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from ostiary.mail.dates import direction, utc_words
from ostiary.web.compiled import COMPILED

SHIPPED: Final = Path(__file__).parent / "templates"
FORMS: Final = ("txt", "html")

_SUBJECT: Final = re.compile(r"Subject:[ \t]*([^\n]*)\n\n(.*)", re.DOTALL)


class NoSubject(ValueError):  # noqa: N818 - reads as what it says
    """The text form does not begin with its subject."""

    def __init__(self) -> None:
        super().__init__("it must begin with 'Subject: …' and an empty line")


class Templates:
    """Looks a template up in the operator's folder of the language, the operator's folder, and the same two shipped.

    What is shared by all languages lies beside the folders of languages: layout, parts, and how each letter ends.

    Args:
        folder: The operator's own, or None.
        known: What every template may say.
    """

    def __init__(self, folder: Path | None, known: Mapping[str, object]) -> None:
        self.folder = folder
        self.known = known
        own = _files_in(folder) if folder else {}
        shipped = _shipped()
        self._files = {tag: own.get(tag, frozenset()) | shipped.get(tag, frozenset()) for tag in shipped | own}
        self._environments: dict[str, Environment] = {}

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages in which there are letters: the shipped ones first."""
        return tuple(self._files)

    def has(self, tag: str, kind: str) -> bool:
        """Return whether a letter can be written in a language, in both forms."""
        return all(f"{kind}.{form}" in self.files(tag) for form in FORMS)

    def files(self, tag: str) -> frozenset[str]:
        """Return the names of a language's templates, without those that all languages share."""
        return self._files.get(tag, frozenset())

    def environment(self, tag: str) -> Environment:
        """Return what renders the templates of a language; nothing is read before it is asked for."""
        if tag not in self._environments:
            self._environments[tag] = self._made(tag)
        return self._environments[tag]

    def render(self, tag: str, kind: str, words: dict[str, object]) -> tuple[str, str, str]:
        """Return a letter's subject, text and HTML.

        Raises:
            NoSubject: The text form does not begin with it.
            jinja2.TemplateError: A template is broken, or needs what is not given.
        """
        environment = self.environment(tag)
        said = _SUBJECT.fullmatch(environment.get_template(f"{kind}.txt").render(words))
        if said is None:
            raise NoSubject
        subject = said[1].strip()
        return subject, said[2], environment.get_template(f"{kind}.html").render(words, subject=subject)

    def say(self, tag: str, name: str, *facts: object) -> str:
        """Return what `words.txt` of a language calls something: a text, or what a macro makes of facts."""
        found = getattr(self.environment(tag).get_template("words.txt").module, name)
        return str(found(*facts) if callable(found) else found)

    def _made(self, tag: str) -> Environment:
        own = [self.folder / tag, self.folder] if self.folder else []
        environment = Environment(
            loader=FileSystemLoader([*own, SHIPPED / tag, SHIPPED]),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            auto_reload=False,
            cache_size=-1,
            bytecode_cache=COMPILED,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(self.known, language=tag)
        environment.globals["direction"] = direction(tag)
        environment.filters.update(utc=partial(utc_words, tag=tag), masked=masked)
        for unsafe in ("safe", "urlize"):  # escaping stays on, and a fact becomes no link
            del environment.filters[unsafe]
        return environment


def masked(address: str) -> str:
    """Return an address that its owner recognises and nobody else can use: `m•••@example.org`."""
    local, at, host = address.rpartition("@")
    return f"{local[:1]}•••{at}{host}"


def _files_in(folder: Path) -> dict[str, frozenset[str]]:
    """Return the names of files by language, for each language that has a folder here."""
    return {
        place.name: frozenset(file.name for file in place.iterdir() if file.is_file())
        for place in sorted(folder.iterdir())
        if place.is_dir() and not place.name.startswith((".", "_"))
    }


@cache
def _shipped() -> dict[str, frozenset[str]]:
    return _files_in(SHIPPED)
