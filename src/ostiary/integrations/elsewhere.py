"""A house elsewhere, as an application finds it: the same desk as a mounted one, which only knows public keys."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ostiary.client.problems import ForeignOrigin, Refusal, Unavailable
from ostiary.client.visits import Visit as Asked
from ostiary.integrations.elsewhere_sockets import RemoteSockets
from ostiary.integrations.mounting import CannotMount

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ostiary.client import Requirement, ResourceServer
    from ostiary.client.identity import Identity
    from ostiary.integrations.house import Scope
    from ostiary.integrations.rates import Rate

log = logging.getLogger(__name__)

COUNTS_NOTHING: Final = (
    "limit(...) counts in the database of a mounted house, and the house of this application is elsewhere. Take it "
    "out, or mount a house with mount(app, Ostiary.at(...))."
)


class RemoteVisit:
    """One request, or one handshake.

    Attributes:
        asked: What it shows.
        answers: Headers that the answer shall carry; a house elsewhere adds none.
    """

    __slots__ = ("answers", "asked")

    def __init__(self, scope: Scope) -> None:
        self.asked = Asked.of_scope(scope)
        self.answers: list[tuple[bytes, bytes]] = []

    @property
    def method(self) -> str:
        """Its method."""
        return self.asked.method

    @property
    def bearer(self) -> str | None:
        """Not None if it shows an Authorization header; then its cookies do not count."""
        return self.asked.authorization


class RemoteReception:
    """Receives visitors by what an Ostiary elsewhere has signed; asks it nothing but its keys.

    Attributes:
        refusals: What the verbs here raise.
        access_cookie: Name of the access cookie; None if cookies do not count.
    """

    refusals: type[Exception] = Refusal

    def __init__(self, server: ResourceServer) -> None:
        self._server = server
        self.access_cookie = server.cookie

    def visit(self, scope: Scope) -> RemoteVisit:
        """Return what is to be known of an HTTP request."""
        return RemoteVisit(scope)

    def look_at_origin(self, scope: Scope) -> None:
        """Do nothing: no page of the house's own is served here."""

    async def admit(self, visit: RemoteVisit, *, as_page: bool) -> Identity:
        """Return whom the request's credential names.

        Raises:
            Refusal: It shows none, or one that proves nothing; or nobody can say.
        """
        return (await self._server.admit(visit.asked, check_origin=False)).admitted()

    async def find(self, visit: RemoteVisit, *, as_page: bool) -> Identity | None:
        """As `admit`, but None for a visitor without a credential, or with a cookie that proves nothing any more.

        Raises:
            Refusal: A bearer token proves nothing; or nobody can say.
        """
        return (await self._server.admit(visit.asked, check_origin=False)).perhaps()

    async def refuse_forgery(self, visit: RemoteVisit, submitted: Callable[[], Awaitable[str | None]]) -> None:
        """Refuse what acts by cookie and does not say that a page of ours has sent it (R19).

        Raises:
            ForeignOrigin: It does not.
        """
        if not self._server.origins.has_sent(visit.asked):
            raise ForeignOrigin

    def csrf_token(self, visit: RemoteVisit) -> str:
        """Return an empty text: forms repeat nothing here, and may have the field all the same."""
        return ""

    def require(self, identity: Identity, asked: Requirement) -> None:
        """Refuse whoever does not meet what is asked for, as their token says.

        Raises:
            Refusal: They do not.
        """
        self._server.check(identity, asked)

    def sign_in_page(self, visit: RemoteVisit, refusal: Exception) -> str | None:
        """Return where to send a browser instead of refusing it, or None where that would not help it."""
        return self._server.sign_in_page(visit.asked, refusal) if isinstance(refusal, Refusal) else None

    async def spend(self, visit: RemoteVisit, identity: Identity | None, rate: Rate) -> None:
        """Raise: nothing is counted here; an application in FastAPI hears of it at its start.

        Raises:
            CannotMount: In any case.
        """
        raise CannotMount(COUNTS_NOTHING)

    def unavailable(self) -> Exception:
        """Return what to answer while nobody can be believed."""
        return Unavailable(retry_after=self._server.verifier.retry_after)

    def answer(self, visit: RemoteVisit, refusal: Exception) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        """Return status, body and headers of the answer that a refusal becomes (RFC 9457)."""
        assert isinstance(refusal, Refusal)
        log.info("refused: %s %s (request %s)", refusal.slug, refusal.reason, refusal.request_id)
        body = refusal.body()
        told = [*refusal.headers(), ("Content-Length", str(len(body)))]
        headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in told]
        return refusal.status, b"" if visit.method == "HEAD" else body, headers


class Elsewhere:
    """Stands in an application for a house elsewhere.

    Attributes:
        app: None: the house answers its own paths where it is.
        reception: Who receives the application's visitors.
        socket_door: Where its WebSockets come in.
    """

    app: None = None

    def __init__(self, server: ResourceServer) -> None:
        self._server = server
        self.reception = RemoteReception(server)
        self.socket_door = RemoteSockets(server)

    async def open(self) -> None:
        """Begin to fetch keys and to hear of revocations; waits for neither: an outage there is none here."""
        self._server.begin()

    async def load(self) -> None:
        """Do nothing: there is nothing to load."""

    async def close(self) -> None:
        """Close every socket; whoever is there may come back, and is not signed out."""
        await self.socket_door.close()

    async def is_ready(self) -> bool:
        """Return True: what is not known yet is asked for when it is needed."""
        return True
