"""How long a WebSocket may stay open, with a clock that the test turns, over a real server (R41)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import httpx
import uvicorn
from tests.house import API, PASSWORD, bearer, register, run_dry
from tests.integrations.conftest import BuildHouse
from tests.integrations.sockets.chat import app_of
from tests.integrations.sockets.peers import NOT_SIGNED_IN, TRY_LATER, code_of, opened, socket_to, who
from tests.services.ports import free_port

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

AMPLE = {"signed_in_per_minute": 10**6, "anonymous_per_minute": 10**6}


@asynccontextmanager
async def served(house: Ostiary) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the application with WebSockets in this loop; yield a client of it."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app_of(house), port=port, log_level="error", proxy_headers=False))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - as its own run() does
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        await serving


def port_of(client: httpx.AsyncClient) -> int:
    """Return where the application listens."""
    assert client.base_url.port is not None
    return client.base_url.port


async def ticket(client: httpx.AsyncClient, person: dict[str, str]) -> str:
    """Return a ticket."""
    answer = await client.post(f"{API}/socket-tickets", headers=bearer(person))
    assert answer.json()["expires_in"] == 30
    found: str = answer.json()["ticket"]
    return found


async def test_a_socket_outlives_its_token_and_ends_with_the_session_that_nobody_uses(
    build_house: BuildHouse, clock: ManualClock
) -> None:
    house = build_house(protection=AMPLE, sessions={"idle_lifetime": timedelta(hours=2)})
    async with served(house) as client:
        mira = await register(client)
        async with socket_to(port_of(client), bearer=mira["access_token"]) as socket:
            await socket.recv()
            clock.advance(seconds=20 * 60)  # its token has lapsed; the session has not
            await asyncio.sleep(0.2)
            assert (await who(socket))[0] == "mira"
            assert await opened(port_of(client), bearer=mira["access_token"]) == NOT_SIGNED_IN

            answer = await client.post(f"{API}/refresh", json={"refresh_token": mira["refresh_token"]})
            assert answer.status_code == 200
            clock.advance(seconds=110 * 60)  # past the end that was known before the refresh
            await asyncio.sleep(0.2)
            assert (await who(socket))[0] == "mira"

            clock.advance(seconds=11 * 60)
            assert await code_of(socket, 1.0) == NOT_SIGNED_IN
        assert len(house.sockets) == 0


async def test_a_ticket_opens_a_socket_for_half_a_minute(build_house: BuildHouse, clock: ManualClock) -> None:
    async with served(build_house(protection=AMPLE)) as client:
        mira = await register(client)
        early, late = await ticket(client, mira), await ticket(client, mira)
        clock.advance(seconds=29)
        assert await opened(port_of(client), f"/echo?ticket={early}") == "mira"
        clock.advance(seconds=2)
        assert await opened(port_of(client), f"/echo?ticket={late}") == NOT_SIGNED_IN


async def test_tickets_are_soon_forgotten_and_are_no_part_of_an_export(
    build_house: BuildHouse, clock: ManualClock
) -> None:
    house = build_house(protection=AMPLE)
    async with served(house) as client:
        mira = await register(client)
        await ticket(client, mira)
        await run_dry(house)  # the letter of a registration, and its link, are made after the answer
        async with house.database.unit() as unit:
            links = (await house.onetime.personal(unit, mira["user"]["id"]))["links"]
        assert [link["purpose"] for link in links] == ["address.prove"]
        clock.advance(seconds=91)
        assert await house.onetime.prune(house.database) == 1


async def test_a_token_in_the_query_counts_where_the_setting_says_so(build_house: BuildHouse) -> None:
    async with served(build_house(sessions={"socket_query_token": True})) as client:
        mira = await register(client)
        shown = f"/echo?access_token={mira['access_token']}"
        assert await opened(port_of(client), shown) == "mira"
        assert await opened(port_of(client), f"{shown}&access_token=other") == NOT_SIGNED_IN
        assert await opened(port_of(client), shown, origin="https://evil.example") == 4003


async def test_an_account_has_so_many_sockets_and_a_closed_one_makes_room(build_house: BuildHouse) -> None:
    house = build_house(protection=AMPLE, sessions={"sockets_per_account": 3})
    async with served(house) as client:
        mira, noor = await register(client), await register(client, "noor")
        async with AsyncExitStack() as stack:
            held = [
                await stack.enter_async_context(socket_to(port_of(client), bearer=mira["access_token"]))
                for _ in range(3)
            ]
            for socket in held:
                await socket.recv()
            assert await opened(port_of(client), bearer=mira["access_token"]) == TRY_LATER
            assert await opened(port_of(client), bearer=noor["access_token"]) == "noor"
            await held[0].close()
            await asyncio.sleep(0.1)
            assert await opened(port_of(client), bearer=mira["access_token"]) == "mira"


async def test_no_socket_stays_open_when_the_file_cannot_be_read(build_house: BuildHouse) -> None:
    house = build_house(protection=AMPLE)
    async with served(house) as client:
        mira = await register(client)
        async with socket_to(port_of(client), bearer=mira["access_token"]) as socket:
            await socket.recv()
            house.database.driver.reader.close()  # type: ignore[attr-defined]  # SQLite's driver has one
            assert await code_of(socket) == TRY_LATER


async def test_a_house_that_closes_signs_nobody_out(build_house: BuildHouse) -> None:
    house = build_house(protection=AMPLE)
    async with served(house) as client:
        mira = await register(client)
        async with socket_to(port_of(client), bearer=mira["access_token"]) as socket:
            await socket.recv()
            await house.sockets.close()
            assert await code_of(socket) == TRY_LATER
        assert await opened(port_of(client), bearer=mira["access_token"]) == "mira"


async def test_a_session_that_ends_while_its_credential_is_looked_at_opens_nothing(build_house: BuildHouse) -> None:
    house = build_house(protection=AMPLE)
    async with served(house) as client:
        mira = await register(client)
        for _ in range(20):
            elsewhere = await client.post(f"{API}/login", json={"login": "mira", "password": "correct horse battery"})
            client.cookies.clear()
            shown = elsewhere.json()
            opening = asyncio.create_task(opened_or_closed(port_of(client), shown["access_token"]))
            ended = await client.post(f"{API}/logout", headers=bearer(shown))
            assert ended.status_code == 200
            assert await opening == NOT_SIGNED_IN
        assert mira
        assert len(house.sockets) == 0


async def opened_or_closed(port: int, token: str) -> int | None:
    """Open a socket and wait until it ends."""
    async with socket_to(port, bearer=token) as socket:
        return await code_of(socket, 2.0)


async def test_that_a_session_has_ended_is_read_once_for_all_of_its_sockets(build_house: BuildHouse) -> None:
    """R41: closing costs no reading of the database for each socket."""
    house = build_house(protection=AMPLE, sessions={"sockets_per_account": 100})
    read: list[str] = []
    costs: list[list[str]] = []
    async with served(house) as client:
        await register(client)
        house.database.driver.reader.set_trace_callback(read.append)  # type: ignore[attr-defined]  # SQLite's driver has one
        for number in (1, 40):
            shown = (await client.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})).json()
            client.cookies.clear()
            async with AsyncExitStack() as stack:
                sockets = [
                    await stack.enter_async_context(socket_to(port_of(client), bearer=shown["access_token"]))
                    for _ in range(number)
                ]
                for socket in sockets:
                    await socket.recv()
                await run_dry(house)  # jobs read, too
                read.clear()
                assert (await client.post(f"{API}/logout", headers=bearer(shown))).status_code == 200
                assert await asyncio.gather(*(code_of(socket) for socket in sockets)) == [NOT_SIGNED_IN] * number
                # The worker looks for jobs by the clock: the longer this takes, the more often.
                costs.append([text for text in read if text.startswith("SELECT") and "outbox" not in text])
    one, many = map(len, costs)
    assert 0 < many <= one + 2, costs  # one look more, if news came in two parts
