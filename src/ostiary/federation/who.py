"""Who somebody is, in the words of a provider that was asked and whose answer was checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ostiary.client import TokenRefused, VerifyingKey
from ostiary.client.jws import SigningKey, read, sign
from ostiary.client.keys import KeyRefused
from ostiary.client.strict import decode_base64url, decode_object
from ostiary.core.clock import Millis
from ostiary.core.secrets import is_left_half
from ostiary.federation.upstream import UpstreamFault, api_of

if TYPE_CHECKING:
    from ostiary.federation.provider import Provider
    from ostiary.federation.upstream import Metadata, Upstream

LONGEST_TOKEN = 16 * 1024
LEEWAY = 60
"""Seconds by which a provider's clock may differ from ours."""

OLDEST = 600
"""Seconds since an ID token was issued at most: it was asked for just now."""

APPLE_SECRET_SECONDS = 300


class Doubtful(Exception):  # noqa: N818 - reads as what it says
    """What the provider says of its user is not believed; `reason` names the step that it failed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Who:
    """A user of a provider.

    Attributes:
        issuer: With `subject` the only name to know them by.
        email: The provider's word, or None.
        email_verified: Whether it says that it has seen that the address is theirs.
        username: What they are called there, or empty.
        name: Their name for display, or empty.
    """

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    username: str
    name: str

    def __repr__(self) -> str:
        return f"Who({self.issuer})"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a provider gives for a code; `repr` tells none of it."""

    access_token: str
    refresh_token: str | None
    expires_in: int | None
    scopes: tuple[str, ...]
    id_token: str | None = None

    def __repr__(self) -> str:
        return "Tokens(…)"


def tokens_in(answer: dict[str, Any], asked: tuple[str, ...]) -> Tokens:
    """Return the tokens of an answer (RFC 6749 section 5.1).

    Raises:
        UpstreamFault: It is none.
    """
    access, kind = answer.get("access_token"), answer.get("token_type")
    refresh, lifetime, scope = answer.get("refresh_token"), answer.get("expires_in"), answer.get("scope")
    id_token = answer.get("id_token")
    if isinstance(lifetime, str) and lifetime.isascii() and lifetime.isdigit():
        lifetime = int(lifetime[:10])
    if not isinstance(access, str):
        raise UpstreamFault("token-answer")
    is_usable = (
        0 < len(access) <= LONGEST_TOKEN and access.isascii() and access.isprintable()
        and isinstance(kind, str) and kind.lower() == "bearer"
        and (refresh is None or (isinstance(refresh, str) and len(refresh) <= LONGEST_TOKEN))
        and (lifetime is None or (isinstance(lifetime, int) and not isinstance(lifetime, bool)))
        and (id_token is None or isinstance(id_token, str))
    )  # fmt: skip
    if not is_usable:
        raise UpstreamFault("token-answer")
    # GitHub parts scopes by commas.
    granted = tuple(scope.replace(",", " ").split()) if isinstance(scope, str) and scope else asked
    return Tokens(access, refresh or None, lifetime, granted, id_token)


def client_secret(provider: Provider, now: Millis) -> str:
    """Return what the house shows a provider; Apple wants a signed statement instead, made anew each time.

    Raises:
        UpstreamFault: The private key is none.
    """
    if provider.client_secret or provider.preset != "apple":
        return provider.client_secret
    try:
        key = SigningKey.from_pem(provider.key_id, "ES256", provider.private_key.encode())
    except KeyRefused:
        raise UpstreamFault("private-key") from None
    seconds = now // 1000
    claims = {
        "iss": provider.team_id, "iat": seconds, "exp": seconds + APPLE_SECRET_SECONDS, "aud": provider.issuer,
        "sub": provider.client_id,
    }  # fmt: skip
    return sign(claims, key, "JWT")


async def by_id_token(
    upstream: Upstream, provider: Provider, metadata: Metadata, tokens: Tokens, nonce: str, now: Millis
) -> Who:
    """Return who an ID token names (OpenID Connect Core 3.1.3.7), asking for the address where it is left out.

    Raises:
        Doubtful: It proves nothing; `reason` says which step.
        UpstreamFault: Its keys, or the address, cannot be had.
        UpstreamRefusal: The access token that came with it is not accepted.
    """
    if tokens.id_token is None:
        raise Doubtful("no-id-token")
    claims = await _signed(upstream, provider, metadata, tokens.id_token)
    _check(provider, claims, nonce, now)
    at_hash = claims.get("at_hash")
    if at_hash is not None and not (isinstance(at_hash, str) and is_left_half(at_hash, tokens.access_token)):
        raise Doubtful("at-hash")
    if not isinstance(claims.get("email"), str) and metadata.userinfo_endpoint is not None:
        told = await upstream.ask(provider, "GET", metadata.userinfo_endpoint, token=tokens.access_token)
        # OpenID Connect Core 5.3.2: or it is an answer about somebody else.
        if not isinstance(told, dict) or told.get("sub") != claims["sub"]:
            raise Doubtful("userinfo-subject")
        claims = {name: told[name] for name in _OF_PERSON if name in told} | claims
    return _who(claims)


async def by_github(upstream: Upstream, provider: Provider, tokens: Tokens) -> Who:
    """Return whose a token is at GitHub, by its REST API; the address is the primary one, if it is verified.

    Raises:
        Doubtful: It does not say who.
        UpstreamFault: No usable answer.
        UpstreamRefusal: The token is not accepted.
    """
    api = api_of(provider)
    user = await upstream.ask(provider, "GET", f"{api}/user", token=tokens.access_token)
    number = user.get("id") if isinstance(user, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise Doubtful("no-subject")
    try:
        listed = await upstream.ask(provider, "GET", f"{api}/user/emails", token=tokens.access_token)
    except UpstreamFault:  # the permission was not given: then it has told no address
        listed = []
    primary = [
        one for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict) and one.get("primary") is True and isinstance(one.get("email"), str)
    ]  # fmt: skip
    email = primary[0]["email"] if len(primary) == 1 else None
    return Who(
        provider.issuer, str(number), email, email is not None and primary[0].get("verified") is True,
        _text(user.get("login")), _text(user.get("name")),
    )  # fmt: skip


_OF_PERSON = ("email", "email_verified", "name", "preferred_username")


async def _signed(upstream: Upstream, provider: Provider, metadata: Metadata, token: str) -> dict[str, Any]:
    """Return the claims of a token that the provider has signed."""
    head = decode_base64url(token.partition(".")[0])
    header = decode_object(head) if head is not None else None
    key_id = header.get("kid") if header is not None else None
    if not isinstance(key_id, str):  # no name, no key: `none` and an HMAC with a public key end here, too
        raise Doubtful("header")
    key = await upstream.key(provider, metadata, key_id)
    try:
        return read(token, _One(key), "JWT", foreign=True, longest=LONGEST_TOKEN)
    except TokenRefused as refused:
        raise Doubtful(refused.reason) from None


@dataclass(frozen=True, slots=True)
class _One:
    """The one key that a token may be signed by."""

    key: VerifyingKey | None

    def find(self, key_id: str) -> VerifyingKey | None:
        return self.key if self.key is not None and self.key.key_id == key_id else None


def _check(provider: Provider, claims: dict[str, Any], nonce: str, now: Millis) -> None:
    seconds = now / 1000
    if not provider.is_issuer(claims.get("iss"), claims.get("tid")):
        raise Doubtful("issuer")
    # Exactly for us: a token that others may show as well is none that only we have asked for.
    if claims.get("aud") not in (provider.client_id, [provider.client_id]):
        raise Doubtful("audience")
    if claims.get("azp", provider.client_id) != provider.client_id:
        raise Doubtful("authorized-party")
    if claims.get("nonce") != nonce:
        raise Doubtful("nonce")
    exp, iat, nbf = (_seconds(claims.get(name, other)) for name, other in (("exp", None), ("iat", None), ("nbf", 0)))
    if not seconds < exp + LEEWAY:
        raise Doubtful("expired")
    if not max(iat, nbf) <= seconds + LEEWAY:
        raise Doubtful("not-yet-valid")
    if not iat >= seconds - OLDEST - LEEWAY:
        raise Doubtful("old")
    subject = claims.get("sub")
    if (
        not isinstance(subject, str)
        or not 0 < len(subject) <= 255
        or not subject.isascii()
        or not subject.isprintable()
    ):
        raise Doubtful("no-subject")


def _who(claims: dict[str, Any]) -> Who:
    email, verified = claims.get("email"), claims.get("email_verified")
    is_text = isinstance(email, str) and 0 < len(email) <= 320
    return Who(
        str(claims["iss"]), str(claims["sub"]), email if is_text else None,
        # Apple writes it as a text; every other text is no.
        verified is True or verified == "true",
        _text(claims.get("preferred_username")), _text(claims.get("name")),
    )  # fmt: skip


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**53:
        raise Doubtful("times")
    return float(value)
