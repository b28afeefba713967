"""One request to an application, as its framework tells it, and what it shows of whoever has sent it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request shows.

    Attributes:
        token: A text that may be an access token.
        is_cookie: Whether the browser added it by itself; then the request could be another site's doing.
    """

    token: str
    is_cookie: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request.

    A header that is there more than once is its values joined, which makes it
    none that we know; so is one that a gateway has joined.

    Attributes:
        method: In capitals.
        path: Decoded, as the application sees it, with what it is mounted under.
        host: Where it was sent to: name and port.
        authorization: That header, or None.
        cookie: That header, or None.
        origin: That header, or None.
        fetch_site: `Sec-Fetch-Site`, or None.
        accept: That header, or nothing.
        is_socket: Whether it opens a WebSocket: a GET by which a foreign page could act.
    """

    method: str
    path: str
    host: str = ""
    authorization: str | None = None
    cookie: str | None = None
    origin: str | None = None
    fetch_site: str | None = None
    accept: str = ""
    is_socket: bool = False

    @classmethod
    def of_environ(cls, environ: Mapping[str, Any]) -> Self:
        """Return a request as WSGI tells it (PEP 3333)."""
        get = environ.get
        path = str(get("SCRIPT_NAME", "")) + str(get("PATH_INFO", ""))
        return cls(
            method=environ["REQUEST_METHOD"], path=path.encode("latin-1", "replace").decode("utf-8", "replace"),
            host=get("HTTP_HOST", ""), authorization=get("HTTP_AUTHORIZATION"), cookie=get("HTTP_COOKIE"),
            origin=get("HTTP_ORIGIN"), fetch_site=get("HTTP_SEC_FETCH_SITE"), accept=get("HTTP_ACCEPT", ""),
        )  # fmt: skip

    @classmethod
    def of_scope(cls, scope: Mapping[str, Any]) -> Self:
        """Return a request as ASGI tells it; of HTTP, or the one that opens a WebSocket."""
        found = _joined(scope["headers"])
        get = found.get
        return cls(
            method=scope.get("method", "GET"), path=scope["path"], host=get(b"host") or "",
            authorization=get(b"authorization"), cookie=get(b"cookie"), origin=get(b"origin"),
            fetch_site=get(b"sec-fetch-site"), accept=get(b"accept") or "", is_socket=scope["type"] == "websocket",
        )  # fmt: skip

    @property
    def could_act(self) -> bool:
        """Whether it may change something, or opens what may."""
        return self.is_socket or self.method not in SAFE_METHODS

    def at(self, host: str) -> Self:
        """Return the same request, sent to where the framework says it was, behind a proxy."""
        return replace(self, host=host)

    def credential(self, cookie_name: str | None) -> Credential | None:
        """Return the one credential that counts, or None.

        Beside an Authorization header cookies do not count, whatever it holds: a broken
        token is not made good by a cookie, and what is exempt from the check
        against forgery must not be able to act by one.

        Args:
            cookie_name: The access cookie's; None if cookies are not for this application.
        """
        if self.authorization is not None:
            scheme, _, shown = self.authorization.partition(" ")
            return Credential(shown, is_cookie=False) if scheme.lower() == "bearer" else None
        if cookie_name is None or self.cookie is None:
            return None
        token = cookie_in(self.cookie, cookie_name)
        return Credential(token, is_cookie=True) if token else None

    def wants_page(self) -> bool:
        """Return whether a browser is on its way to a page."""
        return self.method == "GET" and self.authorization is None and "text/html" in self.accept.lower()


@dataclass(frozen=True, slots=True)
class Origins:
    """Whose pages may act with the cookies of the application's visitors.

    Attributes:
        others: Origins besides the application's own host, such as `https://www.example.org`.
    """

    others: frozenset[str] = frozenset()

    @classmethod
    def of(cls, others: Iterable[str]) -> Self:
        """Return the origins.

        Raises:
            ValueError: One is no exact origin.
        """
        found = frozenset(others)
        for origin in found:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}".lower() != origin:
                raise ValueError(f"{origin!r} is no origin: write each like https://www.example.org, without a path")
        return cls(found)

    def has_sent(self, visit: Visit) -> bool:
        """Return whether a page of ours has sent a request; every browser of today says whose it was.

        Name and port must be those of the request. Its scheme is lost behind a
        proxy; but a page by plain http is one that anybody on the way may have
        written, and is none of ours except on this machine.
        """
        if visit.origin in self.others:
            return True
        if visit.fetch_site not in (None, "same-origin", "none"):
            return False
        if visit.origin is None:
            return visit.fetch_site is not None
        scheme, _, host = visit.origin.lower().partition("://")
        is_safe = scheme == "https" or (scheme == "http" and _is_this_machine(host))
        return is_safe and host == visit.host.lower() != ""


def _is_this_machine(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    return name in ("localhost", "127.0.0.1", "::1") or name.endswith(".localhost")


def cookie_in(header: str, name: str) -> str | None:
    """Return a cookie's value; None if there is none of that name, or more than one."""
    pairs = (part.strip(" \t").partition("=") for part in header.split(";"))
    found = [value for key, equals, value in pairs if equals and key == name]
    # Of two neither counts: the second is one that a neighbour has planted (RFC 6265 section 8.6).
    return found[0] if len(found) == 1 else None


def sign_in_address(issuer: str, visit: Visit, *, once_more: bool = False) -> str:
    """Return the address of the issuer's sign-in page, for a browser that is to come back to where it was going.

    The page goes on to plain paths of its own origin only, and sees to that
    itself (R30); an application elsewhere is no place to come back to.
    """
    asked = []
    if visit.host.lower() == urlsplit(issuer).netloc.lower():
        asked.append(f"next={quote(visit.path, safe='/')}")
    if once_more:
        asked.append("reason=once-more")
    return f"{issuer}/auth/sign-in{'?' if asked else ''}{'&'.join(asked)}"


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for name, value in headers:
        text = value.decode("latin-1")
        if name in found:
            # RFC 9113 section 8.2.3: over HTTP/2 browsers send a cookie header in crumbs.
            text = f"{found[name]}{'; ' if name == b'cookie' else ', '}{text}"
        found[name] = text
    return found
