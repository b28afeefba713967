"""Tokens made by hand, past every check of the signing side: what an attacker, or our own mistake, could make."""

from __future__ import annotations

import base64
import json
from functools import cache

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ostiary.client import AccessClaims, AccessTokens, KnownKeys, SigningKey, TokenRefused
from ostiary.client.keys import Algorithm

ISSUER = "https://id.example.test"
AUDIENCE = "https://app.example.test"
NOW = 1_790_000_000


@cache
def key_of(algorithm: Algorithm) -> SigningKey:
    return SigningKey.generate(algorithm)


@cache
def all_keys() -> KnownKeys:
    return KnownKeys(key_of("ES256").verifying, key_of("EdDSA").verifying, key_of("RS256").verifying)


def reader() -> AccessTokens:
    return AccessTokens(all_keys(), ISSUER, AUDIENCE)


def claims(**changes: object) -> dict[str, object]:
    plain = AccessClaims(
        iss=ISSUER,
        sub="acc_7",
        aud=(AUDIENCE,),
        exp=NOW + 900,
        iat=NOW,
        jti="tok_1",
        sid="ses_1",
        client_id="web",
        epoch=3,
        username="mira",
        email="mira@example.test",
        email_verified=True,
        permissions=("books:read", "books:lend"),
        amr=("pwd", "otp"),
        auth_time=NOW - 60,
    ).to_claims()
    return plain | changes


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def raw_signature(key: SigningKey, message: bytes) -> bytes:
    match key.private:
        case ec.EllipticCurvePrivateKey() as private:
            r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32) + s.to_bytes(32)
        case ed25519.Ed25519PrivateKey() as private:
            return private.sign(message)
        case rsa.RSAPrivateKey() as private:
            return private.sign(message, padding.PKCS1v15(), hashes.SHA256())


def header(key: SigningKey, **changes: object) -> dict[str, object]:
    return {"alg": key.algorithm, "kid": key.key_id, "typ": "at+jwt"} | changes


def forge(
    payload: dict[str, object] | bytes | None = None,
    head: dict[str, object] | bytes | None = None,
    key: SigningKey | None = None,
) -> str:
    """Return a token with a right signature over any header and payload whatever."""
    key = key or key_of("ES256")
    head = header(key) if head is None else head
    payload = claims() if payload is None else payload
    first = b64(head if isinstance(head, bytes) else compact(head))
    second = b64(payload if isinstance(payload, bytes) else compact(payload))
    return f"{first}.{second}.{b64(raw_signature(key, f'{first}.{second}'.encode()))}"


@cache
def good() -> str:
    return forge()


def without(members: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in members.items() if name not in names}


def passes(token: str) -> None:
    assert reader().read(token, NOW).sub == "acc_7"


def is_refused(token: str, *reasons: str, control: str | None = None) -> None:
    """The control passes, the trick does not, and for the reason that it was made for."""
    passes(control or good())
    with pytest.raises(TokenRefused) as refusal:
        reader().read(token, NOW)
    assert refusal.value.reason in reasons
    assert str(refusal.value) == refusal.value.reason  # no text of the token
