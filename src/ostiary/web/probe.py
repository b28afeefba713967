"""What a request looked like when it arrived, told to nobody but the keeper's own doctor."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from ostiary.core.clock import millis

if TYPE_CHECKING:
    from ostiary.core.clock import Clock, Millis
    from ostiary.core.secrets import Macs
    from ostiary.web.address import ClientAddress
    from ostiary.web.visit import Scope, Visit

HEADER = b"x-ostiary-probe"
PATH = "/auth/probe%2Fdoctor/"
"""Nothing is there. A proxy that decodes or tidies paths changes it."""
VALID = millis(timedelta(minutes=1))


class Seen(msgspec.Struct, frozen=True):
    """One request, as the server saw it.

    Attributes:
        peer: At the other end of the connection.
        port: Of the peer; with it the doctor knows its own connection again.
        address: The client's, as believed, or None where unknown.
        is_https: Whether the client is believed to have come by https.
        path: As it arrived, byte for byte.
    """

    peer: str
    port: int
    x_forwarded_for: list[str]
    forwarded: list[str]
    address: str | None
    is_https: bool
    host: str
    path: str


class Probe:
    """Proves a probe by a MAC that takes the data folder's keys, and answers it once.

    To everybody else the header means nothing: the request goes its way, to an ordinary 404.
    """

    def __init__(self, macs: Macs, clock: Clock, addresses: ClientAddress) -> None:
        self._macs = macs
        self._clock = clock
        self._addresses = addresses
        self._used: dict[str, Millis] = {}

    def write(self) -> str:
        """Return the header's value of a new probe."""
        return self._macs.write("probe", str(self._clock.now()), secrets.token_urlsafe(16))

    def answer(self, scope: Scope, visit: Visit) -> bytes | None:
        """Return as JSON what arrived, or None if the probe proves nothing, is old, or was answered already."""
        shown = self._macs.read("probe", visit.header(HEADER) or "", 2)
        if shown is None or HEADER in visit.doubled:
            return None
        at, name = int(shown[0]), shown[1]
        now = self._clock.now()
        if abs(now - at) > VALID or name in self._used:
            return None
        self._used = {used: when for used, when in self._used.items() if abs(now - when) <= VALID} | {name: at}
        return msgspec.json.encode(self._seen(scope, visit))

    def _seen(self, scope: Scope, visit: Visit) -> Seen:
        peer, port = scope.get("client") or ("", 0)

        def lines(wanted: bytes) -> list[str]:
            return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]

        return Seen(
            peer, int(port or 0), lines(b"x-forwarded-for"), lines(b"forwarded"), visit.address,
            self._addresses.is_https(scope.get("scheme", "http"), peer, visit.headers),
            visit.header(b"host") or "", (scope.get("raw_path") or b"").partition(b"?")[0].decode("latin-1"),
        )  # fmt: skip
