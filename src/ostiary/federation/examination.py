"""A look at a provider as it is set up, without anybody signing in: what works, what does not, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from ostiary.core.secrets import challenge_of, new_secret
from ostiary.federation.upstream import UpstreamFault, UpstreamRefusal
from ostiary.federation.who import client_secret

if TYPE_CHECKING:
    from ostiary.core.clock import Clock
    from ostiary.federation.provider import Provider
    from ostiary.federation.upstream import Metadata, Upstream

MOST_SKEW = 30
"""Seconds by which the clocks may differ before it is worth a word; ID tokens bear a minute."""

_SECRET_WRONG = frozenset({"invalid_client", "incorrect_client_credentials", "unauthorized_client"})
_CODE_WRONG = frozenset({"invalid_grant", "bad_verification_code", "invalid_request", "redirect_uri_mismatch"})
"""What a provider says of a made-up code once it has accepted the client that shows it."""

_FAULTS = {
    "issuer": "Its document names another issuer: write `issuer` exactly as it stands there.",
    "host": "Its document leads to another host: name it in `hosts`, if it is the provider's own.",
    "metadata": "Its document names no places to sign in: is this an OpenID provider?",
    "status": "It has no document there: is `issuer` right?",
    "not-json": "What lies there is no document: is `issuer` right?",
    "network-refused": "It lies in a private network, or speaks plain http: name that network in "
    "`outbound.allowed_networks`, if that is meant.",
    "unreachable": "It cannot be reached: DNS, firewall, certificate?",
    "keys-unusable": "None of its keys is for ES256, RS256 or EdDSA with a `kid`.",
    "private-key": "`private_key` is none in PEM, or not for ES256.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: Which.
        verdict: Whether it works; `unknown` where nobody can say from here.
        words: What was seen, and what to do.
    """

    about: str
    verdict: Literal["good", "bad", "unknown"]
    words: str


async def examine(upstream: Upstream, clock: Clock, provider: Provider, callback: str) -> list[Finding]:
    """Return what is to be said of a provider: document, clock, keys, redirect address, secret."""
    upstream.forget(provider)
    try:
        metadata = await upstream.metadata(provider)
    except UpstreamFault as fault:
        return [Finding("document", "bad", _FAULTS.get(fault.reason, f"It cannot be used ({fault.reason})."))]
    document = "GitHub's places are known." if provider.kind == "github" else f"{provider.document} is as it should be."
    return [
        Finding("document", "good", document),
        await _clock(upstream, clock, provider, metadata),
        await _keys(upstream, provider, metadata),
        await _redirect(upstream, provider, metadata, callback),
        await _secret(upstream, clock, provider, metadata, callback),
    ]


async def _clock(upstream: Upstream, clock: Clock, provider: Provider, metadata: Metadata) -> Finding:
    place = provider.document if provider.kind == "oidc" else metadata.authorization_endpoint
    try:
        told = parsedate_to_datetime((await upstream.look(provider, place)).headers.get("date", ""))
    except (UpstreamFault, ValueError, TypeError):
        return Finding("clock", "unknown", "The provider does not say what time it is.")
    apart = abs(told.timestamp() - clock.now() / 1000)
    if apart > MOST_SKEW:
        return Finding("clock", "bad", f"The clocks are {apart:.0f} seconds apart: run NTP here.")
    return Finding("clock", "good", "The clocks agree.")


async def _keys(upstream: Upstream, provider: Provider, metadata: Metadata) -> Finding:
    if provider.kind == "github":
        return Finding("keys", "good", "GitHub signs nothing for us; its REST API is asked.")
    try:
        await upstream.key(provider, metadata, "")
    except UpstreamFault as fault:
        return Finding("keys", "bad", _FAULTS.get(fault.reason, f"They cannot be had ({fault.reason})."))
    return Finding("keys", "good", "Its keys can be used.")


async def _redirect(upstream: Upstream, provider: Provider, metadata: Metadata, callback: str) -> Finding:
    """Ask whether anybody is signed in, in no browser: a provider that knows the callback leads there to say no."""
    state = new_secret()
    asked = {
        "response_type": "code", "client_id": provider.client_id, "redirect_uri": callback, "state": state,
        "scope": "openid", "nonce": state, "prompt": "none", "code_challenge": challenge_of(new_secret()),
        "code_challenge_method": "S256",
    }  # fmt: skip
    register = f"Register exactly {callback} there."
    if provider.kind == "github":
        return Finding("redirect address", "unknown", f"GitHub says nothing before somebody signs in. {register}")
    joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
    try:
        reply = await upstream.look(provider, f"{metadata.authorization_endpoint}{joint}{urlencode(asked)}")
    except UpstreamFault:
        return Finding("redirect address", "unknown", f"The provider does not say. {register}")
    place = reply.headers.get("location", "")
    if place.startswith(f"{callback}?") and parse_qs(urlsplit(place).query).get("state") == [state]:
        return Finding("redirect address", "good", f"The provider knows {callback}.")
    if 400 <= reply.status < 500:
        return Finding("redirect address", "bad", f"The provider refuses it, or the client id. {register}")
    return Finding("redirect address", "unknown", f"The provider does not say. {register}")


async def _secret(upstream: Upstream, clock: Clock, provider: Provider, metadata: Metadata, callback: str) -> Finding:
    form = {
        "grant_type": "authorization_code", "code": new_secret(), "redirect_uri": callback,
        "code_verifier": new_secret(),
    }  # fmt: skip
    try:
        secret = client_secret(provider, clock.now())
        await upstream.post(provider, metadata.token_endpoint, form, secret, metadata.token_auth_methods)
    except UpstreamFault as fault:
        return Finding("secret", "unknown", _FAULTS.get(fault.reason, f"The provider does not say ({fault.reason})."))
    except UpstreamRefusal as refusal:
        if refusal.code in _SECRET_WRONG:
            return Finding("secret", "bad", "The provider does not accept client id and secret: set them anew.")
        if refusal.code in _CODE_WRONG:
            return Finding("secret", "good", "The provider accepts client id and secret.")
        return Finding("secret", "unknown", f"The provider does not say ({refusal.code}).")
    return Finding("secret", "bad", "The provider gave tokens for a code that was made up. Do not use it.")
