"""Where people may be sent back to: exact origins, and what stands behind them by a grammar (R30)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ostiary.client.strict import decode_base64url, encode_base64url
from ostiary.core.errors import Misconfigured
from ostiary.web.csrf import own_origins

if TYPE_CHECKING:
    from ostiary.web.settings import WebSettings

PATH: Final = "/auth/return"
_SEGMENT: Final = 64
_MOST_SEGMENTS: Final = 6  # what fits into a path that the sign-in page goes on to
# No backslash, control, space or quote, which browsers drop or read as something else.
_TAIL: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")


class ReturnPlaces:
    """Knows which addresses people may be sent back to, and writes them as paths of our own.

    The sign-in page goes on to plain paths of ours and nowhere else. So an
    address elsewhere travels as such a path, and is judged again where it is read.
    """

    def __init__(self, origins: tuple[str, ...], settings: WebSettings) -> None:
        self._house = settings.public_url
        self.origins = own_origins(settings.public_url) | frozenset(origins)

    def judged(self, origin: str, tail: str) -> str | None:
        """Return an address if it is one of ours, else None.

        Args:
            origin: Scheme and host, compared exactly.
            tail: Path and query.
        """
        return origin + tail if origin in self.origins and _TAIL.fullmatch(tail) else None

    def way(self, origin: str, tail: str) -> str:
        """Return the address at the house that leads back to where somebody was going once they are signed in.

        An address that may not be, or is too long, leads to the front of its application, or to the house.
        """
        place = self.judged(origin, tail)
        path = _written(place) if place else None
        if path is None and origin in self.origins:
            path = _written(f"{origin}/")
        return self._house + (path or "/auth/account")

    def read(self, written: str) -> str | None:
        """Return the address that a path of ours stands for, if it may be."""
        data = decode_base64url(written.replace("/", ""))
        try:
            address = (data or b"").decode("ascii")
        except UnicodeDecodeError:
            return None
        scheme, _, rest = address.partition("://")
        host, slash, tail = rest.partition("/")
        return self.judged(f"{scheme}://{host}", slash + tail)


def refuse_unreachable(origins: tuple[str, ...], settings: WebSettings) -> None:
    """See that the house's cookies reach each application: else browsers would be sent back and forth for ever.

    Raises:
        Misconfigured: They do not reach one; says what to do.
    """
    domain = settings.cookies.domain
    for origin in origins:
        host = urlsplit(origin).hostname or ""
        if host == urlsplit(settings.public_url).hostname:
            continue
        if domain is None or not (host == domain or host.endswith(f".{domain}")):
            raise Misconfigured(
                f"forward.origins: no cookie of {settings.public_url} reaches {origin}. Serve the house's paths under "
                "that host name too, or set web.cookies.domain to a domain above both"
            )


def _written(address: str) -> str | None:
    text = encode_base64url(address.encode("ascii"))
    segments = [text[start : start + _SEGMENT] for start in range(0, len(text), _SEGMENT)]
    return "/".join((PATH, *segments)) if len(segments) <= _MOST_SEGMENTS else None
