"""Keepers give and take what they have themselves, by whatever way it takes effect; and one of them is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from tests.attacks.raw import contents
from tests.house import OpenHouse, bearer, client_of, login
from tests.roles.steps import (
    ADMIN,
    EVERYTHING,
    LEND,
    OPERATOR,
    READ,
    WRITE,
    details,
    hand_of,
    may,
    person,
    role,
    slug,
)

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.errors import Problem
from ostiary.roles import BeyondOwnPermissions, Change, LastKeeper
from ostiary.sessions import NotSignedIn
from ostiary.testing import people
from ostiary.web.standing import NotPermitted
from ostiary.wiring import Ostiary

SQLITE = pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
UNCHANGED = frozenset({"journal", "journal_strands", "sessions", "signals"})


async def test_a_keeper_keeps_roles_by_the_api(house: Ostiary, outside: httpx.AsyncClient) -> None:
    noor, mira = await person(house, "noor", LEND, READ, WRITE), await person(house, "mira")
    by: dict[str, Any] = {"headers": noor.headers}

    made = await outside.post(
        f"{ADMIN}/roles", json={"role": "porter", "description": "<b>At</b> night", "permissions": [LEND]}, **by
    )
    assert (made.status_code, made.json()["permissions"], made.json()["description"]) == (200, [LEND], "At night")
    assert (await outside.get(f"{ADMIN}/roles/porter", **by)).json() == made.json()
    assert (await outside.get(f"{ADMIN}/roles", **by)).json() == {"roles": [made.json()], "next": None}
    assert (await outside.get(f"{ADMIN}/roles?most=1", **by)).json()["next"] == "porter"
    assert (await outside.get(f"{ADMIN}/roles?after=porter", **by)).json()["roles"] == []
    known = (await outside.get(f"{ADMIN}/permissions", **by)).json()["permissions"]
    assert [one["permission"] for one in known] == list(EVERYTHING)

    given = await outside.post(f"{ADMIN}/accounts/{mira.id}/roles", json={"role": "porter"}, **by)
    assert given.json()["permissions"] == [LEND]
    assert [one["role"] for one in given.json()["roles"]] == ["porter"]
    assert (await outside.get(f"{ADMIN}/rights?username=MIRA", **by)).json() == given.json()
    assert (await outside.get(f"{ADMIN}/accounts/{mira.id}/rights", **by)).json() == given.json()
    (holder,) = (await outside.get(f"{ADMIN}/roles/porter/holders", **by)).json()["holders"]
    assert (holder["account_id"], holder["username"], holder["status"]) == (mira.id, "mira", "active")
    assert await may(house, mira) == (LEND,)

    changed = await outside.patch(f"{ADMIN}/roles/porter", json={"permit": [READ], "forbid": [LEND]}, **by)
    assert changed.json()["permissions"] == [READ]
    assert changed.json()["description"] == "At night"
    direct = await outside.post(f"{ADMIN}/accounts/{mira.id}/permissions", json={"permission": LEND}, **by)
    assert (direct.json()["direct"], direct.json()["permissions"]) == ([LEND], [LEND, READ])
    taken = await outside.delete(f"{ADMIN}/accounts/{mira.id}/permissions/{LEND}", **by)
    assert taken.json()["permissions"] == [READ]
    assert (await outside.delete(f"{ADMIN}/accounts/{mira.id}/roles/porter", **by)).json()["permissions"] == []
    gone = await outside.delete(f"{ADMIN}/roles/porter", **by)
    assert gone.json()["detail"] == "The role is deleted; 0 accounts held it."
    assert slug(await outside.get(f"{ADMIN}/roles/porter", **by)) == "no-such-role"


@SQLITE
async def test_a_name_that_is_anothers_id_leads_to_nobody_elses_account(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """Rights are given by id, and found by name: whoever chose a victim's id for a name is found by it alone."""
    noor, mira = await person(house, "noor", READ), await person(house, "mira")

    for asked in (mira.id, mira.email, "nobody"):
        answer = await outside.get(f"{ADMIN}/rights", params={"username": asked}, headers=noor.headers)
        assert slug(answer) == "no-such-account"
    answer = await outside.get(f"{ADMIN}/accounts/{'mira':A<22}/rights", headers=noor.headers)
    assert slug(answer) == "no-such-account"


# No more than one's own (delegated administration: per effect, not per route)

Act = Callable[[httpx.AsyncClient, dict[str, str], str], Awaitable[httpx.Response]]
BEYOND: dict[str, Act] = {
    "a role is made of it": lambda client, by, _: client.post(
        f"{ADMIN}/roles", json={"role": "new", "permissions": [LEND, "books:burn"]}, headers=by
    ),
    "it is put into a role": lambda client, by, _: client.patch(
        f"{ADMIN}/roles/porter", json={"permit": ["books:burn"]}, headers=by
    ),
    "a role that holds it is changed": lambda client, by, _: client.patch(
        f"{ADMIN}/roles/burner", json={"permit": [LEND]}, headers=by
    ),
    "a role that holds it is described": lambda client, by, _: client.patch(
        f"{ADMIN}/roles/burner", json={"description": "harmless"}, headers=by
    ),
    "it is taken out of a role": lambda client, by, _: client.patch(
        f"{ADMIN}/roles/burner", json={"forbid": ["books:burn"]}, headers=by
    ),
    "a role that holds it is deleted": lambda client, by, _: client.delete(f"{ADMIN}/roles/burner", headers=by),
    "a role that holds it is granted": lambda client, by, mira: client.post(
        f"{ADMIN}/accounts/{mira}/roles", json={"role": "burner"}, headers=by
    ),
    "a role that holds it is taken back": lambda client, by, mira: client.delete(
        f"{ADMIN}/accounts/{mira}/roles/burner", headers=by
    ),
    "it is given directly": lambda client, by, mira: client.post(
        f"{ADMIN}/accounts/{mira}/permissions", json={"permission": "books:burn"}, headers=by
    ),
    "it is taken back directly": lambda client, by, mira: client.delete(
        f"{ADMIN}/accounts/{mira}/permissions/books:burn", headers=by
    ),
}


@SQLITE
async def test_nobody_gives_or_takes_what_they_have_not(house: Ostiary, outside: httpx.AsyncClient) -> None:
    noor, mira = await person(house, "noor", LEND, READ, WRITE), await person(house, "mira", "books:burn")
    await role(house, "porter", [LEND], noor)
    await role(house, "burner", ["books:burn"], mira)
    narrow = await people.api_key(
        house, "noor", scopes=[WRITE], permissions=(), networks=["203.0.113.7"], lifetime=None, machine=False
    )
    before = await contents(house, without=UNCHANGED)

    for what, act in BEYOND.items():
        for account in (mira.id, noor.id):  # nor to themselves
            assert slug(await act(outside, noor.headers, account)) == "beyond-own-permissions", what
    answer = await outside.patch(f"{ADMIN}/roles/porter", json={"permit": [READ]}, headers=narrow.headers)
    assert slug(answer) == "beyond-own-permissions"  # the owner may, and the key was not made for it
    assert await contents(house, without=UNCHANGED) == before

    refused = await details(house, "role.refused")
    assert len(refused) == 2 * len(BEYOND) + 1
    assert {"account": noor.id, "reason": "beyond-own", "permissions": ["books:burn"]} in refused
    # With it, each of them is done.
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.permit(unit, noor.id, "books:burn")
    for what, act in BEYOND.items():
        if what != "a role that holds it is deleted":
            assert (await act(outside, noor.headers, mira.id)).status_code == 200, what
    assert (await outside.delete(f"{ADMIN}/roles/burner", headers=noor.headers)).status_code == 200


@SQLITE
async def test_what_the_door_saw_is_looked_at_again_where_it_counts(house: Ostiary) -> None:
    """Between the door and the deed a keeper may lose the right, the session or the account (D13)."""
    mira = await person(house, "mira")
    await role(house, "porter", [LEND])

    async def refuses(lose: Callable[[people.SignedIn], Awaitable[object]], kind: type[Problem], name: str) -> None:
        noor = await person(house, name, LEND, WRITE)
        await lose(noor)
        for act in (
            house.roles.grant(hand_of(noor), "porter", mira.id), house.roles.permit(hand_of(noor), mira.id, LEND),
            house.roles.add(hand_of(noor), "new", "", [LEND]), house.roles.remove(hand_of(noor), "porter"),
        ):  # fmt: skip
            with pytest.raises(kind):
                await act

    async def deactivate(noor: people.SignedIn) -> None:
        async with house.database.unit(KEEPER) as unit:
            await house.accounts.set_status(unit, noor.id, "active", "deactivated")

    async def end(noor: people.SignedIn) -> None:
        await house.sessions.end(KEEPER, noor.id, noor.session_id, "ended-by-owner")

    await refuses(lambda noor: house.roles.forbid(OPERATOR, noor.id, WRITE), NotPermitted, "noor")
    await refuses(lambda noor: house.roles.forbid(OPERATOR, noor.id, LEND), BeyondOwnPermissions, "nils")
    await refuses(end, NotSignedIn, "nora")
    await refuses(deactivate, NotSignedIn, "nell")


@SQLITE
async def test_a_keeper_has_to_have_signed_in_lately(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    noor = await person(house, "noor", READ, WRITE)
    assert (await outside.get(f"{ADMIN}/roles", headers=noor.headers)).status_code == 200
    clock.advance(minutes=61)
    renewed = await login(outside, "noor", people.PASSWORD)
    clock.advance(minutes=10)
    assert (await outside.get(f"{ADMIN}/roles", headers=bearer(renewed))).status_code == 200
    for method, path in (("GET", "/roles"), ("DELETE", "/roles/x")):
        answer = await outside.request(method, ADMIN + path, headers=noor.headers)
        assert answer.status_code == 401


# The last keeper

LOSSES: dict[str, Act] = {
    "by the role": lambda client, by, noor: client.delete(f"{ADMIN}/accounts/{noor}/roles/keeper", headers=by),
    "by what it permits": lambda client, by, _: client.patch(
        f"{ADMIN}/roles/keeper", json={"forbid": [WRITE]}, headers=by
    ),
    "with the role": lambda client, by, _: client.delete(f"{ADMIN}/roles/keeper", headers=by),
}


@SQLITE
async def test_the_last_who_may_change_roles_stays(house: Ostiary, outside: httpx.AsyncClient) -> None:
    noor = await person(house, "noor")
    await role(house, "keeper", EVERYTHING, noor)
    machine = await people.api_key(
        house,
        "robot",
        scopes=[*EVERYTHING],
        permissions=EVERYTHING,
        networks=["203.0.113.7"],
        lifetime=None,
        machine=True,
    )
    closed = await person(house, "nils", WRITE)
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.set_status(unit, closed.id, "active", "deactivated")
    before = await contents(house, without=UNCHANGED)

    for by in (noor.headers, machine.headers):  # nor can a program, which is nobody to turn to
        for how, act in LOSSES.items():
            assert slug(await act(outside, by, noor.id)) == "last-keeper", how
    assert await contents(house, without=UNCHANGED) == before
    assert {one["reason"] for one in await details(house, "role.refused")} == {"last-keeper"}
    assert not await details(house, "role.revoked")

    await house.roles.permit(OPERATOR, noor.id, WRITE)  # twice the same person's
    assert (await LOSSES["by the role"](outside, noor.headers, noor.id)).status_code == 200
    answer = await outside.delete(f"{ADMIN}/accounts/{noor.id}/permissions/{WRITE}", headers=noor.headers)
    assert slug(answer) == "last-keeper"
    mira = await person(house, "mira", WRITE)
    answer = await outside.delete(f"{ADMIN}/accounts/{noor.id}/permissions/{WRITE}", headers=noor.headers)
    assert answer.status_code == 200
    assert await may(house, noor) == ()
    assert await may(house, mira) == (WRITE,)
    await house.roles.forbid(OPERATOR, mira.id, WRITE)  # the operator may: they can make another
    assert not await house.roles.has_keeper()


# Two at once


async def test_of_two_keepers_who_take_it_from_each_other_one_stays(open_house: OpenHouse) -> None:
    here, there = await open_house(work=False), await open_house(work=False)
    for round_ in range(3):
        noor, nils = await person(here, f"noor{round_}", WRITE), await person(here, f"nils{round_}", WRITE)

        outcome = await asyncio.gather(
            here.roles.forbid(hand_of(noor), nils.id, WRITE),
            there.roles.forbid(hand_of(nils), noor.id, WRITE),
            here.roles.forbid(hand_of(noor), noor.id, WRITE),
            there.roles.forbid(hand_of(nils), nils.id, WRITE),
            return_exceptions=True,
        )

        assert [one for one in outcome if one is True] == [True], outcome
        assert {type(one) for one in outcome} <= {bool, LastKeeper, NotPermitted}, outcome
        await here.signals.refresh()
        left = [who for who in (noor, nils) if WRITE in await may(here, who)]
        assert len(left) == 1
        await here.roles.forbid(OPERATOR, left[0].id, WRITE)


async def test_what_happens_at_once_happens_once(open_house: OpenHouse) -> None:
    here, there = await open_house(work=False), await open_house(work=False)
    noor, mira = await person(here, "noor", LEND, READ, WRITE), await person(here, "mira")
    hand, houses = hand_of(noor), (here, there) * 4

    made = await asyncio.gather(
        *(house.roles.add(hand, "porter", "", [LEND]) for house in houses), return_exceptions=True
    )  # fmt: skip
    assert sum(not isinstance(one, BaseException) for one in made) == 1
    assert {type(one).__name__ for one in made} == {"Role", "RoleTaken"}
    given = await asyncio.gather(*(house.roles.grant(hand, "porter", mira.id) for house in houses))
    assert sorted(given) == [False] * 7 + [True]
    assert len(await details(here, "role.granted")) == 1

    # Deleted while it is granted to somebody and changed: whoever comes later finds none, and nobody keeps anything.
    noel = await person(here, "noel")
    outcome = await asyncio.gather(
        here.roles.grant(hand, "porter", noel.id), there.roles.change(hand, "porter", Change(permit=(READ,))),
        there.roles.remove(hand, "porter"), here.roles.remove(hand, "porter"),
        there.roles.revoke(hand, "porter", mira.id), return_exceptions=True,
    )  # fmt: skip
    assert {type(one).__name__ for one in outcome} <= {"bool", "int", "Role", "NoSuchRole"}
    assert len(await details(here, "role.deleted")) == 1
    await here.signals.refresh()
    await there.signals.refresh()
    for house in (here, there):
        assert await may(house, noel) == await may(house, mira) == ()


async def test_two_keepers_do_not_undo_each_others_work(open_house: OpenHouse) -> None:
    here, there = await open_house(work=False), await open_house(work=False)
    noor = await person(here, "noor", LEND, READ, WRITE)
    await role(here, "porter")

    await asyncio.gather(
        here.roles.change(hand_of(noor), "porter", Change(permit=(LEND,))),
        there.roles.change(hand_of(noor), "porter", Change(permit=(READ,))),
        here.roles.change(hand_of(noor), "porter", Change(description="At night")),
    )

    found = await there.roles.get("porter")
    assert (found.permissions, found.description) == ((LEND, READ), "At night")


async def test_a_change_elsewhere_counts_for_the_next_request_here(open_house: OpenHouse) -> None:
    """The way through the door, on two processes: what one takes back, the other refuses."""
    here, there = await open_house(work=False), await open_house(work=False)
    noor = await person(here, "noor")
    await role(here, "keeper", [READ], noor)
    async with client_of(there) as client:
        await there.signals.refresh()
        assert (await client.get(f"{ADMIN}/roles", headers=noor.headers)).status_code == 200
        await here.roles.change(OPERATOR, "keeper", Change(forbid=(READ,)))
        await there.signals.refresh()
        assert slug(await client.get(f"{ADMIN}/roles", headers=noor.headers)) == "not-permitted"
