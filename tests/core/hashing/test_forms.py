"""What is taken in, what is refused, and that nothing else ever matches or raises."""

from __future__ import annotations

import base64
import time

import bcrypt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ostiary.core.hash_formats import MOST_MEMORY_KIB, MOST_WEIGHT, NotImportable, check_importable, find
from ostiary.core.hash_formats.text import encode, is_stable, normalise, spellings

SALT = base64.b64encode(b"0123456789abcdef").decode().rstrip("=")
TAG = base64.b64encode(bytes(32)).decode().rstrip("=")
PADDED = base64.b64encode(bytes(64)).decode()
CRYPT = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

WELL_FORMED = [
    f"$argon2id$v=19$m=19456,t=2,p=1${SALT}${TAG}",
    f"$argon2i$m=8,t=1,p=1${SALT}${TAG}",
    f"argon2$argon2d$v=19$m=102400,t=2,p=8${SALT}${TAG}",
    f"$2b$05${CRYPT}",
    f"bcrypt$$2y$05${CRYPT}",
    f"bcrypt_sha256$$2a$05${CRYPT}",
    f"pbkdf2_sha256$1$seasalt${TAG}=",
    f"pbkdf2_sha1$1$seasalt${base64.b64encode(bytes(20)).decode()}",
    f"$pbkdf2-sha512$i=210000${SALT}${TAG}",
    f"scrypt$16$seasalt$1$1${PADDED}",
    f"$scrypt$ln=4,r=1,p=1${SALT}${TAG}",
    f"$firebase-scrypt$ln=4,r=1,p=1,ss=Bw==,sk={PADDED}$42xEC+ixf3L2lw==${PADDED}",
    f"$firebase-scrypt$ln=4,r=1,p=1,ss=,sk={PADDED}$42xEC+ixf3L2lw==${PADDED}",
]

TOO_DEAR = [
    f"$argon2id$v=19$m=1048576,t=1,p=4${SALT}${TAG}",  # 1 GiB
    f"$argon2id$v=19$m=524288,t=4,p=4${SALT}${TAG}",
    f"$argon2id$v=19$m=19456,t=99999,p=1${SALT}${TAG}",
    f"$2b$15${CRYPT}",
    f"bcrypt_sha256$$2b$31${CRYPT}",
    f"pbkdf2_sha256$7600000$seasalt${TAG}=",
    f"$pbkdf2-sha1$i=4100000${SALT}${TAG}",  # two blocks
    f"scrypt$1048576$seasalt$8$1${PADDED}",  # RFC 7914's fourth vector: 1 GiB
    f"$scrypt$ln=99,r=8,p=1${SALT}${TAG}",
    f"$scrypt$ln=14,r=8,p=99${SALT}${TAG}",
    f"$firebase-scrypt$ln=21,r=8,p=1,ss=Bw==,sk={PADDED}$42xEC+ixf3L2lw==${PADDED}",
]

MALFORMED = [
    "",
    "$",
    "password",
    "!UnusableByDjango",
    "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
    "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
    "$argon2",
    f"$argon2x$v=19$m=8,t=1,p=1${SALT}${TAG}",
    f"$argon2id$v=18$m=8,t=1,p=1${SALT}${TAG}",
    f"$argon2id$v=19$m=8,t=1,p=2${SALT}${TAG}",  # less than 8 KiB a lane
    f"$argon2id$v=19$m=08,t=1,p=1${SALT}${TAG}",
    f"$argon2id$v=19$m=8,t=0,p=1${SALT}${TAG}",
    f"$argon2id$v=19$m=8,t=1,p=1${SALT}${TAG}\n",
    f"$argon2id$v=19$m=8,t=1,p=1${SALT}${TAG}=",
    f"$argon2id$v=19$m=8,t=1,p=1${SALT[:-1]}x${TAG}",  # unused bits set: a second spelling
    f"$argon2id$v=19$m=\u0668,t=1,p=1${SALT}${TAG}",  # an Arabic-Indic eight is a digit to int()
    f"$argon2id$v=19$m=8,t=1,p=1$c2FsdA${TAG}",  # 4 bytes of salt
    f"$argon2id$v=19$m=8,t=1,p=1${SALT}$AAAA",  # 3 bytes of tag
    f"argon2$$argon2id$v=19$m=8,t=1,p=1${SALT}${TAG}",
    f"$2x$05${CRYPT}",
    f"$2$05${CRYPT}",
    f"$2b$03${CRYPT}",
    f"$2b$5${CRYPT}",
    f"$2b$05${CRYPT}W",
    f"$2b$05${CRYPT[:-1]}X",
    f"bcrypt${CRYPT}",
    f"pbkdf2_sha512$1$seasalt${TAG}=",
    f"pbkdf2_sha256$0$seasalt${TAG}=",
    f"pbkdf2_sha256$1$sea$salt${TAG}=",
    f"pbkdf2_sha256$1$seasalt${TAG}",
    f"pbkdf2_sha1$1$seasalt${TAG}=",  # 32 bytes where SHA-1 has 20
    f"$pbkdf2-md5$i=1${SALT}${TAG}",
    f"scrypt$15$seasalt$1$1${PADDED}",  # no power of two
    f"scrypt$1$seasalt$1$1${PADDED}",
    f"$scrypt$ln=0,r=1,p=1${SALT}${TAG}",
    f"$firebase-scrypt$ln=4,r=1,p=1,ss=Bw==,sk={PADDED}$42xEC+ixf3L2lw==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    f"$firebase-scrypt$ln=4,r=1,p=1,ss=B,sk={PADDED}$42xEC+ixf3L2lw==${PADDED}",
    f"$pepper$k1$argon2id$v=19$m=8,t=1,p=1${SALT}${TAG}",  # only a Hasher with that pepper can read it
    "$argon2id$" + "A" * 2000,
]


@pytest.mark.parametrize("stored", WELL_FORMED)
def test_a_well_formed_hash_is_importable(stored: str) -> None:
    form = check_importable(stored)
    assert 0 < form.weight <= MOST_WEIGHT
    assert 0 < form.memory_kib <= MOST_MEMORY_KIB
    assert not form.matches(b"some other password")


@pytest.mark.parametrize("stored", TOO_DEAR)
def test_a_hash_over_the_bounds_is_refused_at_once_and_says_why(stored: str) -> None:
    begun = time.process_time()
    with pytest.raises(NotImportable, match="at most"):
        check_importable(stored)
    assert find(stored) is None
    assert time.process_time() - begun < 0.1  # nothing was computed


@pytest.mark.parametrize("stored", MALFORMED)
def test_a_malformed_hash_is_refused(stored: str) -> None:
    with pytest.raises(NotImportable):
        check_importable(stored)
    assert find(stored) is None


@pytest.mark.parametrize("stored", [*WELL_FORMED, *TOO_DEAR, *MALFORMED[5:]])
def test_neither_refusals_nor_reprs_quote_a_hash(stored: str) -> None:
    try:
        shown = repr(check_importable(stored))
    except NotImportable as refusal:
        shown = f"{refusal}{refusal!r}"
    for secret in (SALT, TAG, PADDED[:30], CRYPT[22:], "seasalt"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("cheap", "dear"),
    [
        (f"$2b$10${CRYPT}", f"$2b$12${CRYPT}"),
        (f"pbkdf2_sha256$100000$seasalt${TAG}=", f"pbkdf2_sha256$400000$seasalt${TAG}="),
        (f"scrypt$16384$seasalt$8$1${PADDED}", f"scrypt$16384$seasalt$8$4${PADDED}"),
        (f"$argon2id$v=19$m=8192,t=1,p=1${SALT}${TAG}", f"$argon2id$v=19$m=8192,t=4,p=1${SALT}${TAG}"),
    ],
)
def test_weight_grows_with_the_work(cheap: str, dear: str) -> None:
    assert check_importable(dear).weight == pytest.approx(4 * check_importable(cheap).weight)


def test_the_default_hash_is_the_unit_of_weight() -> None:
    assert check_importable(WELL_FORMED[0]).weight == 1.0


def test_bcrypt_refuses_more_than_72_bytes_instead_of_cutting_them() -> None:
    longest = b"x" * 72
    form = find(bcrypt.hashpw(longest, bcrypt.gensalt(4)).decode())
    assert form is not None
    assert form.matches(longest)
    assert not form.matches(longest + b"x")  # Openwall's own vector "chars after 72 are ignored" would match


def test_bcrypt_does_not_take_a_repetition_with_nul_for_the_password() -> None:
    form = find(bcrypt.hashpw(b"a", bcrypt.gensalt(4)).decode())
    assert form is not None
    assert bcrypt.checkpw(b"a\0a", bcrypt.hashpw(b"a", bcrypt.gensalt(4)))  # the trap itself
    assert not form.matches(b"a\0a")
    assert form.matches(b"a")


def test_a_trailing_nul_is_not_swallowed_by_hmac() -> None:
    form = find("$pbkdf2-sha1$i=1$c2FsdA$DGDID5YfDnHzqbUkr2ASBi/gN6Y")  # RFC 6070: "password"
    assert form is not None
    assert form.matches(b"password")
    assert not form.matches(b"password\0")


# Text that begins like a hash, so that the search reaches the depth of each parser.
PREFIXES = sorted({stored[:cut] for stored in WELL_FORMED for cut in (0, 4, 10, 18, 30, 50, len(stored))})
near_hashes = st.builds(lambda prefix, rest: prefix + rest, st.sampled_from(PREFIXES), st.text(max_size=40))
edited = st.builds(
    lambda stored, at, put: stored[: at % len(stored)] + put + stored[at % len(stored) + 1 :],
    st.sampled_from(WELL_FORMED),
    st.integers(0, 500),
    st.text(max_size=2),
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(), near_hashes, edited))
@example("\ud800")
@example("$2b$05$" + "\ud800" * 53)
def test_any_text_is_refused_or_within_the_bounds(stored: str) -> None:
    form = find(stored)
    if form is not None:
        assert form.weight <= MOST_WEIGHT
        assert form.memory_kib <= MOST_MEMORY_KIB


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(codec=None), max_size=100), st.sampled_from([WELL_FORMED[i] for i in (1, 3, 5, 6, 9, 10, 11)])
)
@example("\ud800", WELL_FORMED[3])
@example("\0", WELL_FORMED[3])
@example("", WELL_FORMED[9])
def test_any_password_is_checked_without_raising(password: str, stored: str) -> None:
    form = find(stored)
    assert form is not None
    for octets in spellings(password):
        assert form.matches(octets) is (stored == WELL_FORMED[3] and octets == b"U*U")


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_two_passwords_share_bytes_only_if_they_share_code_points(one: str, other: str) -> None:
    assert (encode(one) == encode(other)) is (one == other)


@given(st.text(st.characters(codec=None)))
def test_the_normal_form_comes_first_and_is_its_own_normal_form(password: str) -> None:
    assert spellings(password)[0] == encode(normalise(password))
    assert spellings(password)[-1] == encode(password)
    assert normalise(normalise(password)) == normalise(password)


def test_normalising_changes_nothing_but_the_form() -> None:
    assert normalise("  Tr\u00e4um süß \t") == "  Tr\u00e4um süß \t"
    assert normalise("e\u0301") == "\u00e9"
    assert normalise("\uff21") == "A"


def test_an_unassigned_code_point_is_not_stable() -> None:
    assert is_stable("p\u00e4ssword \U0001f600")
    assert not is_stable("password \u0378")
