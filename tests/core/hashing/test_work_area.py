"""The memory that a hash thread keeps."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import pytest
from argon2.low_level import Type, ffi, hash_secret_raw

from ostiary.core.hash_formats import work_area
from ostiary.core.hash_formats.work_area import VERSION, Cost, derive, give_back_area, keep_area

linux = pytest.mark.skipif(sys.platform != "linux", reason="work areas are kept on Linux only")


def in_a_thread(check: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            check()
        except BaseException as failure:  # noqa: BLE001 - handed to the test below
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


@linux
@pytest.mark.parametrize("memory_kib", [8, 64, 1000, 1024, 1025, 4096])
@pytest.mark.parametrize("lanes", [1, 3])
def test_a_hash_in_the_area_is_the_hash_of_the_library(memory_kib: int, lanes: int) -> None:
    memory_kib = max(memory_kib, 8 * lanes)
    cost = Cost(Type.ID, VERSION, memory_kib, passes=2, lanes=lanes)
    expected = hash_secret_raw(b"password", b"saltsalt", 2, memory_kib, lanes, 32, Type.ID)

    def check() -> None:
        assert keep_area(1024)  # some fit, some do not
        for _ in range(3):
            assert derive(b"password", b"saltsalt", cost, 32) == expected
        give_back_area()
        assert derive(b"password", b"saltsalt", cost, 32) == expected

    in_a_thread(check)


@linux
def test_the_library_leaves_nothing_but_zeros_in_the_area() -> None:
    """What the docstring of WorkArea promises; a release that stops wiping fails here."""

    def check() -> None:
        assert keep_area(256)
        area = work_area._here.area
        memory = ffi.buffer(area.start, area.size)
        memory[0 : area.size] = b"\x5a" * area.size
        derive(b"password", b"saltsalt", Cost(Type.ID, VERSION, 256, 1, 1), 32)
        assert bytes(memory) == bytes(area.size)

    in_a_thread(check)


def test_threads_do_not_share_an_area() -> None:
    cost = Cost(Type.ID, VERSION, 512, 2, 1)
    expected = [hash_secret_raw(bytes([n]) * 8, b"saltsalt", 2, 512, 1, 32, Type.ID) for n in range(4)]
    found: dict[tuple[int, int], bytes] = {}

    def compute(number: int) -> None:
        keep_area(512)
        for turn in range(20):
            found[number, turn] = derive(bytes([number]) * 8, b"saltsalt", cost, 32)

    threads = [threading.Thread(target=compute, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {(number, turn): expected[number] for number in range(4) for turn in range(20)}


def test_without_the_context_interface_hashes_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = Cost(Type.ID, VERSION, 64, 1, 2)
    expected = derive(b"password", b"saltsalt", cost, 32)
    monkeypatch.setattr(work_area, "_CONTEXT_WORKS", False)
    assert not keep_area(64)
    assert derive(b"password", b"saltsalt", cost, 32) == expected


def test_a_refusal_of_the_library_is_an_error_and_not_a_tag() -> None:
    with pytest.raises(ValueError, match="too short"):
        derive(b"password", b"salt", Cost(Type.ID, VERSION, 64, 1, 1), 32)


def test_the_context_interface_works_with_the_installed_library() -> None:
    assert work_area._CONTEXT_WORKS
