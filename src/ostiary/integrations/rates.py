"""How an application writes a limit: `10/h`, `100/min`, `3/15min`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Per = Literal["account", "address", "route"]

_RATE = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,4})?(s|min|h|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}(\.[a-z][a-z0-9-]{0,39}){0,3}")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds, under a name of its own.

    Attributes:
        name: Its counters' name; two routes with one name share them.
        number: How many.
        seconds: In how long, counted from the first.
        per: Whose counter: each account's, each client address's, or one for all.
    """

    name: str
    number: int
    seconds: int
    per: Per


def rate(text: str, *, per: Per, name: str) -> Rate:
    """Return the rate that a text such as `10/h` says.

    Raises:
        ValueError: It says none, or the name is not one.
    """
    found = _RATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no rate: write 10/h, 100/min, 3/15min, 5/s or 50/d")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a limit: write small letters, digits, - and dots, such as reports.make")
    if per not in ("account", "address", "route"):
        raise ValueError("a limit is per account, address or route")
    return Rate(f"app.{name}", int(found[1]), int(found[2] or 1) * _SECONDS[found[3]], per)
