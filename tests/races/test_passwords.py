"""Hazard: a password changes while people sign in with it."""

from __future__ import annotations

from collections.abc import Callable

from tests.house import NEW_PASSWORD, PASSWORD
from tests.races.peers import Peers, SignedIn, login, refresh, register
from tests.races.wire import Switchboard, at_once, statuses

VISITORS = 50


async def test_no_session_started_with_the_old_password_survives_its_change(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports, VISITORS // 2)
    (desk,) = await switchboard.lines(peers.ports[:1])
    mira = await register(desk, name())
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}

    changed, *visits = await at_once(
        [
            desk.post("/password/change", change, bearer=mira.access),
            *(line.post("/login", {"login": mira.name, "password": PASSWORD}) for line in lines),
        ]
    )

    assert changed.status == 200
    assert set(statuses(visits)) <= {200, 401}
    let_in = [SignedIn.of(visit) for visit in visits if visit.status == 200]
    for held in let_in:
        seen = await at_once(line.get("/me", bearer=held.access) for line in lines[:2])
        again = await refresh(lines[0], held.refresh)
        assert statuses([*seen, again]) == {401: 3}
    assert (await desk.get("/me", bearer=mira.access)).status == 200
    assert (await login(desk, mira.name, NEW_PASSWORD)).account_id == mira.account_id


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
        seen = await at_once(line.get("/me", bearer=device.access) for line, device in zip(lines, devices, strict=True))
        assert statuses(seen)[200] <= 1
