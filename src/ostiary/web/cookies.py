"""Cookies of the house: named, scoped and cleared in one place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ostiary.web.settings import CookieSettings
    from ostiary.web.visit import Visit

Kind = Literal["access", "refresh", "session", "csrf", "device", "passkey", "link", "bound", "federation"]
Header = tuple[bytes, bytes]
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{22}")


class Cookies:
    """Reads and writes the cookies that settings name.

    Always `Secure` and `Path=/`. Without a cookie domain every name has the
    `__Host-` prefix: no sub-domain and no plain-http neighbour can plant one.
    """

    def __init__(self, settings: CookieSettings) -> None:
        prefix = "" if settings.domain else "__Host-"
        self._domain = f"; Domain={settings.domain}" if settings.domain else ""
        self._names: dict[Kind, str] = {
            "access": prefix + settings.access,
            "refresh": prefix + settings.refresh,
            "session": prefix + settings.session,
            "csrf": prefix + settings.csrf,
            "device": prefix + settings.device,
            "passkey": prefix + settings.passkey,
            "link": prefix + settings.link,
            "bound": prefix + settings.bound,
            "federation": prefix + settings.federation,
        }

    def name(self, kind: Kind) -> str:
        """Return the name that a cookie of this kind has here."""
        return self._names[kind]

    def read(self, visit: Visit, kind: Kind) -> str | None:
        """Return a cookie's value, or None; empty counts as none."""
        return visit.cookies.get(self._names[kind]) or None

    def name_of(self, kind: Kind, of: str) -> str:
        """Return the name of a cookie that there is one of for each session."""
        return f"{self._names[kind]}-{of}"

    def shown_proof(self, visit: Visit, kind: Kind, of: str) -> str | None:
        """Return the value of a cookie that names nobody and only adds a proof, or None.

        It counts beside an Authorization header as well: it lets nobody act who could not.
        """
        return visit.every_cookie.get(self.name_of(kind, of)) or None

    def clear_each(self, visit: Visit, kind: Kind) -> list[Header]:
        """Return the headers that delete every cookie of a kind that there is one of for each session."""
        prefix = self.name_of(kind, "")
        shown = [name.removeprefix(prefix) for name in visit.cookies if name.startswith(prefix)]
        return [self.clear(kind, of=of) for of in shown if _SESSION_ID.fullmatch(of)]

    def write(self, kind: Kind, value: str, lifetime_seconds: int, *, of: str = "") -> Header:
        """Return the header that sets a cookie; `of` names the session where there is one for each."""
        name = self.name_of(kind, of) if of else self._names[kind]
        text = f"{name}={value}; Max-Age={lifetime_seconds}; {self.attributes(kind)}"
        return b"set-cookie", text.encode("ascii")

    def attributes(self, kind: Kind) -> str:
        """Return where a cookie of this kind goes, and who may read it."""
        same_site = "Strict" if kind in ("refresh", "passkey") else "Lax"
        script = "" if kind == "csrf" else "; HttpOnly"
        return f"Path=/; Secure{script}; SameSite={same_site}{self._domain}"

    def clear(self, kind: Kind, *, of: str = "") -> Header:
        """Return the header that deletes a cookie."""
        return self.write(kind, "", 0, of=of)
