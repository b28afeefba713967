"""WebSockets of an application that holds a house: who opened one, and its end when their session ends (R41)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ostiary.client.identity import Identity
    from ostiary.integrations.house import App, Hold, Message, Receive, Scope, Send, SocketDoor
    from ostiary.integrations.mounted import Mounted

log = logging.getLogger(__name__)

PROTOCOL: Final = "ostiary"
"""What a page offers beside a sub-protocol that carries a credential, for the server to choose: browsers close a
socket whose server chooses nothing, and a credential must never be repeated in an answer."""

SECRETS: Final = ("ostiary.bearer.", "ostiary.ticket.")
_HEADER: Final = b"sec-websocket-protocol"


class SocketGuest:
    """One WebSocket of the application, of which nothing is known until somebody asks.

    Attributes:
        mounted: The house in this application.
        visit: What the house knows of the handshake, or None while nobody has asked.
    """

    __slots__ = (
        "_came", "_closing", "_hold", "_is_accepted", "_is_over", "_offered", "_query", "_receive", "_refusal",
        "_scope", "_send", "_waiting", "mounted", "visit",
    )  # fmt: skip

    def __init__(self, mounted: Mounted, scope: Scope, receive: Receive, send: Send) -> None:
        self.mounted = mounted
        self.visit: Any = None
        self._scope = scope
        self._receive = receive
        self._send = send
        self._offered: list[str] = list(scope.get("subprotocols", ()))
        self._query: bytes = scope.get("query_string", b"")
        self._hold: Hold | None = None
        self._refusal: Exception | None = None
        self._came = self._is_accepted = self._is_over = False
        self._waiting: asyncio.Task[Any] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def serve(self, app: App, scope: Scope) -> None:
        """Let the application serve this socket; the credentials among its sub-protocols stay here."""
        try:
            await app(_without_secrets(scope, self._offered), self.receive, self.send)
        finally:
            self._is_over = True
            if self._hold is not None:
                self._door.let_go(self._hold)
            if self._closing is not None:
                await self._closing  # a server closes without a word once the application is done

    async def admitted(self) -> Identity:
        """Return who has opened this socket, as their account is now; from here on it ends with their session.

        Raises:
            Exception: A refusal of the house; becomes a close code by itself.
        """
        if self._refusal is not None:
            raise self._refusal
        if self._hold is None:
            await self.mounted.require_open()
            visit = self.seen(self._scope)
            self._hold = await self._door.admit(
                visit, self._offered, self._query, self.end, as_page=self.mounted.redirect_to_sign_in
            )
        return self._hold.identity

    async def reauthenticated(self, shown: str) -> Identity:
        """Let this socket go on by a new access token or ticket of the same person.

        Raises:
            Exception: It proves nothing, or names somebody else; the socket stays as it was.
        """
        await self.admitted()
        return await self._door.reauthenticate(self._hold, shown)

    def seen(self, scope: Scope) -> Any:  # noqa: ANN401 - a Visit
        """Return the visit."""
        if self.visit is None:
            self.visit = self._door.visit(scope)
        return self.visit

    def end(self, refusal: Exception) -> None:
        """Close this socket now: nothing goes in or out any more, whatever its two ends still do."""
        if self._is_over or self._refusal is not None:
            return
        self._refusal = refusal
        if self._is_accepted:
            self._close()

    async def refuse(self, refusal: Exception) -> None:
        """Turn a socket down by accepting and closing it: a page never learns why a handshake was refused."""
        if self._is_over:
            return
        if not self._is_accepted:
            if not self._came and (await self._receive())["type"] != "websocket.connect":
                return  # gone already
            await self._accept({"type": "websocket.accept"}, any_protocol=True)
        self._refusal = refusal
        self._is_over = True
        await self._say_farewell()

    async def receive(self) -> Message:
        """Receive a message for the application; of a session that has ended, no more than that it is over."""
        if self._is_accepted and self._refusal is not None:
            return self._gone()
        task = self._waiting = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if not self._is_over or self._refusal is None:
                raise  # it is the application that is cancelled
            if task.uncancel() > before:  # it, too
                self._close_beside()
                raise
            await self._say_farewell()
            return self._gone()
        finally:
            self._waiting = None
        self._came = True
        if message["type"] == "websocket.disconnect":
            self._is_over = True
        elif self._is_accepted and self._refusal is not None:
            await self._say_farewell()  # it came while the server would not be interrupted
            return self._gone()
        return message

    async def send(self, message: Message) -> None:
        """Send a message of the application's."""
        if message["type"] == "websocket.accept":
            await self._accept(message)
            if self._refusal is not None and not self._is_over:
                self._close()  # its session has ended between the look and now
            return
        if self._is_over and self._refusal is not None:
            raise OSError("the session behind this WebSocket has ended")  # as servers do once it is closed
        if message["type"] == "websocket.close":
            self._is_over = True
        await self._send(message)

    @property
    def _door(self) -> SocketDoor:
        return self.mounted.house.socket_door

    async def _accept(self, message: Message, *, any_protocol: bool = False) -> None:
        if message.get("subprotocol") is None and self._offered:
            message = {**message, "subprotocol": self._choice(any_protocol=any_protocol)}
        if self.visit is not None and self.visit.answers:
            message = {**message, "headers": [*message.get("headers", ()), *self.visit.answers]}
        await self._send(message)
        self._is_accepted = True  # afterwards: a close that overtakes it would be a refused handshake

    def _choice(self, *, any_protocol: bool) -> str | None:
        if PROTOCOL in self._offered:
            return PROTOCOL
        harmless = [protocol for protocol in self._offered if not protocol.startswith(SECRETS)]
        return harmless[0] if any_protocol and harmless else None

    def _close(self) -> None:
        self._is_over = True
        if self._waiting is not None:
            self._waiting.cancel()  # `receive` turns it into the end of the socket: of a thousand at once, soonest
        else:
            self._close_beside()

    def _close_beside(self) -> None:
        self._closing = asyncio.get_running_loop().create_task(self._say_farewell())

    async def _say_farewell(self) -> None:
        try:
            await self._send(self._farewell())
        except Exception as failure:  # noqa: BLE001 - whoever is gone already needs no word of it
            log.debug("a socket was gone before it was closed: %s", type(failure).__name__)

    def _farewell(self) -> Message:
        assert self._refusal is not None
        code, reason = self._door.code(self._refusal)
        return {"type": "websocket.close", "code": code, "reason": reason}

    def _gone(self) -> Message:
        return {**self._farewell(), "type": "websocket.disconnect"}


def _without_secrets(scope: Scope, offered: list[str]) -> Scope:
    """Return the scope as the application may see it, and log it, and repeat of it in an answer."""
    kept = [protocol for protocol in offered if protocol != PROTOCOL and not protocol.startswith(SECRETS)]
    if len(kept) == len(offered):
        return scope
    headers = [header for header in scope["headers"] if header[0] != _HEADER]
    if kept:
        headers.append((_HEADER, ", ".join(kept).encode("latin-1")))
    return {**scope, "subprotocols": kept, "headers": headers}
