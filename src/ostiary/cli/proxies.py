"""The doctor on proxies: sends the server a probe with a forged address, and judges what arrived."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from ostiary.cli.findings import PATIENCE_SECONDS, Finding
from ostiary.web.address import ClientAddress, canonical, forwarded_elements, is_inner, parsed
from ostiary.web.probe import HEADER, PATH, Seen

if TYPE_CHECKING:
    from ostiary.web.settings import WebSettings
    from ostiary.wiring import Ostiary

FORGED = "192.0.2.1"
"""Of a network that nobody has (RFC 5737): only a header can say that we come from there."""
FORGERY = {"X-Forwarded-For": FORGED, "Forwarded": f"for={FORGED}"}
HOW_TO_WRITE = {
    "x-forwarded-for": "Let it write the header itself; in nginx: proxy_set_header X-Forwarded-For $remote_addr;",
    "forwarded": "Let it write the header itself; in nginx: proxy_set_header Forwarded for=$remote_addr;",
}


async def proxy_findings(house: Ostiary) -> AsyncIterator[Finding]:
    """Send a probe through the public address, and yield what is to be said of the way that it took."""
    import httpx  # noqa: PLC0415

    headers = FORGERY | {HEADER.decode(): house.probe.write()}
    try:
        async with (
            httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client,
            client.stream("GET", house.settings.web.public_url + PATH, headers=headers) as answer,
        ):
            # Before the body is read: then a proxy may have closed the connection, and it has no ends any more.
            own = answer.extensions["network_stream"].get_extra_info("client_addr") or ("", 0)
            content = await answer.aread()
            seen = msgspec.json.decode(content, type=Seen) if answer.status_code == 200 else None
    except (httpx.HTTPError, msgspec.MsgspecError):
        seen = None
    if seen is None:
        remedy = "Restart the server with this version, on this data folder; let the proxy pass X-Ostiary-Probe on."
        yield Finding("proxies", "look", "The server does not know our probe: the way to it cannot be judged.", remedy)
        return
    for finding in Judgement(seen, (own[0], own[1]), house.settings.web).findings():
        yield finding


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a probe that arrived says of the way that it took.

    Attributes:
        seen: What the server saw.
        own: Address and port of our end of the connection.
        settings: What the server was told about its proxies.
    """

    seen: Seen
    own: tuple[str, int]
    settings: WebSettings

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each of address, scheme, host and path."""
        yield self._address()
        yield self._scheme()
        yield self._host()
        yield self._path()

    @property
    def _is_direct(self) -> bool:
        return (canonical(self.own[0]), self.own[1]) == (canonical(self.seen.peer), self.seen.port)

    @property
    def _hops(self) -> list[str | None]:
        """The addresses in the configured header, from left to right."""
        if self.settings.forwarding_header == "forwarded":
            elements = forwarded_elements(",".join(self.seen.forwarded))
            return [canonical((element or {}).get("for", "")) for element in elements][::-1]
        return [canonical(hop) for line in self.seen.x_forwarded_for for hop in line.split(",")]

    @property
    def _is_untouched(self) -> bool:
        return [self.seen.x_forwarded_for, self.seen.forwarded] == [[text] for text in FORGERY.values()]

    def _address(self) -> Finding:
        header = self.settings.forwarding_header
        peer = canonical(self.seen.peer) or self.seen.peer or "a Unix socket"
        trusted = ClientAddress(self.settings.trusted_proxies, header).trusts(self.seen.peer)
        if self._is_direct:
            return self._direct(peer, trusted=trusted)
        if not trusted:
            return self._untrusted(peer)
        if self.seen.address == FORGED:
            return self._fooled(peer)
        how = HOW_TO_WRITE[header]
        if not self._hops:
            result = "all visitors look like the proxy itself" if self.seen.address else "client addresses are unknown"
            words = f"The proxy at {peer} is trusted but sends no {header}: {result}."
            return Finding(
                "proxies", "bad", words, how + " Or name the header that it writes in web.forwarding_header."
            )
        if self.seen.address is None:
            words = f"The proxy at {peer} is trusted, but the last word of its {header} is no address."
            return Finding("proxies", "bad", words, how)
        return self._believed(peer, self.seen.address)

    def _fooled(self, peer: str) -> Finding:
        if self._hops[:1] == [FORGED] and len(self._hops) > 1:
            words = (
                f"The proxy at {peer} is trusted and appends who asked ({self._hops[-1]}, a trusted address too: "
                "here the word of the one who asks is taken; a stranger's would not be)."
            )
            return Finding("proxies", "good", words)
        words = f"A forged address was believed: the proxy at {peer} is trusted, and passes foreign headers on."
        return Finding("proxies", "bad", words, HOW_TO_WRITE[self.settings.forwarding_header])

    def _believed(self, peer: str, address: str) -> Finding:
        way = "appends to" if FORGED in self._hops else "replaces"
        words = f"The proxy at {peer} is trusted and {way} forged headers; you come from {address}."
        if is_inner(address) and address not in (canonical(self.own[0]), peer):
            remedy = f"If {address} is another proxy of yours and not you, add it to web.trusted_proxies."
            return Finding("proxies", "look", words, remedy)
        return Finding("proxies", "good", words)

    def _direct(self, peer: str, *, trusted: bool) -> Finding:
        if trusted:
            words = (
                f"Nothing stands between, but {peer} is trusted as a proxy: who asks from there may forge addresses."
            )
            remedy = "Let web.public_url lead through the proxy, or take the address out of web.trusted_proxies."
            return Finding("proxies", "look", words, remedy)
        return Finding("proxies", "good", "Nothing stands between the server and who asks: addresses are true.")

    def _untrusted(self, peer: str) -> Finding:
        if self._is_untouched and not is_inner(self.seen.peer):
            return Finding("proxies", "good", f"No proxy shows itself, and forged headers are ignored; you are {peer}.")
        length = getattr(parsed(self.seen.peer), "max_prefixlen", "")
        remedy = (
            f'If it is your proxy: web.trusted_proxies = ["{peer}/{length}"]. '
            + (HOW_TO_WRITE[self.settings.forwarding_header])
        )
        if self.seen.address is None:
            words = f"The proxy at {peer} is not trusted: client addresses are unknown, limits by address are off."
        else:
            words = f"The proxy at {peer} is not trusted: all visitors look like the proxy itself."
        return Finding("proxies", "bad", words, remedy)

    def _scheme(self) -> Finding:
        if self.settings.is_https and not self.seen.is_https:
            ends = "people will be redirected in circles" if self.settings.https_redirect else "web.https_redirect"
            words = f"The server believes that people come by plain http: {ends}" + (
                "." if self.settings.https_redirect else " would redirect them in circles."
            )
            says = "Forwarded: proto=https" if self.settings.forwarding_header == "forwarded" else "X-Forwarded-Proto"
            remedy = f"Trust the proxy, and let it send {says}; in nginx: proxy_set_header X-Forwarded-Proto $scheme;"
            return Finding("scheme", "bad" if self.settings.https_redirect else "look", words, remedy)
        return Finding(
            "scheme", "good", f"People come by {'https' if self.seen.is_https else 'http'}, and it is known."
        )

    def _host(self) -> Finding:
        public = urlsplit(self.settings.public_url).netloc
        if self.seen.host.lower() != public:
            words = f"The Host header arrives as {self.seen.host[:100]!r}, not {public!r}."
            remedy = "Ostiary never reads it; for what else stands behind the proxy: proxy_set_header Host $host;"
            return Finding("host", "look", words, remedy)
        return Finding("host", "good", "The Host header arrives as it was sent.")

    def _path(self) -> Finding:
        if self.seen.path != PATH:
            words = f"The proxy rewrites paths: {PATH} arrives as {self.seen.path[:100]}."
            remedy = (
                "What the proxy checks and what Ostiary sees differ; in nginx: proxy_pass without a path behind it."
            )
            return Finding("paths", "look", words, remedy)
        return Finding("paths", "good", "Paths arrive byte for byte.")
