"""When a key was last used: written down by the minute, never by the request."""

from __future__ import annotations

import httpx
import pytest
from tests.apikeys.steps import listed, made, name_of, owner, status
from tests.house import OpenHouse, client_of

from ostiary.core.clock import ManualClock, iso
from ostiary.core.db import DatabaseUnavailable
from ostiary.wiring import Ostiary


async def used(client: httpx.AsyncClient, bearing: dict[str, str]) -> list[str | None]:
    return [key["last_used_at"] for key in await listed(client, bearing)]


async def test_a_use_is_written_by_the_chore_and_at_most_once_a_minute(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    here, there = await open_house(work=False), await open_house(work=False)
    async with client_of(here) as client, client_of(there) as elsewhere:
        mira = await owner(here, client)
        text = await made(client, mira)
        first = clock.now()
        for _ in range(3):
            assert await status(client, text) == 200
        assert await used(client, mira) == [None]

        assert await here.api_key_guard.settle() == 1
        assert await used(client, mira) == [iso(first)]
        assert await here.api_key_guard.settle() == 0
        clock.advance(seconds=59)
        assert await status(elsewhere, text) == 200
        await there.api_key_guard.settle()
        assert await used(client, mira) == [iso(first)]
        clock.advance(seconds=1)
        assert await status(elsewhere, text) == 200
        await there.api_key_guard.settle()
        assert await used(client, mira) == [iso(first + 60_000)]


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_refused_keys_are_not_used_and_what_cannot_be_written_is_written_later(
    house: Ostiary, outside: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    mira = await owner(house, outside)
    text, far = await made(outside, mira), await made(outside, mira, networks=["192.0.2.1"])
    assert [await status(outside, one) for one in (text, far)] == [200, 401]

    def broken() -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as outage:
        outage.setattr(house.database, "unit", lambda *_: broken())
        with pytest.raises(DatabaseUnavailable):
            await house.api_key_guard.settle()

    assert await house.api_key_guard.settle() == 1
    by_id = {key["id"]: key["last_used_at"] for key in await listed(outside, mira)}
    assert by_id == {name_of(text).id: iso(clock.now()), name_of(far).id: None}


async def test_what_was_used_last_is_written_when_the_house_closes(open_house: OpenHouse) -> None:
    house = await open_house(work=False)
    async with client_of(house) as client:
        mira = await owner(house, client)
        assert await status(client, await made(client, mira)) == 200
    await house.close()

    again = await open_house(work=False)
    async with client_of(again) as client:
        assert None not in await used(client, mira)
