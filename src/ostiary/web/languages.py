"""Which of the house's languages a request asks for (RFC 9110 section 12.5.4, RFC 4647)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

# RFC 9110: language-range [ weight ], with at most three decimals. No part can be matched in two ways.
_RANGE: Final = re.compile(
    rb"(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)(?:[ \t]*;[ \t]*[Qq]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
LONGEST: Final = 400
"""Browsers send a tenth of that. What is longer asks for nothing, and is not kept."""

_REMEMBERED: Final = 1000


class Languages:
    """The languages that letters are written in, and the one among them that somebody wants.

    Args:
        tags: Such as `de` and `pt-BR`.
        default: The one for whoever says nothing.
    """

    def __init__(self, tags: Sequence[str], default: str) -> None:
        self.tags = tuple(tags)
        self.default = default
        self._by_key = {tag.lower(): tag for tag in tags}
        self._chosen = lru_cache(maxsize=_REMEMBERED)(self._choose)

    def find(self, tag: str | None) -> str | None:
        """Return a language as it is written here, or None if there is no such."""
        return self._by_key.get(tag.lower()) if tag else None

    def asked_for(self, header: bytes | None) -> str | None:
        """Return what an `Accept-Language` header asks for; None where it asks for nothing that is here.

        A header that does not keep to the grammar asks for nothing, as if it were not there.
        """
        return self._chosen(header) if header and len(header) <= LONGEST else None

    def _choose(self, header: bytes) -> str | None:
        ranges = parsed(header)
        unwanted = {name for name, weight in ranges if not weight}
        wanted = [name for name, weight in ranges if weight and name != "*"]  # RFC 4647 section 3.4: * says nothing
        for name in wanted:
            for shorter in _truncated(name):
                if shorter in self._by_key and shorter not in unwanted:
                    return self._by_key[shorter]
            for key, tag in self._by_key.items():  # who asks for Portuguese is helped by that of Brazil
                if key.startswith(f"{name}-") and key not in unwanted:
                    return tag
        return None


def parsed(header: bytes) -> list[tuple[str, float]]:
    """Return the ranges of an `Accept-Language` header in lower case, the most wanted first; none if one is broken."""
    found: list[tuple[str, float]] = []
    for part in header.split(b","):
        item = part.strip(b" \t")
        if not item:
            continue  # RFC 9110 section 5.6.1.2: empty elements are to be borne
        match = _RANGE.fullmatch(item)
        if match is None:
            return []
        found.append((match[1].decode().lower(), float(match[2] or 1)))
    found.sort(key=lambda one: -one[1])  # stable: of equals the first is wanted more
    return found


def _truncated(name: str) -> Iterator[str]:
    """Yield a range and what is left of it, subtag by subtag (RFC 4647 section 3.4)."""
    parts = name.split("-")
    while parts:
        yield "-".join(parts)
        parts.pop()
        if parts and len(parts[-1]) == 1:  # a singleton stands for what followed it
            parts.pop()
