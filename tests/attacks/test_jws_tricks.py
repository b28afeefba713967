"""Tricks against signed tokens, as Project Wycheproof, RFC 8725 and the CVE lists of JOSE libraries tell them."""

from __future__ import annotations

import hashlib
import hmac
import json
import zlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.client.forging import (
    NOW,
    b64,
    claims,
    compact,
    forge,
    good,
    header,
    is_refused,
    key_of,
    passes,
    raw_signature,
    reader,
    unb64,
    without,
)

from ostiary.client import SigningKey, TokenRefused
from ostiary.client.jws import MAX_TOKEN

ES = key_of("ES256")
ED = key_of("EdDSA")
RS = key_of("RS256")
GOOD = good()
HEAD, BODY, TAIL = GOOD.split(".")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def resigned(head: str, body: str, key: SigningKey = ES) -> str:
    return f"{head}.{body}.{b64(raw_signature(key, f'{head}.{body}'.encode()))}"


def test_the_controls_of_all_three_algorithms_pass() -> None:
    for key in (ES, ED, RS):
        passes(forge(key=key))


# The algorithm


@pytest.mark.parametrize("spelling", ["none", "None", "NONE", "nOnE", "none ", "nonе", "", "null"])
@pytest.mark.parametrize("signature", ["", "AA", TAIL])
def test_an_unsigned_token_is_refused_in_every_spelling_of_none(spelling: str, signature: str) -> None:
    head = b64(compact(header(ES, alg=spelling)))
    is_refused(f"{head}.{BODY}.{signature}", "form", "algorithm")


def test_an_escaped_spelling_of_none_is_none_too() -> None:
    head = b64(compact(header(ES)).replace(b"ES256", b"\\u006e\\u006f\\u006ee"))
    is_refused(f"{head}.{BODY}.{TAIL}", "algorithm")


@pytest.mark.parametrize("value", [None, 0, True, [], ["ES256"], {"alg": "ES256"}])
def test_an_algorithm_that_is_no_text_is_refused(value: object) -> None:
    is_refused(forge(head=header(ES, alg=value)), "header")


def test_a_token_without_an_algorithm_is_refused() -> None:
    is_refused(forge(head=without(header(ES), "alg")), "header")


PUBLIC_AS_SECRET = {
    "pem": RS.verifying.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "pem without its last newline": RS.verifying.public.public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    ).strip(),
    "der": RS.verifying.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "pkcs 1": RS.verifying.public.public_bytes(Encoding.DER, PublicFormat.PKCS1),
    "jwk": json.dumps(RS.verifying.to_jwk()).encode(),
    "the modulus": unb64(RS.verifying.to_jwk()["n"]),
    "nothing": b"",
}


@pytest.mark.parametrize("secret", PUBLIC_AS_SECRET.values(), ids=PUBLIC_AS_SECRET.keys())
@pytest.mark.parametrize("algorithm", ["HS256", "hs256", "HS384", "HS512"])
@pytest.mark.parametrize("confessed", [True, False])
def test_a_public_key_does_not_serve_as_a_shared_secret(secret: bytes, algorithm: str, confessed: bool) -> None:
    # RFC 8725 section 2.1, CVE-2016-10555 and its heirs
    head = b64(compact(header(RS, alg=algorithm if confessed else "RS256")))
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(algorithm, hashlib.sha256)
    tag = hmac.new(secret, f"{head}.{BODY}".encode(), digest).digest()
    is_refused(f"{head}.{BODY}.{b64(tag)}", "algorithm", "signature", control=forge(key=RS))


@pytest.mark.parametrize("claimed", ["ES256", "EdDSA", "RS256", "Ed25519", "PS256", "ES384", "ES256K", "RS512"])
@pytest.mark.parametrize("key", [ES, ED, RS], ids=lambda key: key.algorithm)
def test_the_header_cannot_choose_another_algorithm_than_the_keys_own(key: SigningKey, claimed: str) -> None:
    token = forge(head=header(key, alg=claimed), key=key)
    if claimed == key.algorithm:
        passes(token)
    else:
        is_refused(token, "algorithm", control=forge(key=key))


@pytest.mark.parametrize("named", [ES, ED, RS], ids=lambda key: key.algorithm)
@pytest.mark.parametrize("signer", [ES, ED, RS], ids=lambda key: key.algorithm)
def test_one_key_cannot_sign_in_the_name_of_another(named: SigningKey, signer: SigningKey) -> None:
    token = forge(head=header(named), key=signer)
    if named is signer:
        passes(token)
    else:
        is_refused(token, "signature", control=forge(key=named))


# Members of the header


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": dict(SigningKey.generate("ES256", ES.key_id).verifying.to_jwk())},
        {"jwk": dict(ES.verifying.to_jwk())},
        {"jku": "https://evil.example/jwks.json"},
        {"jku": "https://id.example.test/.well-known/jwks.json"},
        {"x5u": "https://evil.example/chain.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "dGh1bWI"},
        {"crit": []},
        {"crit": ["exp"], "exp": NOW + 900},
        {"crit": ["b64"], "b64": False},
        {"crit": ["alg"]},
        {"b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"enc": "A256GCM"},
        {"iss": "https://id.example.test"},
        {"": ""},
    ],
    ids="+".join,
)
def test_a_header_member_that_we_do_not_use_is_refused_even_when_signed(extra: dict[str, object]) -> None:
    is_refused(forge(head=header(ES) | extra), "header", control=forge(head=header(ES)))


def test_a_key_carried_in_the_header_does_not_vouch_for_its_own_token() -> None:
    # CVE-2018-0114
    thief = SigningKey.generate("ES256", ES.key_id)
    is_refused(forge(head=header(thief, jwk=dict(thief.verifying.to_jwk())), key=thief), "header")
    is_refused(forge(head=header(thief), key=thief), "signature")


def test_an_unencoded_payload_is_refused() -> None:
    # RFC 7797: with b64=false the signature covers other bytes than the ones we decode
    head = b64(compact(header(ES, b64=False, crit=["b64"])))
    plain = compact(claims()).decode()
    signature = b64(raw_signature(ES, f"{head}.{plain}".encode()))
    is_refused(f"{head}.{plain}.{signature}", "form")
    is_refused(f"{head}.{b64(plain.encode())}.{signature}", "header")


def test_a_compressed_payload_is_never_unpacked() -> None:
    bomb = zlib.compress(b'{"a":"' + b"0" * 4_000_000 + b'"}', 9, -15)
    is_refused(forge(bomb, header(ES, zip="DEF")), "header", control=forge(head=header(ES)))
    is_refused(forge(bomb), "payload")


@pytest.mark.parametrize(
    "key_id",
    [
        "../../../../dev/null",
        "/etc/passwd",
        "' OR '1'='1",
        "x' UNION SELECT 'a",
        "key\x00",
        ES.key_id + "\x00",
        ES.key_id + " ",
        " " + ES.key_id,
        ES.key_id + "\n",
        "кey",
        "\U0001f511",
        "\ud800",
        "A" * 65,
        "A" * 300,
        "",
        "*",
        "https://evil.example/key",
        "$(id)",
        None,
        0,
        1.5,
        True,
        [],
        [ES.key_id],
        {"kid": ES.key_id},
    ],
    ids=lambda key_id: repr(key_id).replace(ES.key_id, "KEY"),  # new in each process, and workers must agree on names
)
def test_a_key_id_that_is_not_a_plain_name_never_reaches_the_key_store(key_id: object) -> None:
    is_refused(forge(head=header(ES, kid=key_id)), "header", control=forge(head=header(ES, kid=ES.key_id)))


def test_a_token_without_a_key_id_is_refused() -> None:
    is_refused(forge(head=without(header(ES), "kid")), "header")


def test_an_unknown_key_id_is_refused() -> None:
    for key_id in ("unknown", ES.key_id.swapcase(), ES.key_id[:-1], ES.key_id + "A", "__class__"):
        is_refused(forge(head=header(ES, kid=key_id)), "unknown-key")


@pytest.mark.parametrize(
    "typ",
    ["JWT", "logout+jwt", "dbsc+jwt", "jwt", "", "at", "at+jwt ", "at+jwt;v=1", "text/at+jwt", "a\u0074+jwt\u200b"],
)
def test_a_token_made_for_another_purpose_is_refused(typ: str) -> None:
    # RFC 8725 section 3.11
    is_refused(forge(head=header(ES, typ=typ)), "type", "header")


@pytest.mark.parametrize("typ", [None, 1, ["at+jwt"], {}])
def test_a_purpose_that_is_no_text_is_refused(typ: object) -> None:
    is_refused(forge(head=header(ES, typ=typ)), "header")


def test_a_token_without_a_purpose_is_refused() -> None:
    is_refused(forge(head=without(header(ES), "typ")), "header")


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_the_purpose_is_compared_as_a_media_type(typ: str) -> None:
    passes(forge(head=header(ES, typ=typ)))  # RFC 7515 section 4.1.9


@pytest.mark.parametrize("kind", ["refresh", "logout", "Access", "", None, True, ["access"]])
def test_an_access_token_says_so_inside_too(kind: object) -> None:
    is_refused(forge(claims(type=kind)), "type", control=forge(claims(type="access")))
    is_refused(forge(without(claims(), "type")), "type")


# The spelling of the segments


def test_bits_that_fall_off_the_end_must_be_zero() -> None:
    # 64 bytes end in two characters of which four bits count for nothing
    last = ALPHABET.index(TAIL[-1])
    assert last % 16 == 0
    for spare in range(1, 16):
        is_refused(GOOD[:-1] + ALPHABET[last + spare], "form", "signature")


def test_a_payload_has_one_spelling_even_when_the_other_one_is_signed() -> None:
    payload = compact(claims(jti="x" * next(n for n in range(3) if len(compact(claims(jti="x" * n))) % 3 == 1)))
    if json.loads(payload)["jti"] == "":
        payload = compact(claims(jti="xxx"))
    body = b64(payload)
    other = body[:-1] + ALPHABET[ALPHABET.index(body[-1]) + 1]
    assert unb64(other) == payload
    is_refused(resigned(HEAD, other), "form", control=resigned(HEAD, body))


def test_a_header_has_one_spelling_even_when_the_other_one_is_signed() -> None:
    plain = compact(header(ES))
    plain += b" " * ((1 - len(plain)) % 3)  # trailing space is JSON, and leaves spare bits
    head = b64(plain)
    other = head[:-1] + ALPHABET[ALPHABET.index(head[-1]) + 1]
    assert unb64(other) == plain
    is_refused(resigned(other, BODY), "header", control=resigned(head, BODY))


@pytest.mark.parametrize("segment", [0, 1, 2])
@pytest.mark.parametrize("noise", ["=", "==", "\n", "\r\n", " ", "\t", "\x00", "%", "é", "\u2028", "+", "/", "~", "A="])
@pytest.mark.parametrize("place", ["before", "inside", "after"])
def test_nothing_but_the_url_safe_alphabet_is_read(segment: int, noise: str, place: str) -> None:
    parts = GOOD.split(".")
    text = parts[segment]
    at = {"before": 0, "inside": len(text) // 2, "after": len(text)}[place]
    parts[segment] = text[:at] + noise + text[at:]
    is_refused(".".join(parts), "form")


def test_the_standard_alphabet_is_refused() -> None:
    for number in range(200):
        token = forge(claims(jti=f"tok_{number}~~~???"))
        standard = token.replace("-", "+").replace("_", "/")
        if standard != token:
            is_refused(standard, "form", control=token)
            return
    pytest.fail("no token had a character in which the alphabets differ")


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_a_segment_of_an_impossible_length_is_refused(segment: int) -> None:
    parts = GOOD.split(".")
    parts[segment] += "A" * ((1 - len(parts[segment])) % 4 or 4)
    assert len(parts[segment]) % 4 == 1
    is_refused(".".join(parts), "form", "header", "signature")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        HEAD,
        f"{HEAD}.{BODY}",
        f"{HEAD}.{BODY}.",
        f"{HEAD}..{TAIL}",
        f".{BODY}.{TAIL}",
        f"{GOOD}.",
        f".{GOOD}",
        f"{GOOD}.{TAIL}",
        f"{GOOD}.{BODY}.{TAIL}",
        f"{HEAD}.{HEAD}.{BODY}.{TAIL}",
        f"{HEAD}.{BODY}.{TAIL}\n",
        f"\ufeff{GOOD}",
        f"Bearer {GOOD}",
        f'"{GOOD}"',
        f"{GOOD},{GOOD}",
        f"{GOOD}\x00",
        GOOD + "\udc80",
    ],
)
def test_anything_but_three_filled_segments_is_refused(token: str) -> None:
    is_refused(token, "form")


def test_an_empty_payload_is_refused_even_when_signed() -> None:
    is_refused(resigned(HEAD, ""), "form")


@pytest.mark.parametrize("flat", [True, False])
def test_the_json_serialization_is_refused(flat: bool) -> None:
    signature = {"protected": HEAD, "signature": TAIL}
    whole = {"payload": BODY} | (signature if flat else {"signatures": [signature]})
    is_refused(json.dumps(whole), "form")


def test_a_token_of_nine_kibibytes_is_refused_unread() -> None:
    long = forge(claims(note="x" * 6500))
    assert 9 * 1024 < len(long) < 10 * 1024
    shorter = forge(claims(note="x" * 5000))
    assert len(shorter) < MAX_TOKEN
    is_refused(long, "form", control=shorter)
    is_refused("A" * 10_000_000, "form")


def test_a_header_of_more_than_half_a_kibibyte_is_refused() -> None:
    is_refused(forge(head=compact(header(ES)) + b" " * 400), "form", control=forge(head=compact(header(ES)) + b" "))


# Any single change


@settings(max_examples=400, deadline=None)
@given(place=st.integers(0, len(GOOD) - 1), letter=st.sampled_from(ALPHABET + ".=+/\n\x00é "))
def test_no_single_changed_character_is_accepted(place: int, letter: str) -> None:
    token = GOOD[:place] + letter + GOOD[place + 1 :]
    if token == GOOD:
        passes(token)
    else:
        is_refused(token, "form", "header", "type", "unknown-key", "algorithm", "signature")


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, len(GOOD)), count=st.integers(1, 4), letter=st.sampled_from(ALPHABET + ".="))
def test_no_insertion_or_deletion_is_accepted(place: int, count: int, letter: str) -> None:
    longer = GOOD[:place] + letter * count + GOOD[place:]
    is_refused(longer, "form", "header", "type", "unknown-key", "algorithm", "signature")
    shorter = GOOD[:place] + GOOD[place + count :]
    if shorter != GOOD:
        is_refused(shorter, "form", "header", "type", "unknown-key", "algorithm", "signature")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300) | st.text(alphabet=ALPHABET + ".", max_size=300))
def test_no_text_whatever_does_anything_but_get_refused(token: str) -> None:
    with pytest.raises(TokenRefused):
        reader().read(token, NOW)
