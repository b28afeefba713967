"""Which key is current, and which still proves something, follows from the clock alone."""

from __future__ import annotations

import pytest

from ostiary.core.keyring import Key, KeyMissing, KeyRing

SECRET = b"\x01" * 32


def key(key_id: str, activates_at: int = 0, retires_at: int | None = None, expires_at: int | None = None) -> Key:
    return Key(key_id, "mac", "HKDF-SHA256", SECRET, 0, activates_at, retires_at, expires_at)


def ring_of(*keys: Key) -> KeyRing:
    ring = KeyRing()
    ring.replace(list(keys))
    return ring


def test_a_key_is_published_active_retiring_and_destroyed_in_its_time() -> None:
    held = key("k", 10, 20, 30)
    states = {now: held.state(now) for now in (0, 9, 10, 19, 20, 29, 30, 99)}
    assert states == {
        0: "published", 9: "published", 10: "active", 19: "active", 20: "retiring", 29: "retiring", 30: "destroyed",
        99: "destroyed",
    }  # fmt: skip


def test_a_successor_takes_over_at_its_moment_and_not_before() -> None:
    ring = ring_of(key("old", 0, 10, 20), key("new", 10))
    assert [ring.current("mac", now).id for now in (0, 9, 10, 99)] == ["old", "old", "new", "new"]


def test_of_several_active_keys_the_youngest_makes() -> None:
    assert ring_of(key("b", 5), key("a", 1), key("c", 50)).current("mac", 10).id == "b"


def test_without_an_active_key_nothing_is_made() -> None:
    for ring in (KeyRing(), ring_of(key("k", 10)), ring_of(key("k", 0, 1)), ring_of(key("k", 0, 1, 2))):
        with pytest.raises(KeyMissing):
            ring.current("mac", 5)
    with pytest.raises(KeyMissing):
        ring_of(key("k")).current("signing", 5)


def test_published_and_retiring_keys_prove_and_destroyed_ones_do_not() -> None:
    ring = ring_of(key("k", 10, 20, 30))
    assert [ring.find("mac", "k", now) is not None for now in (0, 10, 20, 29, 30)] == [True, True, True, True, False]
    assert ring.find("signing", "k", 15) is None
    assert ring.find("mac", "other", 15) is None
    assert ring.living("mac", 30) == []


def test_living_keys_come_oldest_first() -> None:
    assert [held.id for held in ring_of(key("b", 5), key("c", 9), key("a", 1)).living("mac", 6)] == ["a", "b", "c"]


def test_replacing_leaves_nothing_of_before() -> None:
    ring = ring_of(key("a"))
    version = ring.version
    ring.replace([key("b")])
    assert ring.find("mac", "a", 1) is None
    assert ring.current("mac", 1).id == "b"
    assert ring.version > version


def test_a_key_does_not_show_its_secret() -> None:
    held = key("k")
    assert "\\x01" not in repr(held) + str(held) + f"{held}" + repr([held])
