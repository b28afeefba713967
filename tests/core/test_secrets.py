"""Secrets, their digests, and texts that prove by a MAC who wrote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.clock import ManualClock
from ostiary.core.keyring import Key, KeyRing
from ostiary.core.secrets import Macs, b64, derived, new_id, new_secret, unb64

FIELD = st.text("ABCabc012-_", min_size=1, max_size=20)


def key(key_id: str, purpose: str = "mac", activates_at: int = 0, material: bytes = b"m" * 32) -> Key:
    return Key(key_id, purpose, "HKDF-SHA256", material, 0, activates_at, None, None)


def macs_of(*keys: Key) -> Macs:
    ring = KeyRing()
    ring.replace(list(keys))
    return Macs(ring, ManualClock())


MACS = macs_of(key("m1"), key("i1", "index"))


@given(st.lists(FIELD, min_size=1, max_size=4))
def test_what_was_written_is_read_for_the_same_purpose_and_count_only(fields: list[str]) -> None:
    text = MACS.write("door", *fields)
    assert MACS.read("door", text, len(fields)) == tuple(fields)
    assert MACS.read("window", text, len(fields)) is None
    assert MACS.read("door", text, len(fields) + 1) is None
    assert MACS.read("door", text, len(fields) - 1) is None


@given(st.data())
def test_one_changed_character_proves_nothing(data: st.DataObject) -> None:
    text = MACS.write("door", "session", "12")
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != text[place]))
    assert MACS.read("door", text[:place] + letter + text[place + 1 :], 2) is None


@given(st.text(max_size=600))
def test_noise_proves_nothing_and_harms_nothing(text: str) -> None:
    assert MACS.read("door", text, 2) is None


@pytest.mark.parametrize("text", ["m1.a.\ud800", "m1.a." + "x" * 600, "m1..", ".a.", "m1.a.é"])
def test_odd_texts_prove_nothing(text: str) -> None:
    assert MACS.read("door", text, 1) is None


def test_a_second_spelling_of_a_genuine_text_is_refused() -> None:
    """The last character of 43 holds two spare bits: four spellings decode to the same MAC, one is genuine."""
    text = MACS.write("door", "a")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = [letter for letter in alphabet if MACS.read("door", text[:-1] + letter, 1) is not None]
    assert accepted == [text[-1]]
    for twin in (text + "=", text + "\n", " " + text, text.upper()):
        assert MACS.read("door", twin, 1) is None


@pytest.mark.parametrize("field", ["", "a.b", "a b", "ü", "a\n", "x" * 129])
def test_a_field_that_could_be_misread_is_never_written(field: str) -> None:
    with pytest.raises(ValueError, match="field"):
        MACS.write("door", "fine", field)


def test_what_an_older_key_wrote_is_still_read() -> None:
    text = macs_of(key("m1")).write("door", "a")
    both = macs_of(key("m1"), key("m2", activates_at=1, material=b"n" * 32))
    assert both.read("door", text, 1) == ("a",)
    assert both.write("door", "a").startswith("m2.")
    assert macs_of(key("m2", material=b"n" * 32)).read("door", text, 1) is None


def test_a_key_id_claimed_by_another_key_proves_nothing() -> None:
    text = macs_of(key("m1", material=b"n" * 32)).write("door", "a")
    assert MACS.read("door", text, 1) is None


def test_digests_differ_by_purpose_and_key_and_the_youngest_comes_first() -> None:
    young = key("i2", "index", activates_at=1, material=b"n" * 32)
    both = macs_of(key("i1", "index"), young)
    assert both.digest("door", "a") == both.digests("door", "a")[0] == macs_of(young).digest("door", "a")
    assert both.digests("door", "a")[1] == MACS.digest("door", "a")
    assert MACS.digest("door", "a") != MACS.digest("window", "a")


def test_a_lone_surrogate_can_be_digested() -> None:
    assert len(MACS.digest("door", "\ud800")) == 32


@given(st.binary(max_size=70))
def test_base64url_has_one_spelling(value: bytes) -> None:
    assert unb64(b64(value)) == value
    assert "=" not in b64(value)


@pytest.mark.parametrize("text", ["AB", "AAB=", "A", "AA==", "A A", "AA\n", "A+/A", "Aé"])
def test_other_spellings_of_base64url_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several makers, one kind
        unb64(text)


def test_secrets_have_256_bits_and_ids_sort_by_time() -> None:
    assert len(unb64(new_secret())) == 32
    assert len({new_secret() for _ in range(1000)}) == 1000
    moments = [1_790_000_000_000 + 1000 * step for step in range(200)]
    ids = [new_id(at) for at in moments]
    assert {len(unb64(found)) for found in ids} == {16}
    assert sorted(ids, key=unb64) == ids


def test_derived_keys_are_those_of_rfc_5869_and_differ_by_purpose() -> None:
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    # RFC 5869 section 2: extract with a salt of zeros, then one block of expand.
    extracted = hmac.digest(bytes(32), b"material", hashlib.sha256)
    assert derived(b"material", "door") == hmac.digest(extracted, b"ostiary door\x01", hashlib.sha256)
    assert derived(b"material", "door") != derived(b"material", "window")
