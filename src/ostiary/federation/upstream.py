"""What the house asks a provider, and what it believes of the answer: of configured hosts, bounded, unredirected."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

import msgspec

from ostiary.client import KeysUnavailable
from ostiary.client.jwks import parse
from ostiary.core.clock import Millis, millis
from ostiary.core.outbound import OutboundFailed, OutboundRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ostiary.client import VerifyingKey
    from ostiary.core.clock import Clock
    from ostiary.core.outbound import Outbound, Reply
    from ostiary.federation.provider import Provider

KEPT = timedelta(hours=1)
"""How long a provider's document and its keys are believed before they are read again."""

SPACING = timedelta(seconds=10)
"""Between two readings of keys that were asked for by a name we do not know: names can be made up."""

PATIENCE = timedelta(seconds=8)
"""How long one question may take; somebody is waiting."""

LARGEST = 256 * 1024


class UpstreamFault(Exception):  # noqa: N818 - reads as what it says
    """The provider does not answer as it should; `reason` is a word of ours, never a text of its own."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UpstreamRefusal(Exception):  # noqa: N818 - as above
    """The provider answers, and says no; `code` is one of OAuth's own words (RFC 6749 section 5.2)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where a provider does what (RFC 8414 section 2).

    Attributes:
        names_issuer: Whether each of its authorization responses carries `iss` (RFC 9207).
    """

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None = None
    jwks_uri: str | None = None
    revocation_endpoint: str | None = None
    names_issuer: bool = False
    token_auth_methods: tuple[str, ...] = ("client_secret_basic",)


@dataclass(slots=True)
class _Keys:
    """Keys of a provider, by id, and when they were read."""

    by_id: dict[str, VerifyingKey]
    read_at: Millis


class Upstream:
    """Asks providers; remembers their documents and keys for an hour, in this process."""

    def __init__(self, outbound: Outbound, clock: Clock) -> None:
        self._outbound = outbound
        self._clock = clock
        self._documents: dict[str, tuple[Metadata, Millis]] = {}
        self._keys: dict[str, _Keys] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def metadata(self, provider: Provider) -> Metadata:
        """Return where a provider does what.

        Raises:
            UpstreamFault: Its document cannot be had, or names another issuer or places that are not its own.
        """
        if provider.kind == "github":
            return _of_github(provider)
        known = self._documents.get(provider.document)
        now = self._clock.now()
        if known is not None and now < known[1] + millis(KEPT) and _fits(provider, known[0]):
            return known[0]
        async with self._turn(provider.document):
            known = self._documents.get(provider.document)
            if known is not None and now < known[1] + millis(KEPT) and _fits(provider, known[0]):
                return known[0]
            found = _metadata(provider, await self.ask(provider, "GET", provider.document))
            self._documents[provider.document] = found, now
            return found

    async def key(self, provider: Provider, metadata: Metadata, key_id: str) -> VerifyingKey | None:
        """Return the provider's key of an id, reading its keys anew if need be; None if it has none of that id.

        Raises:
            UpstreamFault: Its keys cannot be had.
        """
        place = metadata.jwks_uri
        if place is None:
            raise UpstreamFault("no-keys")
        async with self._turn(place):
            now, held = self._clock.now(), self._keys.get(place)
            is_old = held is None or now >= held.read_at + millis(KEPT)
            is_missing = held is not None and key_id not in held.by_id and now >= held.read_at + millis(SPACING)
            if is_old or is_missing:
                reply = await self._reply(provider, "GET", place, b"", ())
                if reply.status != 200:
                    raise UpstreamFault("keys-status")
                try:
                    held = self._keys[place] = _Keys(parse(reply.body), now)
                except KeysUnavailable:
                    raise UpstreamFault("keys-unusable") from None
            assert held is not None
            return held.by_id.get(key_id)

    async def post(
        self, provider: Provider, url: str, form: dict[str, str], secret: str, methods: tuple[str, ...]
    ) -> dict[str, Any]:
        """Send a form to a provider with the client's own credentials (RFC 6749 section 2.3.1), and return its answer.

        Args:
            provider: Whose.
            url: Where.
            form: What is asked.
            secret: The client's secret, or empty.
            methods: How its document says that clients may show themselves.

        Raises:
            UpstreamFault: No usable answer.
            UpstreamRefusal: It says no.
        """
        how = provider.client_authentication
        if how == "auto":
            how = "basic" if "client_secret_basic" in methods and provider.kind == "oidc" else "post"
        headers = [("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded")]
        if how == "basic" and secret:
            pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
            headers.append(("Authorization", f"Basic {b64encode(pair.encode()).decode()}"))
        else:
            form = {**form, "client_id": provider.client_id} | ({"client_secret": secret} if secret else {})
        reply = await self._reply(provider, "POST", url, urlencode(form).encode(), headers)
        answer = _object(reply.body) if reply.body else {}
        error = answer.get("error")
        if isinstance(error, str):  # GitHub says so with status 200
            raise UpstreamRefusal(error if error in _CODES else "other")
        if not 200 <= reply.status < 300:
            raise UpstreamFault("status")
        return answer

    async def revoke(self, provider: Provider, token: str, kind: str, secret: str) -> None:
        """Have a provider take a token back (RFC 7009); of one that offers no way to, nothing is asked.

        Raises:
            UpstreamFault: It did not answer; to be tried again.
        """
        if provider.kind == "github":
            if kind == "access_token":
                await self._revoke_at_github(provider, token, secret)
            return
        metadata = await self.metadata(provider)
        if metadata.revocation_endpoint is None:
            return
        form = {"token": token, "token_type_hint": kind}
        try:
            await self.post(provider, metadata.revocation_endpoint, form, secret, metadata.token_auth_methods)
        except UpstreamRefusal:  # it knows no such token (any more), which is what was wanted
            return

    async def _revoke_at_github(self, provider: Provider, token: str, secret: str) -> None:
        """Take back the whole grant, as GitHub keeps one for each user and application."""
        pair = b64encode(f"{provider.client_id}:{secret}".encode()).decode()
        url = f"{api_of(provider)}/applications/{provider.client_id}/grant"
        body = msgspec.json.encode({"access_token": token})
        headers = [("Accept", "application/vnd.github+json"), ("Authorization", f"Basic {pair}")]
        reply = await self._reply(provider, "DELETE", url, body, headers)
        if reply.status >= 500:
            raise UpstreamFault("status")

    async def ask(self, provider: Provider, method: str, url: str, *, token: str | None = None) -> Any:  # noqa: ANN401
        """Return what a provider answers, as JSON.

        Raises:
            UpstreamFault: No usable answer.
            UpstreamRefusal: It does not accept the token.
        """
        headers = [("Accept", "application/json")]
        if token is not None:
            headers.append(("Authorization", f"Bearer {token}"))
        reply = await self._reply(provider, method, url, b"", headers)
        if token is not None and reply.status == 401:
            raise UpstreamRefusal("invalid_token")
        if reply.status != 200:  # a redirect too: answers come from where we were told
            raise UpstreamFault("status")
        return _json(reply.body)

    async def look(self, provider: Provider, url: str) -> Reply:
        """Return whatever a provider answers at one of its places; for a look at a deployment.

        Raises:
            UpstreamFault: No answer, or not a place of its own.
        """
        return await self._reply(provider, "GET", url, b"", (("Accept", "application/json, text/html"),))

    def forget(self, provider: Provider) -> None:
        """Read a provider's document and keys anew the next time."""
        held = self._documents.pop(provider.document, None)
        if held is not None and held[0].jwks_uri is not None:
            self._keys.pop(held[0].jwks_uri, None)

    async def _reply(
        self, provider: Provider, method: str, url: str, content: bytes, headers: Iterable[tuple[str, str]]
    ) -> Reply:
        if not provider.leads_to(url):
            raise UpstreamFault("host")
        try:
            reply = await self._outbound.request(method, url, content=content, headers=headers, within=PATIENCE)
        except OutboundRefused:
            raise UpstreamFault("network-refused") from None
        except OutboundFailed as failed:
            raise UpstreamFault("too-large" if str(failed) == "TooLarge" else "unreachable") from None
        if len(reply.body) > LARGEST:
            raise UpstreamFault("too-large")
        return reply

    def _turn(self, place: str) -> asyncio.Lock:
        """Return a lock of this place: of many who need the same document, one asks for it."""
        return self._reading.setdefault(place, asyncio.Lock())


_CODES = frozenset({
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
    "invalid_scope", "invalid_token", "bad_verification_code", "incorrect_client_credentials", "redirect_uri_mismatch",
    "bad_refresh_token",
})  # fmt: skip
"""Words that may stand in the journal: OAuth's, and GitHub's for the same."""


def _metadata(provider: Provider, document: Any) -> Metadata:  # noqa: ANN401 - whatever JSON says
    if not isinstance(document, dict) or document.get("issuer") != provider.issuer:
        raise UpstreamFault("issuer")  # RFC 8414 section 3.3; the mix-up begins with a document that says otherwise
    texts: dict[str, str | None] = {}
    for name in _PLACES:
        place = document.get(name)
        if place is not None and not provider.leads_to(place):
            if name not in _NEEDED:
                continue
            raise UpstreamFault("host")
        texts[name] = place
    if any(not texts.get(name) for name in _NEEDED):
        raise UpstreamFault("metadata")
    methods = document.get("token_endpoint_auth_methods_supported")
    told = tuple(one for one in methods if isinstance(one, str)) if isinstance(methods, list) else None
    return Metadata(
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        token_auth_methods=told or ("client_secret_basic",),
        **texts,  # type: ignore[arg-type]
    )


_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_PLACES = (*_NEEDED, "userinfo_endpoint", "revocation_endpoint")


def _fits(provider: Provider, metadata: Metadata) -> bool:
    """Return whether what is remembered is still allowed: a keeper may have taken hosts away."""
    return all(provider.leads_to(place) for place in (metadata.authorization_endpoint, metadata.token_endpoint))


def api_of(provider: Provider) -> str:
    """Return where a GitHub answers programs."""
    is_public = provider.issuer == "https://github.com"
    return "https://api.github.com" if is_public else f"{provider.issuer}/api/v3"


def _of_github(provider: Provider) -> Metadata:
    base = f"{provider.issuer}/login/oauth"
    return Metadata(f"{base}/authorize", f"{base}/access_token", token_auth_methods=("client_secret_post",))


def _json(body: bytes) -> Any:  # noqa: ANN401
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFault("not-json") from None


def _object(body: bytes) -> dict[str, Any]:
    found = _json(body)
    if not isinstance(found, dict):
        raise UpstreamFault("not-json")
    return found
