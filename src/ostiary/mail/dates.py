"""Languages by their names and dates, from the CLDR that Babel carries."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel import Locale

_OF_THE_WORLD = {"en": "en-001"}  # 22 November 2026, and not November 22, 2026


@cache
def locale_of(tag: str) -> Locale | None:
    """Return what is known of a language, or None if nobody writes a language like this.

    The first call for a language reads it from the disk (some milliseconds).
    """
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - 5 MB, for who writes letters or shows a choice

    try:
        return Locale.parse(_OF_THE_WORLD.get(tag, tag), sep="-")
    except (UnknownLocaleError, ValueError):
        return None


def language_name(tag: str) -> str:
    """Return what a language calls itself: `Deutsch`."""
    from babel import Locale  # noqa: PLC0415

    own = Locale.parse(tag, sep="-")
    name = own.get_display_name(own) or tag
    return name[:1].upper() + name[1:]


def direction(tag: str) -> str:
    """Return `ltr` or `rtl`."""
    locale = locale_of(tag)
    return locale.text_direction if locale else "ltr"


def utc_words(when: datetime, tag: str) -> str:
    """Return a time as a reader of this language writes it, and its zone: `22. November 2026, 08:13 UTC`.

    Raises:
        ValueError: The time names no zone, so that nobody can say when it was.
    """
    from babel.dates import format_date  # noqa: PLC0415

    if when.tzinfo is None:
        raise ValueError("a time without a zone cannot be shown")
    at = when.astimezone(UTC)
    return f"{format_date(at.date(), 'long', locale=locale_of(tag))}, {at:%H:%M} UTC"
