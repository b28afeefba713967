"""Hazard: many people become somebody at the same moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.races.fixtures import NewPeers
from tests.races.peers import Peers, application, login, register
from tests.races.wire import Switchboard, at_once, statuses

CROWD = 50


@pytest.mark.parametrize("processes", [1, 2])
async def test_of_many_registrations_of_one_name_one_succeeds(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str], processes: int
) -> None:
    lines = await switchboard.lines(peers.ports[:processes], 12 // processes)
    for _ in range(4):
        wanted = name()
        # Each with an address of its own, and in its own spelling: names are one name in every case.
        forms = [
            application(wanted if i % 2 else wanted.upper(), email=f"{wanted}.{i}@example.org")
            for i in range(len(lines))
        ]

        answers = await at_once(line.post("/register", form) for line, form in zip(lines, forms, strict=True))

        assert statuses(answers) == {201: 1, 409: len(lines) - 1}
        winner = next(form for form, answer in zip(forms, answers, strict=True) if answer.status == 201)
        assert (await login(lines[-1], wanted)).name == winner["username"]


@pytest.mark.parametrize("processes", [1, 2])
async def test_fifty_people_who_register_at_once_all_succeed(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str], processes: int
) -> None:
    lines = await switchboard.lines(peers.ports[:processes], CROWD // processes)
    names = [name() for _ in lines]

    answers = await at_once(
        line.post("/register", application(wanted)) for line, wanted in zip(lines, names, strict=True)
    )

    assert statuses(answers) == {201: CROWD}
    found = await at_once(login(line, wanted) for line, wanted in zip(lines, reversed(names), strict=True))
    assert {person.name for person in found} == set(names)


async def test_three_processes_that_start_at_once_on_an_empty_database_agree_on_everything(
    new_peers: NewPeers, switchboard: Switchboard
) -> None:
    peers = new_peers()
    peers.start(3)  # one makes the tables, the root secret and the first keys; the others find them

    lines = await switchboard.lines(peers.ports)
    for here, there, wanted in zip(lines, lines[1:] + lines[:1], ("mira", "noor", "otto"), strict=True):
        person = await register(here, wanted)
        assert (await there.get("/me", bearer=person.access)).status == 200
        assert (await there.post("/refresh", {"refresh_token": person.refresh})).status == 200
    jwks = await at_once(line.ask("GET", "/.well-known/jwks.json") for line in lines)
    assert len({answer.body for answer in jwks}) == 1
    assert peers.alarms() == []
