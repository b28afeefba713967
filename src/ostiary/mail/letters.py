"""Composes the letters Ostiary sends, each as text and as HTML."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ostiary.web.compiled import COMPILED
from ostiary.web.render import utc_words

KINDS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "confirm_address": ("Confirm your address for {product}", frozenset({"username", "link", "hours"})),
    "address_already_yours": ("Your address already has an account at {product}", frozenset()),
    "confirm_new_address": ("Confirm your new address for {product}", frozenset({"username", "link", "hours"})),
    "address_changed": (
        "Your address at {product} was changed",
        frozenset({"username", "new_address", "when", "disown_link"}),
    ),
    "password_changed": (
        "Your password at {product} was changed",
        frozenset({"username", "when", "agent", "address", "disown_link"}),
    ),
    "password_reset": ("Choose a new password for {product}", frozenset({"username", "link", "minutes"})),
    "password_was_reset": (
        "Your password at {product} was reset",
        frozenset({"username", "when", "agent", "address", "disown_link"}),
    ),
    "session_stolen": ("We ended a session of yours at {product}", frozenset({"agent", "when", "disown_link"})),
    "new_sign_in": (
        "New sign-in to your account at {product}",
        frozenset({"agent", "address", "when", "disown_link"}),
    ),
    "passkey_added": (
        "A passkey was added to your account at {product}",
        frozenset({"username", "name", "agent", "address", "when", "disown_link"}),
    ),
    "passkey_removed": (
        "A passkey was removed from your account at {product}",
        frozenset({"username", "name", "agent", "address", "when", "disown_link"}),
    ),
    "passkey_copied": (
        "We refused a passkey of your account at {product}",
        frozenset({"username", "name", "agent", "address", "when", "disown_link"}),
    ),
    "api_key_made": (
        "An API key was made for your account at {product}",
        frozenset({"username", "name", "key", "agent", "address", "when", "disown_link"}),
    ),
    "api_key_rotated": (
        "An API key of your account at {product} got a new secret",
        frozenset({"username", "name", "key", "agent", "address", "when", "disown_link"}),
    ),
    "api_key_revoked": (
        "An API key of your account at {product} was revoked",
        frozenset({"username", "name", "key", "agent", "address", "when", "disown_link"}),
    ),
    "account_locked": ("Wrong passwords for your account at {product}", frozenset({"username", "when", "link"})),
    "sign_in_refused": (
        "We refused a sign-in to your account at {product}",
        frozenset({"username", "agent", "address", "when", "link", "disown_link"}),
    ),
    "account_erasing": (
        "Your account at {product} will be erased",
        frozenset({"username", "agent", "address", "when", "until", "link", "disown_link"}),
    ),
    "account_kept": (
        "Your account at {product} is kept",
        frozenset({"username", "agent", "address", "when", "disown_link"}),
    ),
    "account_exported": (
        "A copy of your data at {product} was made",
        frozenset({"username", "agent", "address", "when", "disown_link"}),
    ),
    "alert": (
        "Alert at {product}: {alert}",
        frozenset({"alert", "alert_id", "severity", "words", "advice", "facts", "when"}),
    ),
    "incident_notice": ("Important news about your account at {product}", frozenset({"username", "paragraphs"})),
}
"""Each kind of letter: its subject, and the context it cannot do without."""

_NOT_IN_AN_ADDRESS: Final = re.compile(r"[\s,;<>\x00-\x1f\x7f-\x9f]")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_FEW: Final = "•••"


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter to one address, ready to be queued."""

    to: str
    subject: str
    text: str
    html: str


class Letters:
    """Composes letters in the name of one deployment.

    Args:
        product_name: What the people who sign in call this service.
        public_url: Configured origin, such as `https://id.example.org`. Every link leads there
            (R30: never to the Host that a request named).
        base: Path below which the pages live.

    Raises:
        ValueError: `public_url` is no http(s) address, or the name is not one line.
    """

    def __init__(self, product_name: str, public_url: str, base: str = "/auth") -> None:
        origin = urlsplit(public_url)
        if origin.scheme not in {"http", "https"} or not origin.hostname:
            raise ValueError("public_url must be an http or https address")
        self._product = _header(product_name)
        self._public = public_url.rstrip("/")
        self._environment = Environment(
            loader=PackageLoader("ostiary.mail"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            auto_reload=False,
            cache_size=-1,
            bytecode_cache=COMPILED,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        pages = self._public + base.rstrip("/")
        self._environment.globals.update(
            product=product_name,
            public_url=self._public,
            sign_in_link=f"{pages}/sign-in",
            sessions_link=f"{pages}/sessions",
            password_link=f"{pages}/password",
        )
        self._environment.filters.update(utc=utc_words, masked=masked)
        for kind in KINDS:
            self._environment.get_template(f"{kind}.txt")
            self._environment.get_template(f"{kind}.html")

    def compose(self, kind: str, to: str, **context: object) -> Letter:
        """Return a letter of one kind.

        Args:
            kind: A key of `KINDS`.
            to: The bare address that shall read it.
            context: What the kind needs, and `place` where it is known. `when` is an aware datetime, `hours` and
                `minutes` are numbers, `link` and `disown_link` paths or addresses at `public_url`, `new_address` the
                full address (masked here).

        Raises:
            ValueError: The kind is unknown, something it needs is missing, a link leads elsewhere, or a header
                would hold a line break or a second address (CWE-93).
        """
        if kind not in KINDS:
            raise ValueError(f"there is no letter of the kind {kind!r}")
        subject, needed = KINDS[kind]
        if missing := needed - context.keys():
            raise ValueError(f"{kind} needs {', '.join(sorted(missing))}")
        words: dict[str, object] = {"place": None} | {name: _on_one_line(value) for name, value in context.items()}
        words |= {name: self._own(words[name]) for name in ("link", "disown_link") if name in words}
        words["subject"] = subject.format_map(words | {"product": self._product})
        return Letter(
            to=_address(to),
            subject=_header(str(words["subject"])),
            text=self._environment.get_template(f"{kind}.txt").render(words),
            html=self._environment.get_template(f"{kind}.html").render(words),
        )

    def _own(self, link: object) -> str:
        """Return the link in full, if it leads to this deployment; never say it in a refusal (it holds a secret)."""
        if not isinstance(link, str):
            raise ValueError("a link is text")  # noqa: TRY004 - one kind of refusal for the caller
        if link.startswith("/"):
            link = self._public + link
        if not link.startswith(self._public + "/") or re.search(r"\s", link):
            raise ValueError("a link in a letter must lead to the public address of this deployment")
        return link


def masked(address: str) -> str:
    """Return an address that its owner recognises and nobody else can use: `m•••@example.org`."""
    local, at, host = address.rpartition("@")
    return f"{local[:1]}{_FEW}{at}{host}"


def _on_one_line(value: object) -> object:
    """Return text without line breaks and invisible characters, which could fake a paragraph of the letter."""
    if not isinstance(value, str):
        return value
    return "".join(" " if unicodedata.category(c) in _UNSEEN else c for c in value).strip()


def _address(to: str) -> str:
    if _NOT_IN_AN_ADDRESS.search(to) or "@" not in to:
        raise ValueError("a letter goes to one bare address")
    return to


def _header(text: str) -> str:
    if any(unicodedata.category(c) in _UNSEEN for c in text):
        raise ValueError("a subject is one line of visible text")
    return text
