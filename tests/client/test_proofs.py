"""Tokens that name no key of ours: read by one key that the reader holds, or by the key that they bring."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.client.forging import b64, compact, forge, key_of, raw_signature, without

from ostiary.client import SigningKey, TokenRefused
from ostiary.client.jws import read, read_brought, read_by

TYP = "dbsc+jwt"
KEY = key_of("ES256")
HEAD: dict[str, object] = {"alg": "ES256", "typ": TYP}
CLAIMS: dict[str, object] = {"jti": "a challenge"}


def public(key: SigningKey = KEY) -> dict[str, object]:
    """Return a key as others write it: without an id."""
    return without(dict(key.verifying.to_jwk()), "kid", "alg", "use")


def made(**changes: object) -> str:
    """Return a token with a right signature over a header with these changes; None leaves a member out."""
    head = {name: value for name, value in (HEAD | changes).items() if value is not None}
    return forge(CLAIMS, head, KEY)


def brought(**changes: object) -> str:
    """As `made`, with the key in the header."""
    return made(**{"jwk": public()} | changes)


def test_the_key_that_the_reader_holds_is_the_one_that_counts() -> None:
    assert read_by(made(), KEY.verifying, TYP) == CLAIMS
    assert read_by(made(typ="application/DBSC+jwt"), KEY.verifying, TYP) == CLAIMS  # RFC 7515 section 4.1.9
    with pytest.raises(TokenRefused, match="signature"):
        read_by(made(), SigningKey.generate("ES256").verifying, TYP)


def test_the_key_that_a_token_brings_comes_with_its_claims() -> None:
    claims, key = read_brought(brought(), "ES256", TYP)

    assert claims == CLAIMS
    assert key.public.public_numbers() == KEY.verifying.public.public_numbers()  # type: ignore[union-attr]


BOTH: list[tuple[Callable[..., str], Callable[[str], object]]] = [
    (made, lambda token: read_by(token, KEY.verifying, TYP)),
    (brought, lambda token: read_brought(token, "ES256", TYP)),
]


@pytest.mark.parametrize(("make", "look"), BOTH, ids=["held", "brought"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"alg": "none"}, "algorithm"),
        ({"alg": "RS256"}, "algorithm"),
        ({"alg": "HS256"}, "algorithm"),
        ({"alg": ["ES256"]}, "algorithm"),
        ({"alg": None}, "header"),
        ({"typ": None}, "header"),
        ({"typ": "JWT"}, "type"),
        ({"typ": "at+jwt"}, "type"),
        ({"typ": 1}, "type"),
        ({"typ": "dbsc+jwt\u0130"}, "type"),
        ({"kid": "x"}, "header"),
        ({"crit": ["b64"], "b64": False}, "header"),
        ({"jku": "https://example.test/keys"}, "header"),
        ({"x5c": ["AAAA"]}, "header"),
        ({"zip": "DEF"}, "header"),
    ],
)
def test_a_header_is_what_it_has_to_be_and_no_more(
    make: Callable[..., str], look: Callable[[str], object], changes: dict[str, object], reason: str
) -> None:
    look(make())  # the control passes

    with pytest.raises(TokenRefused) as refusal:
        look(make(**changes))

    assert refusal.value.reason == reason


@pytest.mark.parametrize(("make", "look"), BOTH, ids=["held", "brought"])
def test_what_is_bent_is_refused(make: Callable[..., str], look: Callable[[str], object]) -> None:
    head, body, tail = make().split(".")
    for bent in (
        "",
        "..",
        f"{head}.{body}.",
        f"{head}.{body}.{tail[:-1]}",
        f"{head}.{body}.{tail}=",
        f"{head}.{body}.{tail}.{tail}",
        f"{head}.{b64(compact({'jti': 'another'}))}.{tail}",
        f"{head}.{body}.{b64(bytes(64))}",
        f"{head}.{body}.{b64(raw_signature(KEY, b'something else'))}",
        f"{b64(compact([1]))}.{body}.{tail}",
        f"{b64(b'{}')}.{body}.{tail}",
    ):
        with pytest.raises(TokenRefused):
            look(bent)


def test_what_is_too_long_or_no_object_is_refused() -> None:
    with pytest.raises(TokenRefused, match="form"):
        read_by(made(), KEY.verifying, TYP, longest=len(made()) - 1)
    with pytest.raises(TokenRefused, match="payload"):
        read_by(forge(b"[]", HEAD, KEY), KEY.verifying, TYP)
    with pytest.raises(TokenRefused, match="payload"):
        read_by(forge(b'{"jti":"a","jti":"b"}', HEAD, KEY), KEY.verifying, TYP)


def test_a_key_that_is_brought_has_to_be_one_for_the_algorithm() -> None:
    wrong: dict[str, object] = {
        "text": "x",
        "a list": [],
        "nothing": {},
        "private": public() | {"d": "AAAA"},
        "of another curve": public() | {"crv": "P-384"},
        "for another algorithm": public() | {"alg": "RS256"},
        "for encryption": public() | {"use": "enc"},
        "off its curve": public() | {"y": public()["x"]},
        "symmetric": {"kty": "oct", "k": "AAAA"},
        "of Ed25519": public(key_of("EdDSA")),
        "of RSA": public(key_of("RS256")),
    }
    for what, jwk in wrong.items():
        with pytest.raises(TokenRefused) as refusal:
            read_brought(brought(jwk=jwk), "ES256", TYP)
        assert refusal.value.reason == ("form" if what == "of RSA" else "header"), what  # too long for a header


def test_a_token_that_brings_its_key_passes_for_none_that_is_read_by_ours() -> None:
    class Ours:
        def find(self, key_id: str) -> None:
            raise AssertionError("it has no key id to look for")

    with pytest.raises(TokenRefused, match="header"):
        read(brought(), Ours(), TYP)
    with pytest.raises(TokenRefused, match="header"):
        read_by(brought(), KEY.verifying, TYP)
