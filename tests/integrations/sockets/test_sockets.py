"""WebSockets of an application, over real servers: who may open one, and how each ends (R41)."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from tests.house import API
from tests.integrations.sockets.peers import (
    NOT_ALLOWED,
    NOT_SIGNED_IN,
    SocketPeers,
    Stubborn,
    code_of,
    opened,
    socket_to,
    who,
)
from tests.races.peers import SignedIn, key_of, login, refresh, register
from tests.races.wire import Line, Switchboard, at_once
from websockets.asyncio.client import ClientConnection

Lines = list[Line]
WITHIN = 1.0
"""Seconds on a busy machine; what is promised, 100 ms, is measured on a quiet one, in test_within_100_ms.py."""


@pytest.fixture
async def lines(peers: SocketPeers, switchboard: Switchboard) -> Lines:
    """A line to each process."""
    return await switchboard.lines(peers.ports, 2)


@pytest.fixture
async def mira(lines: Lines, name: Callable[[], str]) -> SignedIn:
    """Somebody who is signed in."""
    return await register(lines[0], name())


async def ticket_for(line: Line, person: SignedIn) -> str:
    """Return a ticket of a person's session."""
    reply = await line.post("/socket-tickets", bearer=person.access)
    assert reply.status == 200, reply.body
    found: str = reply.json()["ticket"]
    return found


async def heard_by(port: int) -> list[str]:
    """Return what the application's own code has got to see."""
    async with httpx.AsyncClient() as client:
        found: list[str] = (await client.get(f"http://127.0.0.1:{port}/heard")).json()["heard"]
        return found


class TestWhoOpensOne:
    async def test_each_way_to_prove_it_opens_a_socket_on_both_servers(
        self, peers: SocketPeers, lines: Lines, mira: SignedIn
    ) -> None:
        for port in peers.ports:
            ticket, second = await ticket_for(lines[0], mira), await ticket_for(lines[1], mira)
            assert await opened(port, cookie=mira.access) == mira.name
            assert await opened(port, bearer=mira.access, origin=None) == mira.name
            assert await opened(port, protocols=["ostiary", f"ostiary.bearer.{mira.access}"]) == mira.name
            assert await opened(port, protocols=["ostiary", f"ostiary.ticket.{ticket}"]) == mira.name
            assert await opened(port, f"/echo?ticket={second}") == mira.name

    async def test_nobody_opens_one_with_what_proves_nothing(
        self, peers: SocketPeers, lines: Lines, mira: SignedIn
    ) -> None:
        used = await ticket_for(lines[0], mira)
        await opened(peers.ports[1], f"/echo?ticket={used}")
        for port in peers.ports:
            for shown in (
                {}, {"cookie": "nonsense"}, {"bearer": mira.refresh}, {"bearer": mira.access[:-4] + "AAAA"},
                {"path": f"/echo?ticket={used}"}, {"path": "/echo?ticket="}, {"protocols": [f"ostiary.ticket.{used}"]},
                {"path": f"/echo?access_token={mira.access}"},  # a token in a URL is in somebody's log
                {"cookie": mira.access, "origin": None},  # whoever sends a cookie says whose page it is
                {"cookie": mira.access, "bearer": "nonsense"},  # a broken token is not made good by a cookie
                {"protocols": ["ostiary", "ostiary.bearer."]},
            ):  # fmt: skip
                assert await opened(port, **shown) == NOT_SIGNED_IN, shown

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
    async def test_a_page_of_another_site_opens_none_whatever_it_shows(
        self, peers: SocketPeers, lines: Lines, mira: SignedIn, origin: str
    ) -> None:
        ticket = await ticket_for(lines[0], mira)
        for port in peers.ports:
            assert await opened(port, cookie=mira.access, origin=origin) == NOT_ALLOWED
            assert await opened(port, bearer=mira.access, origin=origin) == NOT_ALLOWED
            assert await opened(port, f"/echo?ticket={ticket}", origin=origin) == NOT_ALLOWED
        assert await opened(peers.ports[0], f"/echo?ticket={ticket}") == mira.name  # it was not used up for that

    async def test_of_many_sockets_at_once_a_ticket_opens_one(
        self, peers: SocketPeers, lines: Lines, mira: SignedIn
    ) -> None:
        for _ in range(3):
            ticket = await ticket_for(lines[0], mira)
            found = await at_once(opened(peers.ports[number % 2], f"/echo?ticket={ticket}") for number in range(40))
            assert Counter(found) == {mira.name: 1, NOT_SIGNED_IN: 39}

    async def test_a_ticket_of_an_ended_session_opens_none(
        self, peers: SocketPeers, lines: Lines, mira: SignedIn
    ) -> None:
        ticket = await ticket_for(lines[0], mira)
        await lines[1].post("/logout", bearer=mira.access)
        assert [await opened(port, f"/echo?ticket={ticket}") for port in peers.ports] == [NOT_SIGNED_IN] * 2

    async def test_a_ticket_opens_nothing_but_a_socket(self, lines: Lines, mira: SignedIn) -> None:
        ticket = await ticket_for(lines[0], mira)
        assert (await lines[0].get("/me", bearer=ticket)).status == 401
        assert (await lines[0].post("/email/verify", {"token": ticket})).status == 401

    async def test_the_credential_is_not_repeated_nor_shown_to_the_application(
        self, peers: SocketPeers, mira: SignedIn
    ) -> None:
        secret = f"ostiary.bearer.{mira.access}"
        for port in peers.ports:
            async with socket_to(port, protocols=["ostiary", secret]) as socket:
                assert socket.subprotocol == "ostiary"
            async with socket_to(port, "/spoken", protocols=["chat.v1", "ostiary", secret]) as socket:
                assert socket.subprotocol == "chat.v1"
                username, protocols, headers = json.loads(await socket.recv())
                assert (username, protocols) == (mira.name, ["chat.v1"])
                assert mira.access not in headers
            async with socket_to(port, protocols=["chat.v1", "ostiary.bearer.nonsense"]) as socket:
                assert socket.subprotocol == "chat.v1"  # refused; a browser learns of the code by that
                assert await code_of(socket) == NOT_SIGNED_IN

    async def test_what_asks_for_nobody_is_left_alone(self, peers: SocketPeers) -> None:
        for port in peers.ports:
            assert await opened(port, "/anybody", origin="https://evil.example", protocols=["v1"]) == '["v1"]'

    async def test_a_permission_is_asked_for_as_elsewhere_and_counts_at_once(
        self, peers: SocketPeers, mira: SignedIn
    ) -> None:
        async with socket_to(peers.ports[1], bearer=mira.access) as socket:
            await socket.recv()
            assert await opened(peers.ports[0], "/lenders", bearer=mira.access) == NOT_ALLOWED
            await peers.command("user", "permit", mira.name, "books:lend")
            await becomes_true(lambda: has(socket, "books:lend"))
        assert await opened(peers.ports[0], "/lenders", bearer=mira.access) == "lender"


async def has(socket: ClientConnection, permission: str) -> bool:
    """Return whether the account behind an open socket has a permission."""
    return permission in (await who(socket))[1]


async def becomes_true(look: Callable[[], Awaitable[bool]], within: float = WITHIN) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within):
        while not await look():  # noqa: ASYNC110 - it is another process that is waited for
            await asyncio.sleep(0.02)


ENDINGS: dict[str, Callable[[SocketPeers, Line, SignedIn], Awaitable[object]]] = {
    "signed out": lambda _, line, person: line.post("/logout", bearer=person.access),
    "ended by its owner": lambda _, line, person: line.ask(
        "DELETE", f"{API}/sessions/{person.session_id}", bearer=person.access
    ),
    "revoked by the keeper": lambda peers, _, person: peers.command("session", "revoke", person.session_id),
    "deactivated": lambda peers, _, person: peers.command("user", "deactivate", person.name),
    "erased": lambda peers, _, person: peers.command("user", "erase", "--yes", "--now", person.name),
    "its key killed": lambda peers, _, person: peers.command("key", "kill", "--yes", key_of(person.access)),
}


class TestHowItEnds:
    @pytest.mark.parametrize("how", ENDINGS)
    async def test_with_the_session_on_both_processes(
        self, peers: SocketPeers, lines: Lines, mira: SignedIn, name: Callable[[], str], how: str
    ) -> None:
        async with AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(socket_to(port, path, bearer=mira.access))
                for port in peers.ports
                for path in ("/echo", "/deaf")
            ]
            for socket in sockets:
                await socket.recv()
            await ENDINGS[how](peers, lines[0], mira)
            begun = time.monotonic()
            codes = await at_once(code_of(socket, WITHIN) for socket in sockets)
            assert time.monotonic() - begun < WITHIN
        assert codes == [NOT_SIGNED_IN] * 4

    async def test_others_stay_open(self, peers: SocketPeers, lines: Lines, mira: SignedIn) -> None:
        elsewhere = await login(lines[1], mira.name)
        async with socket_to(peers.ports[0], bearer=elsewhere.access) as stays:
            await stays.recv()
            await lines[1].post("/logout", bearer=mira.access)
            await becomes_true(lambda: is_refused(peers.ports[0], mira))
            assert (await who(stays))[2] == elsewhere.session_id

    async def test_refreshing_and_rotating_keys_close_nothing(
        self, peers: SocketPeers, lines: Lines, mira: SignedIn
    ) -> None:
        async with socket_to(peers.ports[0], bearer=mira.access) as socket:
            await socket.recv()
            assert (await refresh(lines[1], mira.refresh)).status == 200
            await peers.command("key", "rotate")
            await asyncio.sleep(0.3)
            assert (await who(socket))[2] == mira.session_id

    async def test_a_client_that_ignores_the_end_gets_nothing_through(
        self, peers: SocketPeers, lines: Lines, mira: SignedIn
    ) -> None:
        for port in peers.ports:
            person = await login(lines[0], mira.name)
            client = await Stubborn.at(port, person.access)
            await client.say(f"before {port}")
            await becomes_true(lambda port=port: was_heard(port, f"before {port}"), within=20)  # type: ignore[misc]
            await lines[0].post("/logout", bearer=person.access)
            await client.is_told_to_close()
            for _ in range(5):
                with_luck = client.say(f"after {port}")
                await asyncio.gather(with_luck, return_exceptions=True)
                await asyncio.sleep(0.02)
            assert f"after {port}" not in await heard_by(port)
            client.close()


async def is_refused(port: int, person: SignedIn) -> bool:
    """Return whether a person's token opens no socket any more."""
    return await opened(port, bearer=person.access) == NOT_SIGNED_IN


async def was_heard(port: int, text: str) -> bool:
    """Return whether the application has got to see something."""
    return text in await heard_by(port)


class TestProvingItAnew:
    async def test_a_socket_goes_on_by_another_session_of_the_same_person(
        self, peers: SocketPeers, lines: Lines, mira: SignedIn
    ) -> None:
        for port, by_ticket in zip(peers.ports, (True, False), strict=True):
            first, second = await login(lines[0], mira.name), await login(lines[1], mira.name)
            async with socket_to(port, bearer=first.access) as socket:
                await socket.recv()
                await socket.send(f"again {await ticket_for(lines[1], second) if by_ticket else second.access}")
                assert await socket.recv() == second.session_id
                await lines[0].post("/logout", bearer=first.access)
                await asyncio.sleep(0.2)
                assert (await who(socket))[2] == second.session_id
                await lines[0].post("/logout", bearer=second.access)
                assert await code_of(socket, WITHIN) == NOT_SIGNED_IN

    async def test_it_never_changes_hands(
        self, peers: SocketPeers, lines: Lines, mira: SignedIn, name: Callable[[], str]
    ) -> None:
        noor = await register(lines[1], name())
        async with socket_to(peers.ports[0], bearer=mira.access) as socket:
            await socket.recv()
            for shown in (noor.access, await ticket_for(lines[1], noor), mira.refresh, "nonsense", "x.y.z"):
                await socket.send(f"again {shown}")
                assert await socket.recv() == "refused", shown
            assert (await who(socket))[2] == mira.session_id


async def test_tickets_need_somebody_who_is_signed_in(lines: Lines, mira: SignedIn) -> None:
    assert (await lines[0].post("/socket-tickets")).status == 401
    async with httpx.AsyncClient(base_url=f"http://localhost:{lines[0].port}") as client:
        forged = await client.post(
            f"{API}/socket-tickets",
            headers={"Cookie": f"__Host-access_token={mira.access}", "Origin": "https://evil.example"},
        )
    assert forged.status_code == 403
