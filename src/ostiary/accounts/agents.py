"""Naming a browser for its owner: "Firefox on Linux" (R22)."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

UNKNOWN = "Unknown browser"

_LONGEST = 400  # what browsers send stays under 300; what is parsed is searched by hundreds of patterns


def describe_agent(user_agent: str | None) -> str:
    """Return a few words for a `User-Agent` header, for lists of devices and for mails.

    A claim, not a proof: whoever sends the header chooses what it says. So
    only known names and plain short words come out, never a piece of the
    header that could be a sentence or a link in a mail to the owner.

    The first call reads the patterns (0.1 s), later ones take a few
    milliseconds for an agent not seen lately. Raises nothing.
    """
    return _in_words(*agent_parts(user_agent))


def agent_parts(user_agent: str | None) -> tuple[str | None, str | None]:
    """Return the names of browser or program, and of system, as far as they are known; for words of one's own."""
    return _parts((user_agent or "")[:_LONGEST])


@cache
def _parser() -> Any:  # noqa: ANN401 - ua_parser.Parser, loaded with the first agent and not with every start
    """Return the plain resolver: the compiled one is quicker, but holds 28 MB for a line in a list."""
    from ua_parser import Parser  # noqa: PLC0415
    from ua_parser.basic import Resolver  # noqa: PLC0415
    from ua_parser.loaders import load_builtins  # noqa: PLC0415

    return Parser(Resolver(load_builtins()))


@lru_cache(maxsize=2048)
def _parts(user_agent: str) -> tuple[str | None, str | None]:
    if not user_agent.strip():
        return None, None
    if program := _program(user_agent):
        return program, None
    try:
        found = _parser().parse(user_agent)
    except Exception:  # noqa: BLE001 - a name in a list is not worth a failed sign-in (D14: degrade)
        return None, None
    browser = _name(found.user_agent.family if found.user_agent else None)
    system = _name(found.os.family if found.os else None)
    return browser, system


def _in_words(browser: str | None, system: str | None) -> str:
    return f"{browser or UNKNOWN} on {system}" if system else browser or UNKNOWN


# Programs name themselves first: "python-httpx/0.28.1". ua-parser knows some of them, under other names.
_PROGRAMS = {
    "aiohttp": "Python aiohttp",
    "axios": "axios",
    "curl": "curl",
    "dart": "Dart",
    "go-http-client": "Go",
    "got": "Node.js",
    "guzzlehttp": "PHP Guzzle",
    "httpie": "HTTPie",
    "insomnia": "Insomnia",
    "java": "Java",
    "node": "Node.js",
    "node-fetch": "Node.js",
    "okhttp": "OkHttp",
    "postmanruntime": "Postman",
    "python": "Python",
    "python-httpx": "Python HTTPX",
    "python-requests": "Python Requests",
    "python-urllib": "Python urllib",
    "python-urllib3": "Python urllib3",
    "reqwest": "Rust reqwest",
    "ruby": "Ruby",
    "undici": "Node.js",
    "wget": "Wget",
}
_PRODUCT = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,29})(?:/|\Z)")  # RFC 9110, 10.1.5: product, slash, version


def _program(user_agent: str) -> str | None:
    product = _PRODUCT.match(user_agent)
    return _PROGRAMS.get(product[1].lower()) if product else None


_SHORTER = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Android WebView",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "IE": "Internet Explorer",
    "Mac OS X": "macOS",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Opera Mobile": "Opera",
}
# Some patterns of the library hand a piece of the header through: no dots, slashes or colons, so no
# address, and too short for a sentence.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_-]*(?: [A-Za-z0-9+_-]+){0,2}")


def _name(family: str | None) -> str | None:
    if family is None or family == "Other":
        return None
    if family in _SHORTER:
        return _SHORTER[family]
    return family if len(family) <= 24 and _PLAIN_NAME.fullmatch(family) else None
