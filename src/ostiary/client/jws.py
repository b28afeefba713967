"""The only place where a JWS is signed or verified: a strict reading first, then joserfc."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec
from joserfc.errors import JoseError

from ostiary.client.keys import (
    Algorithm,
    KeyRefused,
    KeySource,
    KnownKeys,
    SigningKey,
    VerifyingKey,
    joserfc_algorithm,
    thumbprint,
)
from ostiary.client.refusals import TokenRefused
from ostiary.client.strict import decode_base64url, decode_object, encode_base64url

__all__ = [
    "MAX_TOKEN",
    "Algorithm",
    "KeyRefused",
    "KeySource",
    "KnownKeys",
    "SigningKey",
    "TokenRefused",
    "VerifyingKey",
    "key_id_of",
    "read",
    "read_brought",
    "read_by",
    "sign",
    "thumbprint",
]

MAX_TOKEN: Final = 8192
"""Characters of the longest token that is read or made; what proxies allow for one header line."""

_COMPACT = re.compile(r"([A-Za-z0-9_-]{1,512})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_OUR_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OUR_HEADER = frozenset({"alg", "kid", "typ"})
_FOREIGN_HEADER = _OUR_HEADER | {"x5t", "x5t#S256"}
_PROOF_HEADER = frozenset({"alg", "typ"})
_BROUGHT = "brought"


@dataclass(frozen=True, slots=True)
class _Header:
    algorithm: str
    key_id: str
    typ: str


def sign(claims: Mapping[str, object], key: SigningKey, typ: str, *, longest: int = MAX_TOKEN) -> str:
    """Return the claims as a signed token in compact form (RFC 7515 section 7.1).

    Args:
        claims: JSON values by name.
        key: What signs; its id and algorithm go into the header.
        typ: What the token is for, such as `at+jwt`. One purpose, one value
            (RFC 8725 section 3.11).
        longest: Characters at most; what is no header line may be longer.

    Raises:
        ValueError: The token would be longer than that.
    """
    signed = f"{_header_of(key.key_id, key.algorithm, typ)}.{encode_base64url(msgspec.json.encode(claims))}"
    signature = joserfc_algorithm(key.algorithm).sign(signed.encode("ascii"), key.jose)
    token = f"{signed}.{encode_base64url(signature)}"
    if len(token) > longest:
        raise ValueError(f"The claims make a token longer than {longest} characters.")
    return token


def read(
    token: str, keys: KeySource, typ: str, *, foreign: bool = False, longest: int = MAX_TOKEN
) -> dict[str, object]:
    """Return the claims of a token whose signature is right.

    Issuer, audience and times are not looked at: see `claims.check`.

    Args:
        token: A JWS in compact form, from anybody.
        keys: Whose signatures count. The key's own record says which
            algorithm; the header may only agree (RFC 8725 section 3.1).
        typ: The purpose it must have been made for (RFC 8725 section 3.11).
        foreign: Read ID tokens of other issuers, who may leave `typ` out,
            name certificates by their digest, and number keys more freely.
        longest: Characters at most.

    Raises:
        TokenRefused: It is not exactly that.
    """
    head, body, tail = _segments(token, longest)
    header = _read_header(head, foreign=foreign)
    if _media_type(header.typ) != _media_type(typ) and not (foreign and not header.typ):
        raise TokenRefused("type")
    key = keys.find(header.key_id)
    if key is None:
        raise TokenRefused("unknown-key")
    if key.algorithm != header.algorithm:
        raise TokenRefused("algorithm")
    return _claims(head, body, tail, key)


def read_by(token: str, key: VerifyingKey, typ: str, *, longest: int = MAX_TOKEN) -> dict[str, object]:
    """Return the claims of a token whose signature is by one key that the reader holds; it names none itself.

    Args:
        token: A JWS in compact form, from anybody; its header is `alg` and `typ` and no more.
        key: Who must have signed, and with which algorithm.
        typ: The purpose it must have been made for.
        longest: Characters at most.

    Raises:
        TokenRefused: It is not exactly that.
    """
    head, body, tail = _segments(token, longest)
    _read_proof_header(head, _PROOF_HEADER, key.algorithm, typ)
    return _claims(head, body, tail, key)


def read_brought(
    token: str, algorithm: Algorithm, typ: str, *, longest: int = MAX_TOKEN
) -> tuple[dict[str, object], VerifyingKey]:
    """Return the claims of a token that brings its own key in `jwk`, and that key.

    It proves that whoever made the token holds the private half of the key, and
    nothing about who that is: something in the claims, such as a challenge of
    the reader's own, has to say so. Never read a credential by this.

    Args:
        token: A JWS in compact form, from anybody; its header is `alg`, `typ` and `jwk` and no more.
        algorithm: The one that the key must be for.
        typ: The purpose it must have been made for.
        longest: Characters at most.

    Raises:
        TokenRefused: It is not exactly that, or the key is none to be used.
    """
    head, body, tail = _segments(token, longest)
    jwk = _read_proof_header(head, _PROOF_HEADER | {"jwk"}, algorithm, typ)["jwk"]
    try:
        key = VerifyingKey.from_jwk({**jwk, "kid": _BROUGHT}) if isinstance(jwk, dict) else None
    except KeyRefused:
        key = None
    if key is None or key.algorithm != algorithm:
        raise TokenRefused("header")
    return _claims(head, body, tail, key), key


def key_id_of(token: str) -> str:
    """Return which key a token that was read here names."""
    return _read_header(token.partition(".")[0], foreign=False).key_id


def _segments(token: str, longest: int) -> tuple[str, str, str]:
    form = _COMPACT.fullmatch(token) if len(token) <= longest else None
    if form is None:
        raise TokenRefused("form")
    head, body, tail = form.groups()
    return head, body, tail


def _claims(head: str, body: str, tail: str, key: VerifyingKey) -> dict[str, object]:
    """Return what the payload says, once its signature is right."""
    payload, signature = decode_base64url(body), decode_base64url(tail)
    if payload is None or signature is None:
        raise TokenRefused("form")
    if len(signature) != key.signature_size or not _is_signed(f"{head}.{body}", signature, key):
        raise TokenRefused("signature")
    claims = decode_object(payload)
    if claims is None:
        raise TokenRefused("payload")
    return claims


def _read_proof_header(segment: str, names: frozenset[str], algorithm: Algorithm, typ: str) -> dict[str, object]:
    """Return the members of a header that must have these names, this algorithm and this purpose."""
    data = decode_base64url(segment)
    members = decode_object(data) if data is not None else None
    if members is None or members.keys() != names:
        raise TokenRefused("header")
    found = members["typ"]
    if not isinstance(found, str) or not found.isascii() or _media_type(found) != _media_type(typ):
        raise TokenRefused("type")
    if members["alg"] != algorithm:
        raise TokenRefused("algorithm")
    return members


@lru_cache(maxsize=256)
def _header_of(key_id: str, algorithm: Algorithm, typ: str) -> str:
    """Return the encoded header: the same few for all tokens, so made once each."""
    if _OUR_KEY_ID.fullmatch(key_id) is None:
        raise ValueError("Keys that sign have ids of 1 to 64 letters, digits, '-' and '_'.")
    return encode_base64url(msgspec.json.encode({"alg": algorithm, "kid": key_id, "typ": typ}))


@lru_cache(maxsize=256)
def _read_header(segment: str, *, foreign: bool) -> _Header:
    """Return the header's three members; remembered, as all tokens of a key share one header.

    Whatever else a header can hold is refused, known or not: `jwk`, `jku`,
    `x5u` and `x5c` bring their own key, `crit` and `b64` change the rules,
    `zip` invites bombs, `cty` nests tokens (RFC 8725 section 2).
    """
    data = decode_base64url(segment)
    members = decode_object(data) if data is not None else None
    if members is None or not members.keys() <= (_FOREIGN_HEADER if foreign else _OUR_HEADER):
        raise TokenRefused("header")
    algorithm, key_id = members.get("alg"), members.get("kid")
    typ = members.get("typ", "" if foreign else None)
    if not (isinstance(algorithm, str) and isinstance(key_id, str) and isinstance(typ, str)):
        raise TokenRefused("header")
    if not typ.isascii() or not (foreign or _OUR_KEY_ID.fullmatch(key_id)):
        raise TokenRefused("header")
    return _Header(algorithm, key_id, typ)


def _media_type(typ: str) -> str:
    """Return `typ` for comparison (RFC 7515 section 4.1.9: no case, "application/" may be left out)."""
    return typ.lower().removeprefix("application/")


def _is_signed(message: str, signature: bytes, key: VerifyingKey) -> bool:
    try:
        return joserfc_algorithm(key.algorithm).verify(message.encode("ascii"), signature, key.jose)
    except (JoseError, ValueError):
        return False  # D14: what cannot be checked is not signed
