"""Routes of an application are guarded by the house's limiter (R10)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from tests.house import OpenHouse, bearer, register
from tests.integrations.hosts import is_problem, started

from ostiary.core.clock import ManualClock
from ostiary.integrations.fastapi import limit, mount
from ostiary.integrations.rates import rate
from ostiary.integrations.starlette import limited
from ostiary.wiring import Ostiary


def shop_of(house: Ostiary) -> FastAPI:
    """Return an application with a limited route of each kind."""
    app = FastAPI()
    mount(app, house)

    @app.post("/reports", dependencies=[limit("3/h", name="reports.make")])
    async def make() -> dict[str, str]:
        return {"made": "yes"}

    @app.get("/search", dependencies=[limit("5/min", per="address", name="search")])
    async def search() -> dict[str, str]:
        return {"found": "it"}

    @app.get("/rare", dependencies=[limit("2/15min", per="route", name="rare")])
    async def rare() -> dict[str, str]:
        return {"rare": "yes"}

    @app.get("/by-hand")
    async def by_hand(request: Request) -> dict[str, Any]:
        account = await limited(request, "1/d", name="by-hand")
        return {"hello": account and account.username}

    return app


async def test_an_account_has_its_budget_and_is_told_what_is_left(open_house: OpenHouse, clock: ManualClock) -> None:
    async with started(shop_of(await open_house())) as client:
        mira, nora = await register(client), await register(client, "nora")

        first = await client.post("/reports", headers=bearer(mira))
        assert (first.status_code, first.headers["ratelimit"]) == (200, '"app.reports.make";r=2;t=3600')
        assert first.headers["ratelimit-policy"] == '"app.reports.make";q=3;w=3600'
        found = [(await client.post("/reports", headers=bearer(mira))).status_code for _ in range(3)]
        assert found == [200, 200, 429]
        clock.advance(minutes=10)
        refused = await client.post("/reports", headers=bearer(mira))
        assert is_problem(refused, 429, "limit-reached")
        assert refused.headers["retry-after"] == "3000"
        assert (await client.post("/reports", headers=bearer(nora))).status_code == 200


async def test_a_stranger_is_asked_who_he_is_before_he_is_counted(open_house: OpenHouse) -> None:
    async with started(shop_of(await open_house())) as client:
        for _ in range(5):
            assert is_problem(await client.post("/reports"), 401, "not-signed-in")


async def test_an_address_has_its_budget(open_house: OpenHouse) -> None:
    async with started(shop_of(await open_house())) as client:
        assert [(await client.get("/search")).status_code for _ in range(6)] == [200] * 5 + [429]


async def test_two_processes_count_together(open_house: OpenHouse) -> None:
    one, other = await open_house(), await open_house(work=False)
    async with started(shop_of(one)) as first, started(shop_of(other)) as second:
        found = [(await client.get("/rare")).status_code for client in (first, second, first, second)]

    assert found == [200, 200, 429, 429]


async def test_in_starlettes_way(open_house: OpenHouse) -> None:
    async with started(shop_of(await open_house())) as client:
        mira = await register(client)

        assert (await client.get("/by-hand", headers=bearer(mira))).json() == {"hello": "mira"}
        assert (await client.get("/by-hand", headers=bearer(mira))).status_code == 429


@pytest.mark.parametrize("text", ["", "10", "10/", "/h", "0/h", "10/w", "-1/h", "1.5/h", "10 / h", "10/h\n", "10/0min"])
def test_what_is_no_rate_is_refused_where_it_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        limit(text, name="reports")


@pytest.mark.parametrize("name", ["", "Reports", "a b", "../x", "a" * 41, "login.name!"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        limit("10/h", name=name)


def test_an_applications_limit_cannot_be_one_of_the_houses() -> None:
    assert rate("10/h", per="account", name="login.name").name == "app.login.name"


async def test_without_valkey_counters_go_on(open_house: OpenHouse, valkey_url: str) -> None:
    house = await open_house(protection={"counters": "valkey"}, storage={"valkey": valkey_url + "9"})
    async with started(shop_of(house)) as client:
        assert [(await client.get("/search")).status_code for _ in range(6)] == [200] * 5 + [429]


async def test_httpx_sees_one_ratelimit_of_each_policy(open_house: OpenHouse) -> None:
    async with started(shop_of(await open_house())) as client:
        answer: httpx.Response = await client.get("/search")

    assert answer.headers.get_list("ratelimit") == ['"app.search";r=4;t=60']
