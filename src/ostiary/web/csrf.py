"""Nobody else's page may act with our cookies: origin checks and a signed double-submit token (R19)."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ostiary.core.errors import Problem
from ostiary.web.settings import LOOPBACK_HOSTS, is_loopback, origin_of

if TYPE_CHECKING:
    from ostiary.core.secrets import Macs
    from ostiary.web.cookies import Cookies, Header
    from ostiary.web.settings import WebSettings
    from ostiary.web.visit import Visit

PURPOSE = "csrf token"
ANONYMOUS = "anonymous"
LIFETIME_SECONDS = 7 * 86_400
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER_NAMES = (b"x-csrf-token", b"x-csrftoken")


class ForeignOrigin(Problem):
    """The request was made by a page of another origin."""

    slug = "foreign-origin"
    title = "This request came from another site and was not carried out."
    status = 403


class CsrfTokenMissing(Problem):
    """A browser's request that acts by cookie has to repeat the token that only our own pages can read."""

    slug = "csrf-token-missing"
    title = "The form has grown old. Please load the page again and repeat."
    status = 403


class Csrf:
    """Issues tokens bound to a session, and checks requests that could act by cookie."""

    def __init__(self, macs: Macs, cookies: Cookies, settings: WebSettings) -> None:
        self._macs = macs
        self._cookies = cookies
        self._origins = own_origins(settings.public_url) | frozenset(settings.cors_origins)

    def issue(self, session_id: str | None) -> tuple[str, Header]:
        """Return a new token for this session (None: nobody is signed in) and the header that sets its cookie."""
        token = self._macs.write(PURPOSE, secrets.token_urlsafe(16), session_id or ANONYMOUS)
        return token, self._cookies.write("csrf", token, LIFETIME_SECONDS)

    def renew(self, visit: Visit, session_id: str | None) -> tuple[str, Header]:
        """Return the visitor's own token if it fits the session, else a new one, and the header that keeps it longer.

        A token that fits stays: forms in the visitor's other tabs hold it.
        """
        held = self._cookies.read(visit, "csrf")
        if held is not None and self._fits(held, session_id):
            return held, self._cookies.write("csrf", held, LIFETIME_SECONDS)
        return self.issue(session_id)

    def token_for(self, visit: Visit, session_id: str | None) -> tuple[str, Header | None]:
        """Return the visitor's own token if it fits the session, else a new one with its cookie."""
        held = self._cookies.read(visit, "csrf")
        if held is not None and self._fits(held, session_id):
            return held, None
        return self.issue(session_id)

    def check_origin(self, visit: Visit) -> None:
        """Refuse what a foreign page has sent.

        Raises:
            ForeignOrigin: `Origin` or `Sec-Fetch-Site` says so.
        """
        origin = visit.header(b"origin")
        if b"origin" in visit.doubled or b"sec-fetch-site" in visit.doubled:
            raise ForeignOrigin  # no browser says two things about one request
        if origin is not None:
            if origin not in self._origins:
                raise ForeignOrigin
        elif visit.headers.get(b"sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
            raise ForeignOrigin

    def check(self, visit: Visit, session_id: str | None, submitted: str | None = None) -> None:
        """Refuse a request that a foreign page could have caused.

        Exempt is what carries its own proof (an Authorization header: cookies
        are not read beside it), and what no browser sent and no cookie backs.

        Args:
            visit: The request.
            session_id: The session that its cookies name, or None.
            submitted: The token from a form; an API request shows it in a header.

        Raises:
            ForeignOrigin: It came from elsewhere.
            CsrfTokenMissing: It does not repeat its cookie's token, or one of another session.
        """
        if visit.method in SAFE_METHODS or b"authorization" in visit.headers:
            return
        self.check_origin(visit)
        if not self._could_be_browser(visit):
            return
        held = self._cookies.read(visit, "csrf")
        shown = submitted if submitted is not None else self._from_header(visit)
        if not held or not shown or not hmac.compare_digest(held.encode(), shown.encode("utf-8", "replace")):
            raise CsrfTokenMissing
        if not self._fits(held, session_id):
            raise CsrfTokenMissing

    def _could_be_browser(self, visit: Visit) -> bool:
        if b"origin" in visit.headers or b"sec-fetch-site" in visit.headers:
            return True
        return any(self._cookies.read(visit, kind) for kind in ("access", "refresh", "session"))

    def _from_header(self, visit: Visit) -> str | None:
        for name in HEADER_NAMES:
            shown = visit.header(name)
            if shown is not None:
                return shown
        return None

    def _fits(self, token: str, session_id: str | None) -> bool:
        fields = self._macs.read(PURPOSE, token, 2)
        return fields is not None and fields[1] == (session_id or ANONYMOUS)


def own_origins(public_url: str) -> frozenset[str]:
    """Return the origins that are this house: on a developer's machine, each name of the loopback."""
    parts = urlsplit(public_url)
    own = origin_of(public_url)
    if not is_loopback(parts.hostname):
        return frozenset({own})
    port = f":{parts.port}" if parts.port else ""
    hosts = (f"[{host}]" if ":" in host else host for host in LOOPBACK_HOSTS)
    return frozenset({own, *(f"{parts.scheme}://{host}{port}" for host in hosts)})
