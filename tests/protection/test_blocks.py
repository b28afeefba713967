"""Networks that are shut out: from what, until when, on every process (R13)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from tests.house import API, PASSWORD, OpenHouse, bearer, client_of, journalled, login, register
from tests.protection.attempts import WRONG, attempt, device_cookie, statuses

from ostiary.core.caller import KEEPER, Caller
from ostiary.core.clock import ManualClock
from ostiary.core.errors import InvalidFields
from ostiary.protection import AddressBlocked
from ostiary.protection.blocks import EVERYWHERE
from ostiary.wiring import Ostiary

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"


async def block(house: Ostiary, network: str, **more: object) -> None:
    found = {"reason": "a test", "lifetime": None} | more
    await house.blocks.add(KEEPER, network, **found)  # type: ignore[arg-type]


async def test_a_blocked_network_gets_nothing_at_all(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await register(outside)
    await block(house, "203.0.113.0/24")

    for answer in (
        await outside.get(f"{API}/me", headers=bearer(mira)),
        await outside.get("/auth/sign-in"),
        await attempt(outside, "mira", PASSWORD),
    ):
        assert answer.status_code == 403
        assert answer.json()["type"].endswith("/address-blocked")
        assert "retry-after" not in answer.headers
    async with client_of(house, ELSEWHERE) as client:
        assert (await client.get(f"{API}/me", headers=bearer(mira))).status_code == 200


async def test_a_block_ends_by_itself_and_says_when(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await block(house, HERE, lifetime=timedelta(minutes=10))

    refused = await outside.get("/auth/sign-in")
    assert (refused.status_code, refused.headers["retry-after"]) == (403, "600")
    clock.advance(minutes=10)
    assert (await outside.get("/auth/sign-in")).status_code == 200


async def test_a_lifted_block_is_over_at_once(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await block(house, HERE)

    assert await house.blocks.remove(KEEPER, HERE)
    assert not await house.blocks.remove(KEEPER, HERE)

    assert (await outside.get("/auth/sign-in")).status_code == 200
    assert (await journalled(house)).count("network.unblocked") == 1


async def test_one_address_of_ipv6_stands_for_its_network_of_64_bits(house: Ostiary) -> None:
    await block(house, "2001:db8:1:2::5")

    async with client_of(house, "2001:db8:1:2:ffff::1") as neighbour, client_of(house, "2001:db8:1:3::5") as other:
        assert (await neighbour.get("/auth/sign-in")).status_code == 403
        assert (await other.get("/auth/sign-in")).status_code == 200


@pytest.mark.parametrize("text", ["::ffff:203.0.113.7", "::ffff:203.0.113.0/120"])
async def test_a_mapped_address_or_network_is_blocked_as_the_ipv4_one_that_it_is(house: Ostiary, text: str) -> None:
    await block(house, text)

    async with client_of(house, HERE) as client:
        assert (await client.get("/auth/sign-in")).status_code == 403


@pytest.mark.parametrize(
    "text", ["", "nowhere", "203.0.113.0/33", "1.2.3", "example.org", "203.0.113.7/24/8", EVERYWHERE, "password 00"]
)
async def test_what_is_no_network_is_refused(house: Ostiary, text: str) -> None:
    with pytest.raises(InvalidFields):
        await block(house, text)


@pytest.mark.parametrize("bars", ["everything", "strangers"])
@pytest.mark.parametrize("text", [EVERYWHERE, f" {EVERYWHERE} ", "password 0011223344556677"])
async def test_what_can_only_ask_for_work_is_never_said_to_be_shut(house: Ostiary, text: str, bars: str) -> None:
    await block(house, EVERYWHERE, bars="unproven")

    with pytest.raises(InvalidFields):
        await block(house, text, bars=bars)

    assert house.blocks.is_stale
    await house.blocks.load()
    assert house.blocks.is_on_guard(HERE), "and the guard is not lifted by it"


async def test_a_block_of_strangers_spares_sessions_and_known_browsers(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    mira = await register(outside)
    known = await device_cookie(outside, "mira")
    await block(house, HERE, bars="strangers")

    assert (await outside.get(f"{API}/me", headers=bearer(mira))).status_code == 200
    assert (await attempt(outside, "mira", PASSWORD, cookie=known)).status_code == 200
    assert (await attempt(outside, "mira", PASSWORD)).status_code == 403
    body = {"username": "nora", "email": "nora@example.org", "password": PASSWORD}
    assert (await outside.post(f"{API}/register", json=body)).status_code == 403
    asked = {"email": "mira@example.org"}
    assert (await outside.post(f"{API}/password-reset/request", json=asked)).status_code == 403
    assert (await journalled(house)).count("attempt.refused") == 3, "refusals leave evidence"


async def test_twenty_failures_in_an_hour_block_the_address_to_strangers_on_every_process(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    one, other = await open_house(), await open_house(work=False)
    async with client_of(one, HERE) as client:
        for number in range(20):
            assert await statuses(client, f"name-{number}", WRONG) == [401]
            clock.advance(seconds=20)

    await other.signals.refresh()
    async with client_of(other, HERE) as client, client_of(other, ELSEWHERE) as neighbour:
        refused = await attempt(client, "mira")
        assert refused.status_code == 403
        assert int(refused.headers["retry-after"]) <= 3600
        assert (await attempt(neighbour, "mira")).status_code == 401
    (found,) = await other.blocks.listed()
    assert (found.network, found.bars) == (f"{HERE}/32", "strangers")


async def test_haste_spares_nobody_the_block(house: Ostiary, clock: ManualClock) -> None:
    """Whoever tries more than his five a minute has failed five times, and is blocked as soon as the patient one."""
    async with client_of(house, HERE) as client:
        for minute in range(4):
            found = await asyncio.gather(*(attempt(client, f"name-{minute}-{number}") for number in range(40)))
            assert sorted(answer.status_code for answer in found) == [401] * 5 + [429] * 35
            clock.advance(minutes=1)

        assert (await attempt(client, "mira")).status_code == 403
    assert "network.blocked" in await journalled(house)


async def test_a_block_by_itself_takes_the_place_of_none_but_one_that_is_over(
    house: Ostiary, clock: ManualClock
) -> None:
    """The twentieth failure may be under way while the keeper shuts the address out for good."""
    caller = Caller(address=HERE)
    await block(house, HERE, lifetime=timedelta(minutes=5))
    await house.attacks.block(caller)
    assert [(found.bars, found.reason) for found in await house.blocks.listed()] == [("everything", "a test")]
    assert await house.alerts.open() == []

    clock.advance(minutes=5)
    await house.attacks.block(caller)
    assert [found.bars for found in await house.blocks.listed()] == ["strangers"]

    await block(house, HERE)
    clock.advance(days=1000)
    await house.attacks.block(caller)
    assert [found.bars for found in await house.blocks.listed()] == ["everything"]


@pytest.mark.parametrize("network", ["203.0.113.0/24", "::ffff:203.0.113.0/120"])
async def test_a_network_on_the_allow_list_is_never_blocked_by_itself(
    open_house: OpenHouse, clock: ManualClock, network: str
) -> None:
    house = await open_house(protection={"never_blocked": [network]})
    async with client_of(house, HERE) as client:
        for number in range(20):
            await attempt(client, f"name-{number}")
            clock.advance(seconds=20)

        assert (await attempt(client, "mira")).status_code == 429  # the limit stays
    assert await house.blocks.listed() == []


async def test_what_the_keeper_has_shut_for_longer_stays_so(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    """A twentieth failure that was under way while the keeper blocked its address must not soften the block."""

    async def fail(hours: int = 1) -> None:
        async with house.database.unit(KEEPER) as unit:
            await house.blocks.put_by_itself(
                unit, HERE, bars="strangers", reason="20 failed logins in an hour", lifetime=timedelta(hours=hours)
            )

    keepers: tuple[dict[str, object], ...] = ({}, {"bars": "strangers"}, {"lifetime": timedelta(minutes=30)})
    for kept in keepers:
        await block(house, HERE, **kept)
        (before,) = await house.blocks.listed()
        await fail()
        assert await house.blocks.listed() == [before]

    clock.advance(minutes=30)  # the last one is over
    await fail()
    await fail(hours=2)
    (now,) = await house.blocks.listed()
    assert (now.bars, now.expires_at) == ("strangers", clock.now() + 2 * 3_600_000)
    assert (await attempt(outside, "mira")).status_code == 403
    assert (await journalled(house)).count("network.blocked") == 5


async def test_another_process_hears_of_a_block_without_being_asked(open_house: OpenHouse) -> None:
    one, other = await open_house(), await open_house(work=False)
    await block(one, HERE)

    async with client_of(other, HERE) as client:
        for _ in range(40):  # nobody asks anything that would make it look; its heart beats twice a second
            if (await client.get("/auth/sign-in")).status_code == 403:
                return
            await asyncio.sleep(0.05)
    pytest.fail("the other process has not heard of it for two seconds")


@pytest.mark.parametrize("storage", ["sqlite"])  # where the next look is exact; PostgreSQL tells within a second
async def test_a_block_of_another_process_counts_for_the_next_who_signs_in(open_house: OpenHouse) -> None:
    """Also where a gate that has looked a moment ago does not stand before it, as in a job or at a socket."""
    one, other = await open_house(work=False), await open_house(work=False)
    stranger = Caller(address=HERE)
    await other.protection.refuse_blocked(stranger, None)  # it has looked

    await block(one, "203.0.113.0/24", bars="strangers")

    with pytest.raises(AddressBlocked):
        await other.protection.refuse_blocked(stranger, None)


async def test_on_guard_strangers_owe_a_proof_of_work_and_others_nothing(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    mira = await register(outside)
    known = await device_cookie(outside, "mira")
    await block(house, EVERYWHERE, bars="unproven", lifetime=timedelta(minutes=15))

    refused = await attempt(outside, "mira", PASSWORD)
    assert refused.status_code == 429
    assert refused.json()["type"].endswith("/proof-of-work-needed")
    assert (await attempt(outside, "nobody", WRONG)).json()["type"] == refused.json()["type"]
    assert (await attempt(outside, "mira", PASSWORD, cookie=known)).status_code == 200
    assert (await outside.get(f"{API}/me", headers=bearer(mira))).status_code == 200


async def test_an_ended_block_is_deleted(house: Ostiary, clock: ManualClock) -> None:
    await block(house, HERE, lifetime=timedelta(minutes=1))
    clock.advance(minutes=2)

    assert await house.blocks.prune() == 1
    assert await house.blocks.prune() == 0


async def test_what_is_blocked_is_journalled_and_the_address_and_the_reason_are_sealed(house: Ostiary) -> None:
    await block(house, HERE, lifetime=timedelta(hours=1))

    (line,) = [line for line in await house.audit.listed() if line.action == "network.blocked"]
    assert not {HERE, "a test"} & set(line.details.values())
    assert line.private == {"network": f"{HERE}/32", "by": "", "reason": "a test"}


async def test_signing_in_again_and_again_is_no_failure(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await register(outside)
    for _ in range(30):
        await login(outside)

    assert await house.blocks.listed() == []
