"""At the first start a house makes its keys, once, and stores them only sealed."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.core.db.raw import raw
from tests.house import CHEAP_HASHING, OpenHouse, journalled

from ostiary.client.keys import SigningKey
from ostiary.core.clock import ManualClock
from ostiary.core.errors import Misconfigured
from ostiary.core.keyring import PURPOSES
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary


def living(house: Ostiary) -> dict[str, bytes]:
    now = house.clock.now()
    return {key.id: key.material for purpose in PURPOSES for key in house.ring.living(purpose, now)}


async def test_a_first_start_makes_one_key_for_each_purpose(house: Ostiary) -> None:
    stored = await house.keys.listed()
    assert sorted(key.purpose for key in stored) == sorted(set(PURPOSES) - {"pepper"})
    assert (await journalled(house)).count("key.published") == len(stored)


async def test_a_second_start_finds_them(open_house: OpenHouse) -> None:
    first = await open_house(work=False)
    second = await open_house(work=False)
    assert living(first) == living(second)
    assert len(await second.keys.listed()) == len(living(first))


async def test_first_starts_at_once_end_with_one_set_of_keys(
    tmp_path: Path, database_url: str, clock: ManualClock
) -> None:
    settings: dict[str, Any] = {"hashing": CHEAP_HASHING, "storage": {"database": database_url}}
    houses = [Ostiary.at(tmp_path / "data", clock=clock, post=Mailbox(), **settings) for _ in range(4)]
    await asyncio.gather(*[house.open(work=False) for house in houses])
    try:
        stored = await houses[0].keys.listed()
        assert set(Counter(key.purpose for key in stored).values()) == {1}
        for house in houses:
            assert living(house).keys() == {key.id for key in stored}
            assert living(house) == living(houses[0])
    finally:
        for house in houses:
            await house.close()


async def test_no_secret_of_a_key_is_in_the_database(house: Ostiary, database_url: str, tmp_path: Path) -> None:
    forms = list(living(house).values())
    signer = house.keys.signer()
    assert isinstance(signer, SigningKey)
    root = (tmp_path / "data" / "root.secret").read_bytes().strip()
    if database_url.startswith("sqlite"):
        files = await asyncio.to_thread(lambda: [path.read_bytes() for path in tmp_path.glob("ostiary.db*")])
        stored = b"".join(files)
    else:
        rows = await raw(database_url, "SELECT * FROM keys")
        stored = b"".join(part if isinstance(part, bytes) else str(part).encode() for row in rows for part in row)
    assert signer.key_id.encode() in stored  # it is the right place that is searched
    for secret in (*forms, root):
        assert secret not in stored
        assert secret.hex().encode() not in stored
        assert secret[:16] not in stored


async def test_a_sealed_key_moved_to_another_row_does_not_open(house: Ostiary) -> None:

    await raw(
        house.database_url,
        "UPDATE keys SET sealed = (SELECT sealed FROM keys WHERE purpose = 'data') WHERE purpose = 'mac'",
    )
    with pytest.raises(Misconfigured):
        await house.keys.reload()
