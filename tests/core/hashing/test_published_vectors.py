"""Each family against vectors that others published."""

from __future__ import annotations

import base64

import pytest
from argon2.low_level import Type

from ostiary.core.hash_formats import NotImportable, find, firebase, scrypt
from ostiary.core.hash_formats.text import encode
from ostiary.core.hash_formats.work_area import VERSION, Cost, derive

LETMEIN = "l\u00e8tmein"  # the word of Django's own tests


def b64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        (Type.D, "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb"),
        (Type.I, "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8"),
        (Type.ID, "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"),
    ],
)
def test_argon2_computes_the_vectors_of_rfc_9106_section_5(kind: Type, tag: str) -> None:
    computed = derive(
        b"\x01" * 32,
        b"\x02" * 16,
        Cost(kind, VERSION, memory_kib=32, passes=3, lanes=4),
        32,
        secret=b"\x03" * 8,
        associated=b"\x04" * 12,
    )
    assert computed.hex() == tag


ARGON2 = [  # src/test.c of the reference implementation (phc-winner-argon2), versions 1.3 and 1.0
    ("password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
    ("password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
    ("password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
    ("password", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8"),
    ("password", "$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHQ$T/XOJ2mh1/TIpJHfCdQan76Q5esCFVoT5MAeIM1Oq2E"),
    ("password", "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY"),
    ("password", "$argon2i$m=65536,t=2,p=1$ZGlmZnNhbHQ$eaEDuQ/orvhXDLMfyLIiWXeJFvgza3vaw4kladTxxJc"),
]

BCRYPT = [  # TestBCrypt.java of jBCrypt (D. Miller)
    ("", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
    ("", "$2a$08$HqWuK6/Ng6sg9gQzbLrgb.Tl.ZHfXLhvt/SgVyWhQqgqcZ7ZuUtye"),
    ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
    ("a", "$2a$08$cfcvVd2aQ8CMvoMpP2EBfeodLEkkFJ9umNEfPD18.hUF62qqlC/V."),
    ("abc", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"),
    # wrapper.c of Openwall's crypt_blowfish
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
    ("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
]

DJANGO = [  # tests/auth_tests/test_hashers.py of Django
    (LETMEIN, "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c="),
    (LETMEIN, "pbkdf2_sha256$390000$seasalt2$geC/uZ92nRXDSjSxeoiBqYyRcrLzMm8xK3ro1QS1uo8="),
    (LETMEIN, "pbkdf2_sha1$390000$seasalt2$aDapRanzW8aHTz97v2TcfHzWD+I="),
    (
        LETMEIN,
        "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==",
    ),
    ("secret", "argon2$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q"),
    (
        "secret",
        "argon2$argon2i$m=8,t=1,p=1$c29tZXNhbHQ$gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE55m+2GYDt9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg",
    ),
    ("secret", "argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw"),
    # Passlib's tests of the two prefixes that Django puts before bcrypt
    ("", "bcrypt$$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
    ("", "bcrypt_sha256$$2a$06$/3OeRpbOf8/l6nPPRdZPp.nRiyYqPobEZGdNRBWihQhiFDh1ws1tu"),
    (LETMEIN, "bcrypt_sha256$$2a$08$NDjSAIcas.EcoxCRiArvT.MkNiPYVhrsrnJsRkLueZOoV1bsQqlmC"),
    ("t\u00e1\u0411\u2113\u0259", "bcrypt_sha256$$2a$06$kCXUnRFQptGg491siDKNTu8RxjBGSjALHRuvhPYNFsa4Ea5d9M48u"),
    ("abc123" * 12, "bcrypt_sha256$$2a$06$Tg/oYyZTyAf.Nb3qSgN61OySmyXA8FoY4PjGizjE1QSDfuL5MXNni"),
]


def pbkdf2(digest: str, iterations: int, salt: bytes, tag: str) -> str:
    return f"$pbkdf2-{digest}$i={iterations}${b64(salt.hex())}${b64(tag)}"


PBKDF2 = [  # RFC 6070 section 2 (without its 16.7 million iterations), then RFC 7914 section 11
    ("password", pbkdf2("sha1", 1, b"salt", "0c60c80f961f0e71f3a9b524af6012062fe037a6")),
    ("password", pbkdf2("sha1", 2, b"salt", "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957")),
    ("password", pbkdf2("sha1", 4096, b"salt", "4b007901b765489abead49d926f721d065a429c1")),
    (
        "passwordPASSWORDpassword",
        pbkdf2(
            "sha1", 4096, b"saltSALTsaltSALTsaltSALTsaltSALTsalt", "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"
        ),
    ),
    ("pass\0word", pbkdf2("sha1", 4096, b"sa\0lt", "56fa6aa75548099dcc37d7f03425e0c3")),
    (
        "passwd",
        pbkdf2(
            "sha256",
            1,
            b"salt",
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
            "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
        ),
    ),
    (
        "Password",
        pbkdf2(
            "sha256",
            80000,
            b"NaCl",
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
            "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
        ),
    ),
]

RFC_7914_TAG = (
    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
)
SCRYPT = [  # RFC 7914 section 12, third vector; the second has p = 16, the first no salt, the fourth takes 1 GiB
    ("pleaseletmein", f"$scrypt$ln=14,r=8,p=1${b64(b'SodiumChloride'.hex())}${b64(RFC_7914_TAG)}"),
    (
        "password",
        f"$scrypt$ln=10,r=8,p=16${b64(b'NaCl'.hex())}$"
        + b64(
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
            "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
        ),
    ),
]

FIREBASE_SIGNER_KEY = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
FIREBASE_HASH = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
FIREBASE = [  # README of firebase/scrypt
    (
        "user1password",
        f"$firebase-scrypt$ln=14,r=8,p=1,ss=Bw==,sk={FIREBASE_SIGNER_KEY}$42xEC+ixf3L2lw==${FIREBASE_HASH}",
    )
]


@pytest.mark.parametrize(("password", "stored"), [*ARGON2, *BCRYPT, *DJANGO, *PBKDF2, *SCRYPT, *FIREBASE])
def test_a_published_vector_matches_its_password_and_no_other(password: str, stored: str) -> None:
    form = find(stored)
    assert form is not None
    assert form.matches(encode(password))
    assert not form.matches(encode(password + "z"))
    assert not form.matches(encode(password[:-1] if password else " "))


def test_scrypt_computes_the_first_vector_of_rfc_7914_which_has_no_salt() -> None:
    assert scrypt.ScryptCost(16, 1, 1).derive(b"", b"", 64).hex() == (
        "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
        "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
    )


def test_a_firebase_export_becomes_the_stored_string() -> None:
    (_, stored), *_ = FIREBASE
    url_safe = FIREBASE_HASH.replace("+", "-").replace("/", "_")

    def stored_form(password_hash: str) -> str:
        return firebase.from_export(
            password_hash=password_hash,
            salt="42xEC+ixf3L2lw==",
            signer_key=FIREBASE_SIGNER_KEY,
            salt_separator="Bw==",
            rounds=8,
            mem_cost=14,
        )

    assert stored_form(FIREBASE_HASH) == stored
    assert stored_form(url_safe) == stored  # `auth:export` writes this alphabet
    with pytest.raises(NotImportable):
        stored_form("no base64!")
