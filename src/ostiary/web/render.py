"""Turns templates into pages: one environment, compiled once, escaping always on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ostiary.web.compiled import COMPILED

STATIC: Final = Path(__file__).parent / "static"
"""The folder to serve under `<base>/static`; see `Renderer.asset` for its caching."""

_API: Final = "/api/v1/auth"
_WEB_LINK: Final = re.compile(r"https?://[^\s<>\"'`]+")
_SENTENCE_END: Final = ".,;:!?)]}"


@dataclass(frozen=True, slots=True)
class Form:
    """What a person typed, and what is to be said about it.

    Attributes:
        values: Field name to what stands in it; never a password.
        errors: Field name to sentences shown beside that field.
        problem: One sentence about the whole form, or None.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    problem: str | None = None


class Renderer:
    """Renders the pages of one deployment.

    Args:
        product_name: What the people who sign in call this service.
        base: Path below which pages and static files live, without a slash at its end.
        password_minimum: Characters that a new password needs, as the pages say it.
        offered: What may be switched off and is not: `links` (sign-in links), `texts` (codes by text message).
    """

    def __init__(
        self, product_name: str = "Ostiary", base: str = "/auth", password_minimum: int = 12,
        offered: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self._base = base.rstrip("/")
        self._addresses = {name: f"{self._base}/static/{name}?v={digest}" for name, digest in _digests().items()}
        self._environment = Environment(
            loader=PackageLoader("ostiary.web"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            cache_size=-1,
            bytecode_cache=COMPILED,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._environment.globals.update(
            asset=self.asset, base=self._base, base_api=_API, product_name=product_name,
            password_minimum=password_minimum, offered=offered,
        )  # fmt: skip
        self._environment.filters.update(utc=utc_words, instant=instant, linked=linked)
        for name in self._environment.list_templates(extensions=["html"]):
            self._environment.get_template(name)  # compiled here, so that a broken template stops the start

    def page(self, template: str, *, nonce: str, **context: object) -> str:
        """Return the page as text.

        What most pages do not use may be left out: `account`, `flash`, `form`, `reason`, `next`, `detail`,
        `advice`, `request_id`, `work` and `elsewhere`. Everything else that a template names must be given.

        Args:
            template: Name below `templates/`, such as `sign_in.html`.
            nonce: The nonce of this answer's Content-Security-Policy.
            context: The names that the template uses.

        Raises:
            jinja2.TemplateNotFound: There is no such template.
            jinja2.UndefinedError: The template needs a name that was not given.
        """
        left_out: dict[str, object] = {
            "account": None,
            "flash": None,
            "form": Form(),
            "reason": None,
            "next": "",
            "detail": None,
            "advice": None,
            "request_id": None,
            "work": None,
            "elsewhere": (),
        }
        return self._environment.get_template(template).render(left_out | context, nonce=nonce)

    def asset(self, name: str) -> str:
        """Return the address of a static file, which changes whenever its content does.

        A server may therefore let it be cached for a year as `immutable`.

        Raises:
            LookupError: There is no such file.
        """
        try:
            return self._addresses[name]
        except KeyError:
            raise LookupError(f"no static file is called {name!r}") from None


def utc_words(when: datetime) -> str:
    """Return a time as a person reads it: `22 November 2026, 08:13 UTC`.

    Raises:
        ValueError: The time names no zone, so that nobody can say when it was.
    """
    return f"{_in_utc(when):%-d %B %Y, %H:%M} UTC"


def instant(when: datetime) -> str:
    """Return a time as the `datetime` attribute wants it: `2026-11-22T08:13:05Z`.

    Raises:
        ValueError: The time names no zone.
    """
    return f"{_in_utc(when):%Y-%m-%dT%H:%M:%SZ}"


def linked(text: str) -> Markup:
    """Return text as markup in which web addresses, and nothing else, can be followed."""
    pieces: list[Markup] = []
    behind = 0
    for found in _WEB_LINK.finditer(text):
        address = found.group().rstrip(_SENTENCE_END)
        pieces.append(escape(text[behind : found.start()]))
        pieces.append(Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(address))
        behind = found.start() + len(address)
    pieces.append(escape(text[behind:]))
    return Markup("").join(pieces)


def _in_utc(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError("a time without a zone cannot be shown")
    return when.astimezone(UTC)


def _digests() -> dict[str, str]:
    return {
        file.name: sha256(file.read_bytes()).hexdigest()[:12] for file in sorted(STATIC.iterdir()) if file.is_file()
    }
