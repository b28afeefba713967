"""Cookies of the house: named, scoped and cleared in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ostiary.web.settings import CookieSettings
    from ostiary.web.visit import Visit

Kind = Literal["access", "refresh", "session", "csrf", "device", "passkey"]
Header = tuple[bytes, bytes]


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
        }

    def name(self, kind: Kind) -> str:
        """Return the name that a cookie of this kind has here."""
        return self._names[kind]

    def read(self, visit: Visit, kind: Kind) -> str | None:
        """Return a cookie's value, or None; empty counts as none."""
        return visit.cookies.get(self._names[kind]) or None

    def write(self, kind: Kind, value: str, lifetime_seconds: int) -> Header:
        """Return the header that sets a cookie."""
        same_site = "Strict" if kind in ("refresh", "passkey") else "Lax"
        script = "" if kind == "csrf" else "; HttpOnly"
        text = (
            f"{self._names[kind]}={value}; Path=/; Max-Age={lifetime_seconds}; Secure{script}"
            f"; SameSite={same_site}{self._domain}"
        )
        return b"set-cookie", text.encode("ascii")

    def clear(self, kind: Kind) -> Header:
        """Return the header that deletes a cookie."""
        return self.write(kind, "", 0)
