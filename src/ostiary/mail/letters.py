"""Composes the letters Ostiary sends, each as text and as HTML, in the language of its reader."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ostiary.core.caller import house_now
from ostiary.core.errors import Misconfigured
from ostiary.mail.dates import language_name
from ostiary.mail.kinds import KINDS
from ostiary.mail.rendering import Templates, masked
from ostiary.mail.settings import MailSettings
from ostiary.web.languages import Languages

__all__ = ["KINDS", "LAST_RESORT", "Letter", "Letters", "masked"]

LAST_RESORT: Final = "en"
"""Every kind of letter exists in it."""

_DEFAULTS: Final = MailSettings()
_NOT_IN_AN_ADDRESS: Final = re.compile(r"[\s,;<>\x00-\x1f\x7f-\x9f]")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter to one address, ready to be queued."""

    to: str
    subject: str
    text: str
    html: str
    language: str = LAST_RESORT


class Letters:
    """Composes letters in the name of one deployment.

    Args:
        product_name: What the people who sign in call this service.
        public_url: Configured origin, such as `https://id.example.org`. Every link leads there
            (R30: never to the Host that a request named).
        base: Path below which the pages live.
        settings: Where the operator's own templates lie, and which languages are spoken.

    Attributes:
        home: Where every link leads, without a slash at its end.
        templates: What letters are made of.
        languages: What they are written in.

    Raises:
        ValueError: `public_url` is no http(s) address, or the name is not one line.
        Misconfigured: There are no letters in a language that is set.
    """

    def __init__(
        self, product_name: str, public_url: str, base: str = "/auth", *, settings: MailSettings = _DEFAULTS
    ) -> None:
        origin = urlsplit(public_url)
        if origin.scheme not in {"http", "https"} or not origin.hostname:
            raise ValueError("public_url must be an http or https address")
        self.home = public_url.rstrip("/")
        pages = self.home + base.rstrip("/")
        known = {
            "product": _header(product_name), "public_url": self.home, "sign_in_link": f"{pages}/sign-in",
            "sessions_link": f"{pages}/sessions", "password_link": f"{pages}/password",
            "codes_link": f"{pages}/recovery-codes",
        }  # fmt: skip
        self.templates = Templates(settings.templates, known)
        self.languages = _spoken(self.templates, settings)

    def compose(self, kind: str, to: str, *, language: str | None = None, **context: object) -> Letter:
        """Return a letter of one kind.

        Args:
            kind: A key of `KINDS`.
            to: The bare address that shall read it.
            language: What its reader has chosen. Without it, that of the request that caused the job in hand.
            context: What the kind needs, and `place` where it is known. `when` is an aware datetime, `hours` and
                `minutes` are numbers, `link` and `disown_link` paths or addresses at `public_url`, `new_address` the
                full address (masked here).

        Raises:
            ValueError: The kind is unknown, something it needs is missing, a link leads elsewhere, or a header
                would hold a line break or a second address (CWE-93).
        """
        if kind not in KINDS:
            raise ValueError(f"there is no letter of the kind {kind!r}")
        if missing := KINDS[kind] - context.keys():
            raise ValueError(f"{kind} needs {', '.join(sorted(missing))}")
        words: dict[str, object] = {"place": None} | {name: _on_one_line(value) for name, value in context.items()}
        words |= {name: self._own(words[name]) for name in ("link", "disown_link") if name in words}
        spoken = self._written(self.language_of(language), kind)
        subject, text, html = self.templates.render(spoken, kind, words)
        return Letter(to=_address(to), subject=_header(subject), text=text, html=html, language=spoken)

    def language_of(self, choice: str | None, *, is_asked: bool = True) -> str:
        """Return the language in which somebody is written to.

        Args:
            choice: What they have chosen, or None.
            is_asked: Whether the request that caused the job in hand may decide where nothing was chosen. Not so for
                warnings: a stranger shall not choose in which language the owner is warned.
        """
        asked = house_now().language if is_asked else None
        return self.languages.find(choice) or self.languages.find(asked) or self.languages.default

    def say(self, language: str, name: str, *facts: object) -> str:
        """Return what `words.txt` of a language calls something: a text, or what a macro makes of facts."""
        return self.templates.say(language, name, *facts)

    def choices(self) -> list[tuple[str, str]]:
        """Return the languages to choose from, each with what it calls itself."""
        return [(tag, language_name(tag)) for tag in self.languages.tags]

    def warm(self) -> None:
        """Read what the first letter needs, so that no request waits for it."""
        self.choices()
        for tag in self.languages.tags:
            self.templates.environment(tag)

    def _written(self, tag: str, kind: str) -> str:
        """Return the language itself if this kind exists in it, else one in which it does."""
        return next((one for one in (tag, self.languages.default) if self.templates.has(one, kind)), LAST_RESORT)

    def _own(self, link: object) -> str:
        """Return the link in full, if it leads to this deployment; never say it in a refusal (it holds a secret)."""
        if not isinstance(link, str):
            raise ValueError("a link is text")  # noqa: TRY004 - one kind of refusal for the caller
        if link.startswith("/"):
            link = self.home + link
        if not link.startswith(self.home + "/") or re.search(r"\s", link):
            raise ValueError("a link in a letter must lead to the public address of this deployment")
        return link


def _spoken(templates: Templates, settings: MailSettings) -> Languages:
    """Return the languages of a deployment.

    Raises:
        Misconfigured: There are no letters in one that is set.
    """
    there = {tag.lower(): tag for tag in templates.languages}
    for name, tag in (("language", settings.language), *(("languages", tag) for tag in settings.languages)):
        if tag.lower() not in there:
            known = ", ".join(sorted(there.values()))
            raise Misconfigured(f"mail.{name}: there are no letters in {tag!r}; there are some in {known}")
    tags = [there[tag.lower()] for tag in settings.languages] or list(there.values())
    if there[settings.language.lower()] not in tags:
        raise Misconfigured("mail.language: the default must be one of mail.languages")
    return Languages(tags, there[settings.language.lower()])


def _on_one_line(value: object) -> object:
    """Return text without line breaks and invisible characters, which could fake a paragraph of the letter."""
    if isinstance(value, list):
        return [_on_one_line(one) for one in value]
    if not isinstance(value, str):
        return value
    return "".join(" " if unicodedata.category(c) in _UNSEEN else c for c in value).strip()


def _address(to: str) -> str:
    if _NOT_IN_AN_ADDRESS.search(to) or "@" not in to:
        raise ValueError("a letter goes to one bare address")
    return to


def _header(text: str) -> str:
    if not text or any(unicodedata.category(c) in _UNSEEN for c in text):
        raise ValueError("a subject is one line of visible text")
    return text
