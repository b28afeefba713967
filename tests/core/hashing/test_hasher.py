"""Hashing, checking and renewing through the Hasher."""

from __future__ import annotations

import asyncio
import base64
import hmac
import statistics
import time
from collections.abc import AsyncIterator

import bcrypt
import pytest
from argon2.low_level import Type, hash_secret
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ostiary.core.errors import Misconfigured, Unavailable
from ostiary.core.hashing import Hasher, HashingSettings, Verdict, hash_raw_calibration, normalise

CHEAP = HashingSettings(memory_kib=64, passes=1, threads=2)
PASSWORD = "correct horse battery staple"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), b"$2b$04$abcdefghijklmnopqrstuu").decode()


class Shelf:
    """Peppers that a test can rotate."""

    def __init__(self, current: str | None = None, **keys: bytes) -> None:
        self.keys = keys
        self.now = current

    def current(self) -> tuple[str, bytes] | None:
        return None if self.now is None else (self.now, self.keys[self.now])

    def find(self, key_id: str) -> bytes | None:
        return self.keys.get(key_id)


@pytest.fixture
async def hasher() -> AsyncIterator[Hasher]:
    hasher = Hasher(CHEAP)
    yield hasher
    await hasher.close()


async def test_a_password_opens_its_own_hash_and_nothing_is_renewed(hasher: Hasher) -> None:
    stored = await hasher.hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert await hasher.verify(stored, PASSWORD) == Verdict(matches=True, renewed_hash=None)
    assert await hasher.verify(stored, PASSWORD + " ") == Verdict(matches=False)
    assert not hasher.is_outdated(stored)


async def test_one_password_never_hashes_the_same_twice(hasher: Hasher) -> None:
    assert await hasher.hash(PASSWORD) != await hasher.hash(PASSWORD)


def test_the_defaults_are_the_parameters_of_owasp() -> None:
    assert (HashingSettings().memory_kib, HashingSettings().passes, HashingSettings().lanes) == (19456, 2, 1)


async def test_a_default_hash_verifies_too() -> None:
    hasher = Hasher(HashingSettings(threads=1))
    stored = await hasher.hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await hasher.verify(stored, PASSWORD)).matches
    assert not (await hasher.verify(stored, PASSWORD.upper())).matches
    await hasher.close()


async def test_lanes_are_part_of_the_hash(hasher: Hasher) -> None:
    four = Hasher(HashingSettings(memory_kib=64, passes=1, lanes=4, threads=1))
    stored = await four.hash(PASSWORD)
    assert "p=4" in stored
    assert (await four.verify(stored, PASSWORD)).renewed_hash is None
    assert (await hasher.verify(stored, PASSWORD)).renewed_hash is not None
    await four.close()


@pytest.mark.parametrize("prefix", ["", "bcrypt$"])
async def test_a_foreign_hash_is_renewed_when_it_matches(hasher: Hasher, prefix: str) -> None:
    await _is_renewed(hasher, prefix + BCRYPT)


async def test_a_hash_of_another_cost_is_renewed_when_it_matches(hasher: Hasher) -> None:
    for memory_kib in (32, 128):
        await _is_renewed(hasher, await _hashed_at(memory_kib))


async def _is_renewed(hasher: Hasher, stored: str) -> None:
    assert hasher.is_outdated(stored)
    assert await hasher.verify(stored, "wrong") == Verdict(matches=False)
    verdict = await hasher.verify(stored, PASSWORD)
    assert verdict.matches
    assert verdict.renewed_hash is not None
    assert not hasher.is_outdated(verdict.renewed_hash)
    assert await hasher.verify(verdict.renewed_hash, PASSWORD) == Verdict(matches=True)


async def _hashed_at(memory_kib: int) -> str:
    other = Hasher(HashingSettings(memory_kib=memory_kib, passes=1, threads=1))
    try:
        return await other.hash(PASSWORD)
    finally:
        await other.close()


async def test_django_s_spelling_of_a_current_hash_is_renewed_into_ours(hasher: Hasher) -> None:
    stored = "argon2" + await hasher.hash(PASSWORD)
    verdict = await hasher.verify(stored, PASSWORD)
    assert verdict.matches
    assert (verdict.renewed_hash or "").startswith("$argon2id$")


async def test_two_keyboards_spell_one_password(hasher: Hasher) -> None:
    stored = await hasher.hash("cr\u00e8me br\u00fbl\u00e9e au caramel")
    assert await hasher.verify(stored, "cre\u0300me bru\u0302le\u0301e au caramel") == Verdict(matches=True)


async def test_a_foreign_hash_of_text_as_typed_matches_and_becomes_normal(hasher: Hasher) -> None:
    typed = "cre\u0300me"
    stored = bcrypt.hashpw(typed.encode(), bcrypt.gensalt(4)).decode()
    verdict = await hasher.verify(stored, typed)
    assert verdict.renewed_hash is not None
    assert (await hasher.verify(verdict.renewed_hash, normalise(typed))).matches


async def test_a_foreign_hash_of_normal_text_matches_what_another_keyboard_sends(hasher: Hasher) -> None:
    stored = bcrypt.hashpw("cr\u00e8me".encode(), bcrypt.gensalt(4)).decode()
    assert (await hasher.verify(stored, "cre\u0300me")).matches


async def test_an_import_that_looks_like_ours_still_matches_as_typed_and_is_renewed(hasher: Hasher) -> None:
    typed = "cre\u0300me"
    stored = hash_secret(typed.encode(), b"0123456789abcdef", 1, 64, 1, 32, Type.ID).decode()
    assert not hasher.is_outdated(stored)
    assert (await hasher.verify(stored, typed)).renewed_hash is not None


@pytest.mark.parametrize("password", ["", "\0", "\ud800", "a\0b", "\U0001f600" * 256, "x" * 100_000])
async def test_odd_passwords_are_passwords(hasher: Hasher, password: str) -> None:
    stored = await hasher.hash(password)
    assert (await hasher.verify(stored, password)).matches
    assert not (await hasher.verify(stored, password + "\0")).matches


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=st.text(st.characters(codec=None)), password=st.text(st.characters(codec=None), max_size=20))
@example(stored="$pepper$k1$argon2id$", password="x")
@example(stored="$pepper$k1", password="x")
@example(stored="\ud800", password="\ud800")
@example(stored="$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", password="U*U")
def test_any_stored_text_is_answered_with_no_and_never_raises(stored: str, password: str) -> None:
    async def check() -> None:
        hasher = Hasher(CHEAP, Shelf("k1", k1=b"pepper"))
        assert await hasher.verify(stored, password) == Verdict(matches=False)
        assert hasher.is_outdated(stored)
        await hasher.close()

    asyncio.run(check())


async def test_a_pepper_is_needed_to_check_and_named_in_the_hash() -> None:
    shelf = Shelf("k1", k1=b"k" * 32)
    hasher = Hasher(CHEAP, shelf)
    stored = await hasher.hash(PASSWORD)
    assert stored.startswith("$pepper$k1$argon2id$v=19$")
    assert await hasher.verify(stored, PASSWORD) == Verdict(matches=True)

    bare = stored.removeprefix("$pepper$k1")
    assert not (await hasher.verify(bare, PASSWORD)).matches
    for others in (None, Shelf(), Shelf("k2", k2=b"k" * 32), Shelf("k1", k1=b"x" * 32)):
        stranger = Hasher(CHEAP, others)
        assert await stranger.verify(stored, PASSWORD) == Verdict(matches=False)
        await stranger.close()
    await hasher.close()


async def test_the_pepper_is_an_hmac_over_the_normal_form() -> None:
    hasher = Hasher(CHEAP, Shelf("k1", k1=b"k" * 32))
    stored = await hasher.hash("cre\u0300me")
    inner = base64.b64encode(hmac.digest(b"k" * 32, "cr\u00e8me".encode(), "sha256")).decode()
    plain = Hasher(CHEAP)
    assert (await plain.verify(stored.removeprefix("$pepper$k1"), inner)).matches
    await plain.close()
    await hasher.close()


async def test_rotating_the_pepper_renews_hashes_as_their_owners_come() -> None:
    shelf = Shelf(None, k1=b"1" * 32, k2=b"2" * 32)
    hasher = Hasher(CHEAP, shelf)
    stored = await hasher.hash(PASSWORD)
    for key_id, prefix in (("k1", "$pepper$k1$argon2id"), ("k2", "$pepper$k2$argon2id"), (None, "$argon2id")):
        shelf.now = key_id
        assert hasher.is_outdated(stored)
        verdict = await hasher.verify(stored, PASSWORD)
        assert verdict.renewed_hash is not None
        assert verdict.renewed_hash.startswith(prefix)
        stored = verdict.renewed_hash
        assert not hasher.is_outdated(stored)
    await hasher.close()


async def test_a_pepper_id_that_could_not_be_read_back_is_refused() -> None:
    hasher = Hasher(CHEAP, Shelf("k$1", **{"k$1": b"k"}))
    with pytest.raises(Misconfigured):
        await hasher.hash(PASSWORD)
    await hasher.close()


async def test_no_password_opens_the_decoy_which_looks_current(hasher: Hasher) -> None:
    assert hasher.decoy == hasher.decoy
    assert not hasher.is_outdated(hasher.decoy)
    assert hasher.decoy.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert len(hasher.decoy) == len(await hasher.hash(""))
    assert not (await hasher.verify(hasher.decoy, "")).matches


async def test_the_decoy_wears_the_current_pepper() -> None:
    hasher = Hasher(CHEAP, Shelf("k1", k1=b"k" * 32))
    assert hasher.decoy.startswith("$pepper$k1$argon2id$")
    assert not hasher.is_outdated(hasher.decoy)
    await hasher.close()


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "$pepper$gone$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$unkHBJBQD2TgdGWEU5cvtK22VUOH6PZVX9aDqcJHbg4",
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$unkHBJBQD2TgdGWEU5cvtK22VUOH6PZVX9aDqcJHbg4",
        "$argon2id$v=19$m=9728,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$unkHBJBQD2TgdGWEU5cvtK22VUOH6PZVX9aDqcJHbg4",
        BCRYPT,
    ],
    ids=["nothing", "unknown pepper", "tiny", "half the cost", "bcrypt"],
)
async def test_a_wrong_password_costs_as_much_whatever_cheap_thing_is_stored(stored: str) -> None:
    """R7. CPU time, so that a busy machine does not matter; generous, for it shares its caches."""
    hasher = Hasher(HashingSettings(threads=1, niceness=0))
    await hasher.hash("warm up")

    async def cost(text: str) -> float:
        begun = time.process_time()
        await hasher.verify(text, "wrong")
        return time.process_time() - begun

    pairs = [(await cost(hasher.decoy), await cost(stored)) for _ in range(9)]
    decoy, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert other == pytest.approx(decoy, rel=0.4)
    await hasher.close()


async def test_secrets_do_not_show(hasher: Hasher) -> None:
    stored = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    verdict = await hasher.verify(stored, PASSWORD)
    assert "argon2id" not in repr(verdict)
    assert PASSWORD not in repr(hasher)


async def test_a_closed_hasher_refuses(hasher: Hasher) -> None:
    await hasher.close()
    with pytest.raises(Unavailable):
        await hasher.hash(PASSWORD)


async def test_calibration_measures_the_configured_hash() -> None:
    hasher = Hasher(HashingSettings(threads=1))
    seconds = await hasher.calibrate()
    assert seconds > 0
    assert hasher.seconds_per_hash == pytest.approx(seconds)
    assert hash_raw_calibration(CHEAP) < hash_raw_calibration() / 4
    await hasher.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"memory_kib": 7},
        {"memory_kib": 64, "lanes": 9},
        {"memory_kib": 512 * 1024 + 1},
        {"passes": 0},
        {"passes": 500},  # over the bound on any hash: it could not be verified
        {"niceness": 20},
        {"longest_wait": "PT0S"},
        {"pepper": "in the settings"},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HashingSettings.model_validate(wrong)
