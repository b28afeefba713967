"""The broad traffic limits: in memory, shared out among processes, said in every answer (R10)."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from tests.house import API, PASSWORD, OpenHouse, bearer, client_of, register

from ostiary.core.clock import ManualClock
from ostiary.core.limits import Limit
from ostiary.web import traffic
from ostiary.wiring import Ostiary

FEW = {"anonymous_per_minute": 100, "signed_in_per_minute": 30}


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    opened: Ostiary = await open_house(protection=FEW)
    return opened


async def test_a_hundred_requests_a_minute_without_a_credential(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    found = [(await outside.get("/auth/sign-in")).status_code for _ in range(101)]

    assert found == [200] * 100 + [429]
    async with client_of(house, "198.51.100.4") as neighbour:
        assert (await neighbour.get("/auth/sign-in")).status_code == 200
    clock.advance(minutes=1)
    assert (await outside.get("/auth/sign-in")).status_code == 200


async def test_every_answer_says_what_is_left(outside: httpx.AsyncClient, clock: ManualClock) -> None:
    mira = await register(outside)
    clock.advance(seconds=20)

    strange = await outside.get("/auth/sign-in")
    known = await outside.get(f"{API}/me", headers=bearer(mira))

    assert strange.headers["ratelimit-policy"] == '"anonymous";q=100;w=60'
    assert strange.headers["ratelimit"] == '"anonymous";r=98;t=40'
    assert known.headers["ratelimit-policy"] == '"signed-in";q=30;w=60'
    assert known.headers["ratelimit"] == '"signed-in";r=29;t=60'


async def test_an_account_has_its_own_budget_wherever_it_calls_from(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira, nora = await register(outside), await register(outside, "nora")

    async def ask(who: dict[str, object], address: str) -> httpx.Response:
        async with client_of(house, address) as client:
            return await client.get(f"{API}/me", headers=bearer(who))

    found = [(await ask(mira, f"198.51.100.{number}")).status_code for number in range(31)]
    assert found == [200] * 30 + [429]
    refused = await ask(mira, "198.51.100.99")
    assert refused.headers["retry-after"] == "60"
    assert refused.headers["ratelimit"] == '"signed-in";r=0;t=60'
    assert (await ask(nora, "198.51.100.1")).status_code == 200


async def test_a_noisy_stranger_does_not_use_up_what_his_neighbours_sign_in_with(outside: httpx.AsyncClient) -> None:
    mira = await register(outside)
    for _ in range(120):
        await outside.get("/auth/sign-in")

    assert (await outside.get("/auth/sign-in")).status_code == 429
    assert (await outside.get(f"{API}/me", headers=bearer(mira))).status_code == 200
    refreshed = await outside.post(f"{API}/refresh", json={"refresh_token": mira["refresh_token"]})
    assert refreshed.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"authorization": "Bearer nonsense"}, {"authorization": "Basic eDp5"}, {"cookie": "__Host-access_token=x"}],
)
async def test_a_made_up_credential_is_counted_as_none(outside: httpx.AsyncClient, headers: dict[str, str]) -> None:
    found = [(await outside.get("/auth/sign-in", headers=headers)).status_code for _ in range(102)]

    assert found[:100] == [200] * 100
    assert found[-1] == 429


def test_addresses_made_up_by_the_thousand_do_not_fill_the_memory(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "MOST_COUNTED", 100)
    meter = traffic.Meter(Limit("test.crowd", 5, timedelta(minutes=1)), clock)

    for number in range(1_050):
        meter.count(f"2001:db8:0:{number:x}::/64")

    assert len(meter) == 50


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/.well-known/jwks.json"])
async def test_what_machines_ask_for_is_not_counted(outside: httpx.AsyncClient, path: str) -> None:
    for _ in range(120):
        answer = await outside.get(path)
        assert answer.status_code == 200
    assert "ratelimit" not in answer.headers


async def test_processes_share_the_number_out_among_them(open_house: OpenHouse, clock: ManualClock) -> None:
    houses = [await open_house(protection=FEW) for _ in range(3)]
    for house in houses:
        await house.presence.beat()

    async def allowed(house: Ostiary) -> int:
        async with client_of(house) as client:
            return [(await client.get("/auth/sign-in")).status_code for _ in range(60)].count(200)

    assert [await allowed(house) for house in houses] == [34, 34, 34]  # a hundred, rounded up for each

    await houses[2].close()
    clock.advance(minutes=1)
    for house in houses[:2] * 2:
        await house.presence.beat()
    assert [await allowed(house) for house in houses[:2]] == [50, 50]


async def test_a_process_that_was_killed_is_missed_after_half_a_minute(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    houses = [await open_house(protection=FEW) for _ in range(2)]
    assert await houses[1].presence.beat() == 2

    clock.advance(seconds=31)  # nothing was heard of the first

    assert await houses[1].presence.beat() == 1


async def test_the_hot_path_counts_without_a_driver_call(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house: Ostiary = await open_house(protection=FEW, work=False)  # a queue at work would ask, too

    def none(*_: object) -> None:
        pytest.fail("a counted request asked the driver")

    async with client_of(house) as outside:
        mira = await register(outside)
        await outside.get(f"{API}/me", headers=bearer(mira))
        with monkeypatch.context() as watched:
            watched.setattr(type(house.database.driver), "transaction", none)
            watched.setattr(type(house.database), "all", none)
            assert (await outside.get(f"{API}/me", headers=bearer(mira))).status_code == 200


async def test_an_office_behind_one_address_can_work(outside: httpx.AsyncClient) -> None:
    people = [await register(outside, f"person-{number}") for number in range(5)]

    for _ in range(25):
        for person in people:
            assert (await outside.get(f"{API}/me", headers=bearer(person))).status_code == 200


async def test_nobody_is_signed_in_by_a_login_that_is_over_the_limit(outside: httpx.AsyncClient) -> None:
    await register(outside)
    for _ in range(100):
        await outside.get("/auth/sign-in")

    answer = await outside.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})
    assert answer.status_code == 429
    assert "set-cookie" not in answer.headers
