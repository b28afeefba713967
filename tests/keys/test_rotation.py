"""Rotation signs nobody out; a new key is published before it is used; a killed one is dead everywhere at once."""

from __future__ import annotations

import asyncio
import base64
import json

import httpx
import pytest
from tests.core.db.raw import raw
from tests.house import API, OpenHouse, bearer, client_of, journalled, login, register

from ostiary.client import SigningKey
from ostiary.core.caller import HOUSE, KEEPER, Caller
from ostiary.core.clock import ManualClock
from ostiary.core.keyring import PURPOSES
from ostiary.keys import KeyStillNeeded, NoSuchKey
from ostiary.keys.service import KEPT_AFTER_RETIREMENT
from ostiary.sessions import RefreshRefused
from ostiary.wiring import Ostiary

CALLER = Caller(request_id="test", address="203.0.113.7", agent="Mozilla/5.0")


async def published(client: httpx.AsyncClient) -> list[str]:
    answer = await client.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    return [key["kid"] for key in answer.json()["keys"]]


async def is_signed_in(client: httpx.AsyncClient, grant: dict[str, str]) -> bool:
    answer = await client.get(f"{API}/me", headers=bearer(grant))
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


async def refresh(client: httpx.AsyncClient, grant: dict[str, str]) -> dict[str, str]:
    answer = await client.post(f"{API}/refresh", json={"refresh_token": grant["refresh_token"]})
    client.cookies.clear()
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


async def heard(house: Ostiary) -> None:
    """On SQLite every request looks; on PostgreSQL word comes by NOTIFY, and within the bound of D3 without it."""
    if house.database.driver.dialect == "postgresql":
        await house.signals.refresh()


def signer_of(grant: dict[str, str]) -> str:

    header = grant["access_token"].partition(".")[0]
    found: str = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]
    return found


async def test_a_new_key_is_published_at_once_and_signs_only_when_everybody_can_know_it(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await register(outside)
    old = await published(outside)
    made = {key.purpose: key.id for key in await house.keys.rotate(KEEPER)}

    assert await published(outside) == [*old, made["signing"]]
    ahead = house.settings.keys.publish_ahead
    assert ahead > house.settings.keys.jwks_max_age
    clock.advance(seconds=ahead.total_seconds() - 1)
    assert signer_of(await login(outside)) == old[0]
    clock.advance(seconds=1)
    assert signer_of(await login(outside)) == made["signing"]


async def test_a_rotation_of_every_key_signs_nobody_out(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    grant = await register(outside)
    await house.keys.rotate(KEEPER)
    assert await is_signed_in(outside, grant)
    clock.advance(minutes=14)  # past the hand-over
    assert await is_signed_in(outside, grant)
    fresh = await refresh(outside, grant)
    assert signer_of(fresh) != signer_of(grant)
    assert fresh["refresh_token"].partition(".")[0] != grant["refresh_token"].partition(".")[0]
    assert await is_signed_in(outside, fresh)

    for _ in range(4):  # in daily use, through rotation after rotation
        clock.advance(days=6)
        fresh = await refresh(outside, fresh)
        await house.keys.rotate(KEEPER)
        assert await is_signed_in(outside, fresh)


async def test_what_a_retired_key_made_dies_when_its_time_is_over(house: Ostiary, clock: ManualClock) -> None:
    old_signer = house.keys.signer().key_id
    text = house.macs.write("test", "a")
    await house.keys.rotate(KEEPER)
    ahead = house.settings.keys.publish_ahead.total_seconds()
    kept_signing, kept_mac = KEPT_AFTER_RETIREMENT["signing"], KEPT_AFTER_RETIREMENT["mac"]
    assert kept_signing is not None
    assert kept_mac is not None

    clock.advance(seconds=ahead + kept_signing.total_seconds() - 1)
    assert house.keys.find(old_signer) is not None
    clock.advance(seconds=1)
    assert house.keys.find(old_signer) is None
    assert old_signer not in str(house.keys.jwks())

    assert house.macs.read("test", text, 1) == ("a",)
    clock.advance(seconds=(kept_mac - kept_signing).total_seconds())
    assert house.macs.read("test", text, 1) is None


async def test_the_key_of_a_destroyed_one_is_wiped(house: Ostiary, clock: ManualClock) -> None:
    old = house.keys.signer().key_id
    await house.keys.rotate(KEEPER, ("signing",))
    clock.advance(days=1)
    await house.keys.tend(HOUSE)
    assert [bytes(row[0]) for row in await raw(house.database_url, f"SELECT sealed FROM keys WHERE id = '{old}'")] == [
        b""
    ]


async def test_a_rotation_is_heard_by_every_process(open_house: OpenHouse, clock: ManualClock) -> None:
    first, second = await open_house(work=False), await open_house(work=False)
    async with client_of(first) as here, client_of(second) as there:
        grant = await register(here)
        await first.keys.rotate(KEEPER)
        await heard(second)
        assert await published(here) == await published(there)
        clock.advance(minutes=11)
        fresh = await refresh(here, grant)
        assert await is_signed_in(there, fresh)
        assert await is_signed_in(there, await refresh(there, fresh))


async def test_the_schedule_rotates_what_is_of_age_once_for_all_processes(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    houses = [await open_house(work=False) for _ in range(2)]
    count = len(await houses[0].keys.listed())
    for house in houses:
        await house.keys.tend(HOUSE)
    assert len(await houses[0].keys.listed()) == count

    clock.advance(seconds=houses[0].settings.keys.rotate_every.total_seconds() + 1)
    await asyncio.gather(*[house.keys.tend(HOUSE) for house in houses for _ in range(2)])

    assert len(await houses[0].keys.listed()) == 2 * count
    for house in houses:
        await house.keys.tend(HOUSE)
    assert len(await houses[0].keys.listed()) == 2 * count
    assert (await journalled(houses[0])).count("key.published") == 2 * count


async def test_a_killed_key_signs_nobody_in_on_any_process_from_that_moment_on(open_house: OpenHouse) -> None:
    first, second = await open_house(work=False), await open_house(work=False)
    async with client_of(first) as here, client_of(second) as there:
        grant = await register(here)
        assert await is_signed_in(here, grant)
        assert await is_signed_in(there, grant)

        await first.keys.kill(KEEPER, signer_of(grant))

        assert not await is_signed_in(here, grant)
        await heard(second)
        assert not await is_signed_in(there, grant)
        assert signer_of(grant) not in await published(there)
        fresh = await refresh(there, grant)
        assert await is_signed_in(here, fresh)
        assert await is_signed_in(there, fresh)
    assert (await journalled(first)).count("key.killed") == 1


async def test_who_signs_in_elsewhere_after_the_kill_gets_a_token_that_lives(open_house: OpenHouse) -> None:
    first, second = await open_house(work=False), await open_house(work=False)
    async with client_of(second) as there:
        grant = await register(there)
        await first.keys.kill(KEEPER, signer_of(grant))
        await heard(second)
        assert await is_signed_in(there, await login(there))


async def test_a_killed_mac_key_takes_refresh_tokens_with_it(house: Ostiary, outside: httpx.AsyncClient) -> None:
    grant = await register(outside)
    await house.keys.kill(KEEPER, grant["refresh_token"].partition(".")[0])
    with pytest.raises(RefreshRefused):
        await house.sessions.refresh(CALLER, grant["refresh_token"])
    assert await is_signed_in(outside, await login(outside))


async def test_a_killed_successor_leaves_no_time_without_a_key(house: Ostiary, clock: ManualClock) -> None:
    """The predecessor's end is set by then: somebody must take over all the same."""
    successor = (await house.keys.rotate(KEEPER, ("signing",)))[0]
    await house.keys.kill(KEEPER, successor.id)
    for _ in range(200):
        clock.advance(minutes=1)
        assert house.keys.signer().key_id != successor.id
    clock.advance(seconds=house.settings.keys.rotate_every.total_seconds())
    before = house.keys.signer().key_id
    await house.keys.tend(HOUSE)
    clock.advance(minutes=11)
    assert house.keys.signer().key_id != before  # and the schedule goes on


async def test_a_killed_key_is_not_in_the_database_any_more(house: Ostiary) -> None:
    doomed = house.keys.signer().key_id
    await house.keys.kill(KEEPER, doomed)
    rows = await raw(house.database_url, f"SELECT sealed FROM keys WHERE id = '{doomed}'")
    assert [bytes(row[0]) for row in rows] == [b""]


async def test_only_a_living_key_can_be_killed(house: Ostiary) -> None:
    doomed = house.keys.signer().key_id
    await house.keys.kill(KEEPER, doomed)
    for key_id in (doomed, "no-such-key"):
        with pytest.raises(NoSuchKey):
            await house.keys.kill(KEEPER, key_id)


@pytest.mark.parametrize("purpose", [purpose for purpose, kept in KEPT_AFTER_RETIREMENT.items() if kept is None])
async def test_a_key_that_data_depends_on_is_not_killed(open_house: OpenHouse, purpose: str) -> None:
    house = await open_house(work=False, keys={"pepper": True})
    async with client_of(house) as client:
        await register(client)
        needed = next(key.id for key in await house.keys.listed() if key.purpose == purpose)
        with pytest.raises(KeyStillNeeded):
            await house.keys.kill(KEEPER, needed)
        await login(client)  # all is as it was


async def test_a_failed_kill_changes_nothing(house: Ostiary) -> None:
    signer = house.keys.signer().key_id

    async def fail(_: object) -> None:
        raise ZeroDivisionError

    house.database.flushes.append(fail)
    with pytest.raises(ZeroDivisionError):
        await house.keys.kill(KEEPER, signer)
    house.database.flushes.pop()
    assert house.keys.signer().key_id == signer


async def test_every_purpose_has_a_life(house: Ostiary) -> None:
    assert KEPT_AFTER_RETIREMENT.keys() == PURPOSES.keys()


async def test_the_public_keys_may_be_cached_and_hold_nothing_private(outside: httpx.AsyncClient) -> None:
    answer = await outside.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    for key in answer.json()["keys"]:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys()
        assert {"kid", "kty", "alg", "use"} <= key.keys()


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
@pytest.mark.parametrize("storage", ["sqlite"])
async def test_each_algorithm_signs_and_survives_a_restart(open_house: OpenHouse, algorithm: str) -> None:
    first = await open_house(work=False, keys={"algorithm": algorithm})
    async with client_of(first) as client:
        grant = await register(client)
    second = await open_house(work=False, keys={"algorithm": algorithm})
    async with client_of(second) as client:
        assert await is_signed_in(client, grant)


async def test_no_key_has_an_id_that_a_command_takes_for_an_option(
    house: Ostiary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ostiary key kill -hZ3…` would print its help, and kill nothing."""
    generate = SigningKey.generate
    ids = iter(["-hZ31LqjCF-xFVWL", "-hZ31LqjCF-xFVWM", "hZ31LqjCF-xFVWLx"])
    monkeypatch.setattr(SigningKey, "generate", lambda algorithm: generate(algorithm, next(ids)))

    made = await house.keys.rotate(KEEPER, ("signing",))

    assert [key.id for key in made] == ["hZ31LqjCF-xFVWLx"]
