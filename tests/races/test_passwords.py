"""Hazard: a password changes while people sign in with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.house import NEW_PASSWORD, PASSWORD
from tests.races.peers import Peers, SignedIn, login, refresh, register
from tests.races.wire import Line, Switchboard, at_once, statuses

VISITORS = 50
ROUNDS = 3


async def test_no_session_started_with_the_old_password_survives_its_change(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports, VISITORS // 2)
    (desk,) = await switchboard.lines(peers.ports[:1])
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    for _ in range(ROUNDS):
        mira = await register(desk, name())
        let_in: list[SignedIn] = []
        is_changed = asyncio.Event()
        visits = [asyncio.create_task(_sign_in_until_refused(line, mira.name, let_in, is_changed)) for line in lines]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(30):
            while not let_in:  # noqa: ASYNC110 - a slow machine lets nobody in so soon
                await asyncio.sleep(0.01)

        assert (await desk.post("/password/change", change, bearer=mira.access)).status == 200
        is_changed.set()
        await at_once(visits)

        assert len(let_in) > 0
        for held in let_in:
            seen = await at_once(line.get("/me", bearer=held.access) for line in lines[:2])
            assert statuses([*seen, await refresh(desk, held.refresh)]) == {401: 3}
        assert (await desk.get("/me", bearer=mira.access)).status == 200
        assert (await login(desk, mira.name, NEW_PASSWORD)).account_id == mira.account_id


async def _sign_in_until_refused(line: Line, name: str, let_in: list[SignedIn], is_changed: asyncio.Event) -> None:
    """Sign in with the old password again and again; once its change is acknowledged, never with success."""
    is_late = False
    while (reply := await line.post("/login", {"login": name, "password": PASSWORD})).status == 200:
        assert not is_late
        let_in.append(SignedIn.of(reply))
        is_late = is_changed.is_set()
    assert reply.status == 401


async def test_of_many_changes_of_one_password_at_once_one_wins(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports, 2)
    mira = await register(lines[0], name())
    devices = [await login(line, mira.name) for line in lines]
    wanted = [f"{NEW_PASSWORD} {number}" for number in range(len(lines))]

    answers = await at_once(
        line.post("/password/change", {"current_password": PASSWORD, "new_password": new}, bearer=device.access)
        for line, new, device in zip(lines, wanted, devices, strict=True)
    )

    assert statuses(answers) == {200: 1, 401: len(lines) - 1}
    winner = next(i for i, answer in enumerate(answers) if answer.status == 200)
    tried = await at_once(
        line.post("/login", {"login": mira.name, "password": new}) for line, new in zip(lines, wanted, strict=True)
    )
    assert [answer.status == 200 for answer in tried] == [i == winner for i in range(len(lines))]
    assert (await lines[0].get("/me", bearer=devices[winner].access)).status == 200


async def test_a_session_that_revokes_all_others_while_they_do_the_same_ends_in_one_or_none(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports, 6)
    for _ in range(3):
        mira = await register(lines[0], name())
        devices = [mira, *[await login(line, mira.name) for line in lines[1:]]]

        answers = await at_once(
            line.post("/sessions/revoke-others", bearer=device.access)
            for line, device in zip(lines, devices, strict=True)
        )

        assert set(statuses(answers)) <= {200, 401}
        assert statuses(answers)[200] >= 1
        async with asyncio.timeout(1):  # another process hears of it within 0.2 s (T13)
            while True:
                seen = await at_once(
                    line.get("/me", bearer=device.access) for line, device in zip(lines, devices, strict=True)
                )
                if statuses(seen)[200] <= 1:
                    break
