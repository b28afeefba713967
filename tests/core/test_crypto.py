"""What is sealed opens under its key, at its place, unchanged; or not at all."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.db.raw import raw
from tests.house import PASSWORD

from ostiary.core.caller import KEEPER, Caller
from ostiary.core.clock import ManualClock
from ostiary.core.crypto import AccountKeys, Sealer, Unsealable, Wrapper
from ostiary.core.keyring import Key, KeyRing
from ostiary.registration import Application
from ostiary.wiring import Ostiary

WRAPPER = Wrapper(b"k" * 32)


def sealer_of(*ids: str) -> Sealer:
    ring = KeyRing()
    ring.replace(
        [
            Key(name, "data", "HKDF-SHA256", name.encode().ljust(32), 0, number, None, None)
            for number, name in enumerate(ids)
        ]
    )
    return Sealer(ring, ManualClock())


@given(st.binary(max_size=200))
def test_what_was_sealed_opens(plain: bytes) -> None:
    assert WRAPPER.open(WRAPPER.seal(plain, "table row"), "table row") == plain
    sealer = sealer_of("d1")
    assert sealer.open(sealer.seal(plain, "table row"), "table row") == plain


@given(st.data())
def test_a_changed_bit_does_not_open(data: st.DataObject) -> None:
    sealer = sealer_of("d1")
    for sealed, open_ in ((WRAPPER.seal(b"plain", "x"), WRAPPER.open), (sealer.seal(b"plain", "x"), sealer.open)):
        place = data.draw(st.integers(0, 8 * len(sealed) - 1))
        changed = bytearray(sealed)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(Unsealable):
            open_(bytes(changed), "x")


@given(st.binary(max_size=60))
def test_noise_does_not_open(noise: bytes) -> None:
    for open_ in (WRAPPER.open, sealer_of("d1").open):
        with pytest.raises(Unsealable):
            open_(noise, "x")


def test_a_value_moved_to_another_row_does_not_open() -> None:
    with pytest.raises(Unsealable):
        WRAPPER.open(WRAPPER.seal(b"plain", "accounts 1"), "accounts 2")


def test_the_same_value_never_looks_the_same_twice() -> None:
    assert len({WRAPPER.seal(b"plain", "x") for _ in range(100)}) == 100


def test_an_older_key_still_opens_and_a_destroyed_one_does_not() -> None:
    sealed = sealer_of("d1").seal(b"plain", "x")
    assert sealer_of("d1", "d2").open(sealed, "x") == b"plain"
    with pytest.raises(Unsealable):
        sealer_of("d2").open(sealed, "x")


def test_an_exception_tells_neither_value_nor_row() -> None:
    with pytest.raises(Unsealable) as refused:
        WRAPPER.open(b"secret" * 10, "accounts mira")
    assert "mira" not in str(refused.value)
    assert "secret" not in str(refused.value)


async def sign_up(house: Ostiary) -> str:
    application = Application("mira", "mira@example.org", PASSWORD)
    return (await house.registration.register(Caller(request_id="test"), application)).account.id


async def find(house: Ostiary, keys: AccountKeys, account_id: str) -> Wrapper | None:
    async with house.database.unit() as unit:
        return await keys.find(unit, account_id)


async def test_an_accounts_key_is_the_same_in_every_process_and_after_a_rotation(
    house: Ostiary, clock: ManualClock
) -> None:
    account_id = await sign_up(house)
    here = await find(house, house.account_keys, account_id)
    assert here is not None
    await house.keys.rotate(KEEPER, ("data",))
    clock.advance(days=400)

    elsewhere = await find(house, AccountKeys(house.sealer), account_id)

    assert elsewhere is not None
    assert elsewhere.open(here.seal(b"plain", "x"), "x") == b"plain"


async def test_an_accounts_key_is_stored_sealed_and_for_its_account_only(house: Ostiary) -> None:
    account_id = await sign_up(house)
    await raw(house.database_url, f"UPDATE accounts SET username = 'x' WHERE id = '{account_id}'")
    sealed = bytes((await raw(house.database_url, "SELECT sealed FROM account_keys"))[0][0])
    assert house.sealer.open(sealed, f"account_keys {account_id}")
    with pytest.raises(Unsealable):
        house.sealer.open(sealed, "account_keys somebody-else")


async def test_an_erased_key_is_gone(house: Ostiary) -> None:
    account_id = await sign_up(house)
    assert await find(house, house.account_keys, account_id)
    async with house.database.unit() as unit:
        await house.accounts.delete(unit, account_id)
    assert await find(house, house.account_keys, account_id) is None
    assert await raw(house.database_url, "SELECT 1 FROM account_keys") == []


@pytest.mark.parametrize("storage", ["postgresql"])  # on SQLite nothing comes between reading and keeping
async def test_a_key_erased_while_it_is_read_is_not_kept(house: Ostiary) -> None:
    account_id = await sign_up(house)
    keys = AccountKeys(house.sealer)

    async def erase() -> None:
        async with house.database.unit() as unit:
            await house.accounts.delete(unit, account_id)
        keys.forget(account_id)  # as the signal does

    for _ in range(5):
        reading = asyncio.create_task(find(house, keys, account_id))
        await asyncio.sleep(0)
        keys.forget(account_id)
        await reading
        assert account_id not in keys._kept
    await erase()
    assert await find(house, keys, account_id) is None


async def test_memory_of_account_keys_has_a_bound(house: Ostiary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.core.crypto.KEPT_ACCOUNT_KEYS", 3)
    keys = AccountKeys(house.sealer)
    for number in range(10):
        keys._keep(str(number), Wrapper(os.urandom(32)))
    assert list(keys._kept) == ["7", "8", "9"]
