"""Where a page may send somebody: to paths of our own, by a grammar and not by a parser (R30)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ostiary.web.settings import origin_of

_OWN_PATH = re.compile(r"/|(?:/[A-Za-z0-9_-]{1,64}){1,8}/?")  # "/" too: an application's own front page


class SeeOther(Exception):  # noqa: N818 - says what to do
    """The answer of a fast lane that sends a browser elsewhere; the gate writes it.

    Attributes:
        place: Where to; judged by whoever raises this.
    """

    def __init__(self, place: str) -> None:
        super().__init__("see other")
        self.place = place


def own_path(text: str | None, default: str) -> str:
    """Return the text if it is a plain path of our own, else the default.

    No scheme, host, backslash, dot, query or encoding can pass: what browsers
    read as another place holds one of them, or begins with two slashes.
    """
    return text if text is not None and _OWN_PATH.fullmatch(text) else default


def own_referer(referer: str | None, public_url: str) -> str | None:
    """Return the path of the page of our own that a form was sent from, if the browser says so and it is a plain one.

    The header proves nothing, and need not: whatever it says, the grammar lets paths of our own pass alone.
    """
    try:
        if referer is None or origin_of(referer) != origin_of(public_url):
            return None
        path = urlsplit(referer).path
    except ValueError:  # no address at all
        return None
    return path if _OWN_PATH.fullmatch(path) else None
