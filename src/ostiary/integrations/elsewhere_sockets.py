"""WebSockets of an application whose house is elsewhere: each hangs on the token that has opened it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ostiary.client.identity import Identity
from ostiary.client.problems import ForeignOrigin, NotSignedIn, Refusal, Unavailable
from ostiary.client.visits import Visit as Asked
from ostiary.client.visits import cookie_in

if TYPE_CHECKING:
    from ostiary.client import Proof, ResourceServer
    from ostiary.integrations.house import Scope

log = logging.getLogger(__name__)

NOT_SIGNED_IN, NOT_ALLOWED, TRY_LATER = 4001, 4003, 1013
"""Close codes: two of the house's own (R41), and one of RFC 6455's registry."""

BEARER: Final = "ostiary.bearer."
LOOK_SECONDS: Final = 0.05
"""How often what has proven the open sockets is looked at again; in memory alone."""


class Handshake:
    """What opens a socket.

    Attributes:
        asked: What it shows.
        answers: Headers that the answer shall carry; a house elsewhere adds none.
    """

    __slots__ = ("answers", "asked")

    def __init__(self, scope: Scope) -> None:
        self.asked = Asked.of_scope(scope)
        self.answers: list[tuple[bytes, bytes]] = []


@dataclass(slots=True, eq=False)
class RemoteHold:
    """What holds one socket open.

    Attributes:
        identity: Whom it belongs to, as their token says.
        proof: What has proven that; not the token itself.
        close: Told why, once, when it must end; must not wait.
    """

    identity: Identity
    proof: Proof
    close: Callable[[Exception], None]


class RemoteSockets:
    """Admits sockets, and closes each when its token expires or is revoked, or its key is gone.

    A mounted house knows how long a session lives, and keeps a socket open as
    long as that. Here only the token is known, and nobody vouches for more.

    Attributes:
        refusals: What the verbs here raise.
    """

    refusals: type[Exception] = Refusal

    def __init__(self, server: ResourceServer) -> None:
        self._server = server
        self._open: set[RemoteHold] = set()
        self._watching: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def visit(self, scope: Scope) -> Handshake:
        """Return what is to be known of a handshake."""
        return Handshake(scope)

    async def admit(
        self,
        visit: Handshake,
        protocols: list[str],
        query: bytes,  # not looked at: a token in a URL is in somebody's log, and a ticket is the house's to spend
        close: Callable[[Exception], None],
        *,
        as_page: bool,
    ) -> RemoteHold:
        """Return what holds a socket open from here on.

        Raises:
            Refusal: The page is foreign (403), nothing proves anything (401), or nobody can say (503).
        """
        asked = visit.asked
        is_ours = self._server.origins.has_sent(asked)
        if not is_ours and (asked.origin is not None or asked.fetch_site is not None):
            raise ForeignOrigin
        proof = await self._prove(asked, protocols, is_ours=is_ours)
        self._server.look_again(proof)  # what has ended while the credential was looked at
        hold = RemoteHold(Identity.of(proof.claims), proof, close)
        self._open.add(hold)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="sockets")
        return hold

    async def reauthenticate(self, hold: RemoteHold, shown: str) -> Identity:
        """Let an open socket go on by a new token of the same person; return who it is.

        Raises:
            Refusal: It proves nothing, or names somebody else; the socket stays as it was.
        """
        proof = await self._server.prove(shown)
        # D13: a socket never changes hands, whatever is shown on it.
        if proof.claims.sub != hold.proof.claims.sub or hold not in self._open:
            raise NotSignedIn
        hold.proof, hold.identity = proof, Identity.of(proof.claims)
        return hold.identity

    def let_go(self, hold: RemoteHold) -> None:
        """Forget a socket that has closed."""
        self._open.discard(hold)

    def code(self, refusal: Exception) -> tuple[int, str]:
        """Return close code and reason of a refusal."""
        assert isinstance(refusal, Refusal)
        codes = {HTTPStatus.UNAUTHORIZED: NOT_SIGNED_IN, HTTPStatus.SERVICE_UNAVAILABLE: TRY_LATER}
        return codes.get(HTTPStatus(refusal.status), NOT_ALLOWED), refusal.slug

    async def close(self) -> None:
        """End the watch, as the application closes, and every socket."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        for hold in [*self._open]:
            self._end(hold, Unavailable())

    async def _prove(self, asked: Asked, protocols: list[str], *, is_ours: bool) -> Proof:
        """Return what the first credential that proves anything says: the cookie's first."""
        if asked.authorization is not None:
            shown = asked.credential(None)
            if shown is None:
                raise NotSignedIn
            return await self._server.prove(shown.token)  # whoever can send a header shows nothing else
        last = NotSignedIn()
        for token in self._tokens(asked, protocols, is_ours=is_ours):
            try:
                return await self._server.prove(token)
            except Refusal as refusal:
                if refusal.status != HTTPStatus.UNAUTHORIZED:
                    raise
                last = NotSignedIn(reason=refusal.reason)
        raise last

    def _tokens(self, asked: Asked, protocols: list[str], *, is_ours: bool) -> list[str]:
        found = [protocol.removeprefix(BEARER) for protocol in protocols if protocol.startswith(BEARER)]
        # Pages of other sites open sockets with our cookies, and say whose they are: without that no cookie counts.
        if is_ours and asked.origin is not None and self._server.cookie is not None and asked.cookie is not None:
            found.insert(0, cookie_in(asked.cookie, self._server.cookie) or "")
        return [token for token in found if token]

    def _end(self, hold: RemoteHold, refusal: Refusal) -> None:
        self.let_go(hold)
        hold.close(refusal)

    async def _watch(self) -> None:
        """Look again at what has proven each socket, as long as there is one."""
        while self._open:
            await asyncio.sleep(LOOK_SECONDS)
            for hold in [*self._open]:
                try:
                    self._server.look_again(hold.proof)
                except Refusal as refusal:
                    self._end(hold, refusal)
                except Exception as failure:  # noqa: BLE001 - of `revocations`; whatever it is, no socket stays open unwatched
                    log.warning("a socket is closed: nobody can say if it may stay (%s)", type(failure).__name__)
                    self._end(hold, Unavailable())
