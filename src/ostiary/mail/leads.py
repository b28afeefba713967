"""Where a letter's HTML leads: what a mail program could follow, or load by itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_FOLLOWED: Final = frozenset({"action", "background", "cite", "data", "formaction", "href", "poster", "src"})
_LOADED: Final = re.compile(r"\burl\s*\(|@import", re.IGNORECASE)


def leads_of(html: str) -> list[str]:
    """Return every address in a letter, and every piece of a style that loads one; places in it do not count."""
    reader = _Leads()
    reader.feed(html)
    reader.close()
    return reader.found


class _Leads(HTMLParser):
    """Collects them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at an element's attributes."""
        for name, value in attrs:
            if value and name == "srcset":
                self.found += [part.split()[0] for part in value.split(",") if part.strip()]
            elif value and (name in _FOLLOWED or name.endswith(":href")) and not value.startswith("#"):
                self.found.append(value.strip())
            elif value and (_LOADED.search(value) or (tag == "meta" and name == "http-equiv")):
                self.found.append(value)

    def handle_data(self, data: str) -> None:
        """Look at a style sheet; in running text such words do nothing."""
        if self.cdata_elem == "style" and (loaded := _LOADED.search(data)):
            self.found.append(data[loaded.start() : loaded.start() + 80].partition("\n")[0])
