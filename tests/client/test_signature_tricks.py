"""Signatures that are not the one signature of the token: psychic, truncated, bent, borrowed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from tests.client.forging import (
    b64,
    claims,
    forge,
    good,
    is_refused,
    key_of,
    unb64,
)

from ostiary.client import SigningKey

ES = key_of("ES256")
ED = key_of("EdDSA")
RS = key_of("RS256")
GOOD = good()
HEAD, BODY, TAIL = GOOD.split(".")
CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

ORDER = CURVE_ORDER.to_bytes(32)
ONE = (1).to_bytes(32)
ZERO = bytes(32)


@pytest.mark.parametrize(
    "signature",
    [
        ZERO + ZERO,
        ZERO + ONE,
        ONE + ZERO,
        ORDER + ORDER,
        ORDER + ONE,
        ONE + ORDER,
        ZERO + ORDER,
        ONE + ONE,
        b"\xff" * 64,
    ],
)
def test_a_psychic_signature_is_refused(signature: bytes) -> None:
    # CVE-2022-21449: with r = s = 0 the equation holds for every message
    is_refused(f"{HEAD}.{BODY}.{b64(signature)}", "signature")


OTHER_DRESS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "der": lambda r, s: encode_dss_signature(int.from_bytes(r), int.from_bytes(s)),
    "a byte after": lambda r, s: r + s + b"\x00",
    "a byte before": lambda r, s: b"\x00" + r + s,
    "a byte before each": lambda r, s: b"\x00" + r + b"\x00" + s,
    "wider numbers": lambda r, s: b"\x00\x00" + r + b"\x00\x00" + s,
    "twice": lambda r, s: r + s + r + s,
    "without its end": lambda r, s: (r + s)[:-1],
    "without its beginning": lambda r, s: (r + s)[1:],
    "r only": lambda r, _: r,
    "one byte": lambda r, _: r[:1],
    "swapped": lambda r, s: s + r,
    "r past the order": lambda r, s: (int.from_bytes(r) + CURVE_ORDER).to_bytes(33) + s,
    "s past the order": lambda r, s: r + (int.from_bytes(s) + CURVE_ORDER).to_bytes(33),
    "hexadecimal": lambda r, s: (r + s).hex().encode(),
}


@pytest.mark.parametrize("bend", OTHER_DRESS.values(), ids=OTHER_DRESS.keys())
def test_an_ecdsa_signature_in_any_other_dress_is_refused(bend: Callable[[bytes, bytes], bytes]) -> None:
    signature = unb64(TAIL)
    is_refused(f"{HEAD}.{BODY}.{b64(bend(signature[:32], signature[32:]))}", "signature")


@pytest.mark.parametrize("key", [ES, ED, RS], ids=lambda key: key.algorithm)
@pytest.mark.parametrize("cut", [1, 8, 32])
def test_a_truncated_or_lengthened_signature_is_refused(key: SigningKey, cut: int) -> None:
    control = forge(key=key)
    head, body, tail = control.split(".")
    signature = unb64(tail)
    for bent in (
        signature[:-cut],
        signature[cut:],
        signature + bytes(cut),
        bytes(cut) + signature,
        bytes(len(signature)),
    ):
        is_refused(f"{head}.{body}.{b64(bent)}", "signature", control=control)


def test_an_ed25519_signature_with_a_scalar_past_the_order_is_refused() -> None:
    # RFC 8032 section 5.1.7: S must be below L, or each signature has twins
    control = forge(key=ED)
    head, body, tail = control.split(".")
    signature = unb64(tail)
    order = 2**252 + 27742317777372353535851937790883648493
    twin = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    is_refused(f"{head}.{body}.{b64(signature[:32] + twin)}", "signature", control=control)


def test_an_rsa_signature_of_other_numbers_is_refused() -> None:
    control = forge(key=RS)
    head, body, tail = control.split(".")
    modulus = int.from_bytes(unb64(RS.verifying.to_jwk()["n"]))
    size = RS.verifying.signature_size
    value = int.from_bytes(unb64(tail))
    for number in (0, 1, modulus - 1, modulus, modulus - value):
        is_refused(f"{head}.{body}.{b64(number.to_bytes(size))}", "signature", control=control)


def test_the_signature_of_another_token_does_not_fit() -> None:
    other = forge(claims(sub="acc_8"))
    is_refused(f"{HEAD}.{other.split('.')[1]}.{TAIL}", "signature")
    is_refused(f"{HEAD}.{BODY}.{other.split('.')[2]}", "signature")
