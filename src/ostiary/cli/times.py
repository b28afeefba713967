"""How commands take times: a length such as `30d`, or a moment that is ISO or so long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from ostiary.core.clock import Millis, millis

_LENGTH = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=36_500)


class Span(click.ParamType[timedelta]):
    """A length of time such as 30m, 24h or 7d: of at least a second, if nothing else is said."""

    name = "span"

    def __init__(self, least: timedelta = timedelta(seconds=1)) -> None:
        self.least = least

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the length of time."""
        found = value if isinstance(value, timedelta) else _length(str(value))
        if found is None or not self.least <= found <= _LONGEST:
            self.fail(f"{value!r} is no length of time: write 30m, 24h or 7d", param, ctx)
        return found


def instant(text: str, now: Millis) -> Millis:
    """Return the moment of an ISO time (without a zone, UTC), or of an age such as `2h` or `3d`.

    Raises:
        click.ClickException: It is neither.
    """
    age = _length(text)
    try:
        if age is not None:
            found = now - millis(age)
        else:
            told = datetime.fromisoformat(text.strip())
            told = told if told.tzinfo is not None else told.replace(tzinfo=UTC)
            found = millis(told - datetime.fromtimestamp(0, UTC))
    except (ValueError, OverflowError):
        found = -1
    if found < 0:
        raise click.ClickException(f"{text!r} is no time: write 2026-01-31T12:00 (UTC), or an age such as 2h or 3d")
    return found


def _length(text: str) -> timedelta | None:
    written = _LENGTH.fullmatch(text.strip().lower())
    return timedelta(**{_UNITS[written[2]]: int(written[1])}) if written else None
