"""What proxies ask for each request: who has sent it, and may they? In the fast lane, from memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote

from ostiary.core.errors import FieldError, InvalidFields, Problem
from ostiary.web.answers import refusals
from ostiary.web.csrf import SAFE_METHODS, ForeignOrigin
from ostiary.web.lane import Lane
from ostiary.web.redirects import SeeOther
from ostiary.web.standing import NotPermitted

if TYPE_CHECKING:
    from ostiary.forward.places import ReturnPlaces
    from ostiary.sessions import Known, SessionGuard
    from ostiary.web.visit import Receive, Visit

PATH: Final = "/auth/forward"
BROWSER_PATH: Final = "/auth/forward/browser"
SIGN_IN: Final = b"x-ostiary-sign-in"
_HOST: Final = re.compile(r"[a-z0-9.:\[\]-]{1,255}")


@dataclass(frozen=True, slots=True)
class ForwardLane:
    """Answers proxies.

    Attributes:
        guard: Looks at the credential, which the proxy passes on.
        places: Where people may be sent back to.
    """

    guard: SessionGuard
    places: ReturnPlaces

    async def plain(self, visit: Visit, _: Receive) -> bytes:
        """Answer 200 with headers that name somebody, or 401 with the way to sign in in a header (nginx)."""
        try:
            return await self._judge(visit)
        except Problem as refusal:
            if refusal.status == HTTPStatus.UNAUTHORIZED:
                visit.answers.append((SIGN_IN, self._way(visit).encode()))
            raise

    async def browser(self, visit: Visit, _: Receive) -> bytes:
        """As `plain`, but a browser on its way to a page is sent to sign in (Caddy, Traefik)."""
        try:
            return await self._judge(visit)
        except Problem as refusal:
            if refusal.status == HTTPStatus.UNAUTHORIZED and _wants_page(visit):
                raise SeeOther(self._way(visit)) from None
            raise

    async def _judge(self, visit: Visit) -> bytes:
        permission = _permission_in(visit)
        known = await self.guard.admit(visit)
        if visit.bearer is None:
            self._refuse_foreign(visit)
        if permission is not None and permission not in known.permissions:
            raise NotPermitted
        visit.answers += _named(known)
        return b"{}"

    def _refuse_foreign(self, visit: Visit) -> None:
        """Refuse what a page elsewhere has a browser do with our cookies: the application cannot know (R19)."""
        origin = visit.header(b"origin")
        if b"origin" in visit.doubled:
            raise ForeignOrigin
        if origin is None or origin in self.places.origins:
            return
        method = visit.header(b"x-forwarded-method")
        if method is None or method not in SAFE_METHODS or b"upgrade" in visit.headers:
            raise ForeignOrigin

    def _way(self, visit: Visit) -> str:
        proto, host, tail = (visit.header(name) or "" for name in _FORWARDED)
        # Whatever a stranger writes here, it has to be on the list: so it need not be asked who wrote it.
        origin = f"{proto}://{host.lower()}" if _HOST.fullmatch(host.lower()) else ""
        return self.places.way(origin, tail)

    def lanes(self) -> list[Lane]:
        """Return the paths that proxies ask."""
        answers = {str(status): answer for status, answer in refusals(401, 422).items()}
        content = {"application/json": {"schema": {"type": "object"}}}
        seen = {"200": {"description": "Somebody who may; named by the headers `Remote-…`.", "content": content}}
        sent = {"303": {"description": "A browser that has to sign in."}}
        parameter = {"name": "permission", "in": "query", "required": False, "schema": {"type": "string"}}
        shared = {"tags": ["forward"], "parameters": [parameter]}
        return [
            Lane(
                "GET", PATH, self.plain,
                {"operationId": "forward", "summary": "Say who has sent a request to an application (nginx)."}
                | shared | {"responses": seen | answers},
            ),
            Lane(
                "GET", BROWSER_PATH, self.browser,
                {"operationId": "forwardBrowser", "summary": "The same, and send browsers to sign in (Caddy, Traefik)."}
                | shared | {"responses": seen | sent | answers},
            ),
        ]  # fmt: skip


_FORWARDED: Final = (b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-uri")


def _named(known: Known) -> list[tuple[bytes, bytes]]:
    """Return headers that name somebody, each always: what a proxy does not get it might take from a stranger."""
    account = known.account
    return [
        (b"remote-user", account.username.encode("ascii")),
        (b"remote-account", known.account_id.encode("ascii")),
        # An address that is a mere claim names nobody (D4).
        (b"remote-email", _plain(account.email) if account.email_verified else b""),
        (b"remote-permissions", " ".join(known.permissions).encode("ascii")),
        (b"remote-session", known.session_id.encode("ascii")),
    ]


def _plain(text: str) -> bytes:
    return quote(text, safe="@!#$&'*+/=?^_`{|}~.-").encode("ascii")


def _wants_page(visit: Visit) -> bool:
    is_read = (visit.header(b"x-forwarded-method") or "GET") in ("GET", "HEAD")
    return is_read and visit.bearer is None and b"text/html" in visit.headers.get(b"accept", b"").lower()


def _permission_in(visit: Visit) -> str | None:
    """Return the permission that the proxy demands.

    Raises:
        InvalidFields: It asks for something else: what is not understood must not let anybody pass.
    """
    if not visit.query:
        return None
    asked = parse_qsl(visit.query.decode("latin-1"), keep_blank_values=True)
    if len(asked) != 1 or asked[0][0] != "permission" or not asked[0][1]:
        raise InvalidFields(errors=(FieldError("permission", "Ask for one permission, or for none.", "value"),))
    return asked[0][1]
