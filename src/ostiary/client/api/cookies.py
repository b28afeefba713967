"""The few cookies that a program keeps: those that say which browser it is, and none that signs in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

KEPT: Final = ("device", "passkey", "signin_link")
"""Which device this is, and what binds a passkey's challenge or a sign-in link to who asked for it.

Those of a session are left alone: a program shows its tokens itself, and a cookie that acts would need more (R19).
"""

_COOKIE = re.compile(r"(?:__Host-|__Secure-)?([^=;,\s\"]{1,64})=([^;,\s\"]{0,4096})(?:;|$)")
_ENDED = re.compile(r";\s*max-age\s*=\s*\"?0*\"?\s*(?:;|$)", re.IGNORECASE)


class Cookies:
    """The kept cookies of one house; all are for the whole of it, so that a name is enough."""

    def __init__(self, held: Mapping[str, str] = {}) -> None:
        self._held = dict(held)

    def __repr__(self) -> str:
        return f"Cookies({sorted(self._held)})"

    def saved(self) -> dict[str, str]:
        """Return what to make the next client of this device with; as secret as a browser's cookies."""
        return dict(self._held)

    def header(self) -> str | None:
        """Return the value of `Cookie`, or None."""
        return "; ".join(f"{name}={value}" for name, value in self._held.items()) or None

    def take(self, headers: Iterable[str]) -> None:
        """Keep or drop what the `Set-Cookie` headers of an answer say."""
        for header in headers:
            found = _COOKIE.match(header)
            if found is None or found[1] not in KEPT:
                continue
            name = header.partition("=")[0].strip()
            # Made anew each time, as another thread may be reading it.
            others = {kept: value for kept, value in self._held.items() if kept != name}
            self._held = others if not found[2] or _ENDED.search(header) else others | {name: found[2]}
