"""Keys, their ids, and their public form."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.client.forging import b64, forge, header, key_of, unb64, without

from ostiary.client import KeyRefused, KnownKeys, SigningKey, TokenRefused, VerifyingKey
from ostiary.client.jws import MAX_TOKEN, read, sign
from ostiary.client.keys import Algorithm, thumbprint

ALGORITHMS: list[Algorithm] = ["ES256", "EdDSA", "RS256"]

RFC_7638_KEY = {  # RFC 7638 section 3.1
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
    "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu"
    "6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awa"
    "pJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC_8037_KEY = {  # RFC 8037 appendix A.2
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "kid": "a",
}


def test_thumbprints_are_those_of_the_standards() -> None:
    assert thumbprint(VerifyingKey.from_jwk(RFC_7638_KEY).public) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert thumbprint(VerifyingKey.from_jwk(RFC_8037_KEY).public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_a_key_signs_its_public_half_reads(algorithm: Algorithm) -> None:
    key = key_of(algorithm)
    token = sign({"a": 1, "é": ["ü", None]}, key, "logout+jwt")
    assert read(token, KnownKeys(key.verifying), "logout+jwt") == {"a": 1, "é": ["ü", None]}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_survives_storage(algorithm: Algorithm) -> None:
    key = key_of(algorithm)
    stored = SigningKey.from_bytes(key.key_id, algorithm, key.to_bytes())
    assert stored.verifying == key.verifying
    assert read(sign({}, stored, "x"), KnownKeys(key.verifying), "x") == {}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_survives_publication_without_its_private_half(algorithm: Algorithm) -> None:
    key = key_of(algorithm)
    jwk = key.verifying.to_jwk()
    assert jwk["kid"] == key.key_id
    assert jwk["alg"] == algorithm
    assert jwk["use"] == "sig"
    assert not {"d", "p", "q", "dp", "dq", "qi"} & jwk.keys()
    assert VerifyingKey.from_jwk(jwk) == key.verifying


def test_a_generated_key_is_named_by_its_thumbprint_and_rsa_has_3072_bits() -> None:
    for algorithm in ALGORITHMS:
        key = key_of(algorithm)
        assert thumbprint(key.private.public_key()).startswith(key.key_id)
        assert len(key.key_id) == 16
    private = key_of("RS256").private
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == 3072
    assert SigningKey.generate("ES256", "given").key_id == "given"


def test_a_key_shows_no_private_part_when_printed() -> None:
    key = SigningKey.generate("ES256", "shown")
    assert repr(key) == "SigningKey(key_id='shown', algorithm='ES256')"


@pytest.mark.parametrize("data", [b"", b"junk", key_of("ES256").to_bytes()[:-1]])
def test_bytes_that_are_no_key_are_refused(data: bytes) -> None:
    with pytest.raises(KeyRefused):
        SigningKey.from_bytes("a", "ES256", data)


def test_a_key_of_another_kind_than_its_algorithm_is_refused() -> None:
    for algorithm in ALGORITHMS:
        for other in ALGORITHMS:
            if other != algorithm:
                with pytest.raises(KeyRefused):
                    SigningKey.from_bytes("a", other, key_of(algorithm).to_bytes())


def test_curves_and_sizes_that_are_not_ours_are_refused() -> None:
    for curve in (ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()):
        data = ec.generate_private_key(curve).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        with pytest.raises(KeyRefused):
            SigningKey.from_bytes("a", "ES256", data)
    with pytest.raises(KeyRefused):
        VerifyingKey("a", "RS256", rsa.generate_private_key(65537, 1024).public_key())
    with pytest.raises(KeyRefused):
        VerifyingKey("a", "RS256", rsa.generate_private_key(3, 2048).public_key())
    assert VerifyingKey("a", "RS256", rsa.generate_private_key(65537, 2048).public_key()).signature_size == 256


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "RSA"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": None},
        {"kty": ["EC"]},
        {"kty": "ec"},
        {"crv": "P-384"},
        {"crv": "Ed25519"},
        {"crv": "secp256k1"},
        {"crv": None},
        {"crv": ["P-256"]},
        {"alg": "ES384"},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": ""},
        {"alg": None},
        {"alg": ["ES256"]},
        {"use": "enc"},
        {"use": ""},
        {"use": None},
        {"key_ops": []},
        {"key_ops": ["sign"]},
        {"key_ops": ["encrypt"]},
        {"key_ops": ["verify", "encrypt"]},
        {"key_ops": ["verify", "verify"]},
        {"key_ops": "verify"},
        {"key_ops": [["verify"]]},
        {"key_ops": None},
        {"d": "AAAA"},
        {"k": "AAAA"},
        {"x": "AAAA"},
        {"x": ""},
        {"x": 5},
        {"x": None},
        {"x": "+/=="},
        {"y": b64(bytes(32))},
        {"y": b64(b"\xff" * 32)},
        {"kid": None},
        {"kid": ""},
        {"kid": 7},
        {"kid": "a b"},
        {"kid": "a\nb"},
        {"kid": "é"},
        {"kid": "k" * 129},
    ],
    ids=repr,
)
def test_a_published_key_whose_members_do_not_agree_is_refused(change: dict[str, object]) -> None:
    jwk: dict[str, object] = {**key_of("ES256").verifying.to_jwk()}
    assert VerifyingKey.from_jwk(jwk | {"key_ops": ["verify"], "x5c": ["MIIB"], "ext": True})
    with pytest.raises(KeyRefused):
        VerifyingKey.from_jwk(jwk | change)


def test_a_published_key_may_leave_out_what_its_kind_tells_but_not_its_id_or_numbers() -> None:
    jwk: dict[str, object] = {**key_of("ES256").verifying.to_jwk()}
    assert VerifyingKey.from_jwk(without(jwk, "alg", "use")) == key_of("ES256").verifying
    for name in ("kid", "kty", "crv", "x", "y"):
        with pytest.raises(KeyRefused):
            VerifyingKey.from_jwk(without(jwk, name))


def test_a_number_of_a_published_key_has_one_spelling() -> None:
    jwk: dict[str, object] = {**key_of("RS256").verifying.to_jwk()}
    longer = b64(b"\x00" + unb64(str(jwk["n"])))
    with pytest.raises(KeyRefused, match="spelled"):
        VerifyingKey.from_jwk(jwk | {"n": longer})
    with pytest.raises(KeyRefused):
        VerifyingKey.from_jwk(jwk | {"e": "AAEAAQ"})
    with pytest.raises(KeyRefused):
        VerifyingKey.from_jwk(jwk | {"e": "Aw"})
    assert VerifyingKey.from_jwk(jwk | {"e": "AQAB"})


def test_keys_for_key_agreement_are_refused() -> None:
    x = b64(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    assert VerifyingKey.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "a"})
    with pytest.raises(KeyRefused):
        VerifyingKey.from_jwk({"kty": "OKP", "crv": "X25519", "x": x, "kid": "a"})


def test_nothing_is_signed_that_would_be_refused_when_read() -> None:
    key = key_of("ES256")
    with pytest.raises(ValueError, match="longer"):
        sign({"a": "x" * MAX_TOKEN}, key, "at+jwt")
    foreign = SigningKey("with:colon", "ES256", key.private)
    with pytest.raises(ValueError, match="ids"):
        sign({}, foreign, "at+jwt")


def test_nothing_is_read_that_would_not_have_been_signed() -> None:
    key = key_of("ES256")
    keys = KnownKeys(key.verifying)
    assert read(forge({"a": "x" * 5500}), keys, "at+jwt")
    with pytest.raises(TokenRefused, match="form"):
        read(forge({"a": "x" * 6200}), keys, "at+jwt")
    assert read(forge(head=header(key, typ="KEY+jwt")), keys, "key+jwt")
    with pytest.raises(TokenRefused, match="header"):  # the Kelvin sign becomes a k in lower case
        read(forge(head=header(key, typ="\u212aey+jwt")), keys, "key+jwt")


def test_id_tokens_of_other_issuers_are_read_with_their_habits_where_that_is_asked_for() -> None:
    key = SigningKey("abc+/=:1", "RS256", key_of("RS256").private)
    keys = KnownKeys(key.verifying)
    habits = [
        header(key, typ="JWT"),
        without(header(key), "typ"),
        header(key, typ="JWT", x5t="dGh1bWI") | {"x5t#S256": "eA"},
    ]
    for head in habits:
        token = forge(head=head, key=key)
        assert read(token, keys, "JWT", foreign=True)["sub"] == "acc_7"
        with pytest.raises(TokenRefused):
            read(token, keys, "JWT")
    for head in (header(key), header(key, typ="logout+jwt"), header(key, typ="JWT", jwk={}), header(key, typ=None)):
        with pytest.raises(TokenRefused):
            read(forge(head=head, key=key), keys, "JWT", foreign=True)
