"""What a role does: to tokens, keys, processes, verifiers elsewhere, exports; and what is left of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from tests.contract.browser import ACCESS, Browser
from tests.house import API, OpenHouse, client_of, journalled
from tests.roles.steps import ADMIN, LEND, OPERATOR, READ, WRITE, browser_of, details, hand_of, may, person, role

from ostiary.accounts import NoSuchAccount
from ostiary.client.jws import MAX_TOKEN
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.errors import InvalidFields
from ostiary.core.signals import Heard
from ostiary.roles import Change, NoSuchRole, RoleTaken, TooManyPermissions
from ostiary.sessions.sockets import Hold
from ostiary.testing import people
from ostiary.web.reception import identity_of
from ostiary.wiring import Ostiary

SQLITE = pytest.mark.parametrize("storage", ["sqlite"], indirect=True)


async def test_whatever_befalls_a_role_holds_with_the_next_request_on_every_process(open_house: OpenHouse) -> None:
    """Nobody waits for a token to lapse, here or elsewhere (ASVS 8.3.2)."""
    here, there = await open_house(work=False), await open_house(work=False)
    mira, noor = await person(here, "mira", READ), await person(here, "noor")

    async def all_may(*permissions: str) -> None:
        await there.signals.refresh()
        for house in (here, there):
            assert await may(house, mira) == tuple(sorted((READ, *permissions)))
            assert await may(house, noor) == tuple(sorted(permissions))

    await all_may()
    await role(here, "librarian", [LEND], mira, noor)
    await all_may(LEND)
    await here.roles.change(OPERATOR, "librarian", Change(permit=("books:buy", READ)))
    await there.signals.refresh()
    assert await may(there, noor) == ("books:buy", LEND, READ)
    assert await may(there, mira) == ("books:buy", LEND, READ)  # twice granted is granted once
    await here.roles.change(OPERATOR, "librarian", Change(forbid=(LEND, READ)))
    await all_may("books:buy")
    await here.roles.remove(OPERATOR, "librarian")
    await all_may()
    await role(here, "librarian", ["books:burn"])  # of the same name, and nobody's
    await all_may()
    await here.roles.grant(OPERATOR, "librarian", noor.id)
    await there.signals.refresh()
    assert await may(there, noor) == ("books:burn",)
    await here.roles.revoke(OPERATOR, "librarian", noor.id)
    await all_may()


async def test_permissions_of_roles_stand_in_tokens_and_bound_api_keys(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    mira = await person(house, "mira")
    key = await people.api_key(
        house, "mira", scopes=[READ, LEND], permissions=(), networks=["203.0.113.0/24"], lifetime=None, machine=False
    )
    assert (await outside.get(f"{ADMIN}/roles", headers=key.headers)).status_code == 403
    await role(house, "librarian", [LEND, READ, WRITE], mira)

    assert (await outside.get(f"{ADMIN}/roles", headers=key.headers)).status_code == 200
    again = await person(house, "mira")
    assert (await house.guard.trusted(again.access_token)).claims.permissions == (LEND, READ, WRITE)
    await house.roles.remove(OPERATOR, "librarian")
    assert (await outside.get(f"{ADMIN}/roles", headers=key.headers)).status_code == 403


async def test_verifiers_elsewhere_hear_of_every_holder(house: Ostiary) -> None:
    """Also of those of a role that is deleted: their tokens are alive, and name what it permitted."""
    mira, noor = await person(house, "mira", READ), await person(house, "noor")
    await role(house, "librarian", [LEND], mira, noor)
    role_id = (await house.roles.get("librarian")).id
    heard: list[Heard] = []
    house.signals.tap(heard.append)

    async def told() -> dict[str, list[str]]:
        await house.signals.refresh()
        assert [one.kind for one in heard] == ["role"], "one entry, however many hold it"
        events = b"".join([part async for part in house.feed._told(heard.pop())]).decode()
        found: list[dict[str, Any]] = [
            json.loads(line.removeprefix("data: ")) for line in events.splitlines() if line.startswith("data: ")
        ]
        return {one["sub"]: one["permissions"] for one in found}

    await house.roles.change(OPERATOR, "librarian", Change(permit=("books:buy",)))
    assert await told() == {mira.id: ["books:buy", LEND, READ], noor.id: ["books:buy", LEND]}
    await house.roles.remove(OPERATOR, "librarian")
    assert await told() == {mira.id: [READ], noor.id: []}
    assert {holder.username for holder in await house.roles.holders(role_id)} == {"mira", "noor"}


async def test_a_deleted_role_is_gone_at_once_and_its_rows_after_a_day(house: Ostiary, clock: ManualClock) -> None:
    mira = await person(house, "mira")
    await role(house, "librarian", [LEND], mira)
    role_id = (await house.roles.get("librarian")).id

    assert await house.roles.remove(OPERATOR, "librarian") == 1

    assert await house.roles.listed() == []
    assert (await house.roles.rights(mira.id)).roles == []
    for act in (
        house.roles.get("librarian"), house.roles.remove(OPERATOR, "librarian"),
        house.roles.grant(OPERATOR, "librarian", mira.id), house.roles.revoke(OPERATOR, "librarian", mira.id),
        house.roles.change(OPERATOR, "librarian", Change(permit=(LEND,))),
    ):  # fmt: skip
        with pytest.raises(NoSuchRole):
            await act
    assert await house.roles.prune() == 0
    clock.advance(hours=24, seconds=1)
    assert await house.roles.prune() == 1
    assert await house.roles.holders(role_id) == []


async def test_what_cannot_be_is_refused_and_changes_nothing(house: Ostiary) -> None:
    mira = await person(house, "mira")
    await role(house, "librarian", [LEND])
    before = await journalled(house)

    with pytest.raises(RoleTaken):
        await house.roles.add(OPERATOR, "librarian", "", [])
    for name in ("", "Librarian", "night porter", "1st", "a" * 65, "книга"):
        with pytest.raises(InvalidFields):
            await house.roles.add(OPERATOR, name, "", [])
    with pytest.raises(InvalidFields):
        await house.roles.change(OPERATOR, "librarian", Change(permit=("Books:Lend",)))
    with pytest.raises(NoSuchAccount):
        await house.roles.grant(OPERATOR, "librarian", "A" * 22)
    assert not await house.roles.revoke(OPERATOR, "librarian", mira.id)

    assert await journalled(house) == before
    assert await may(house, mira) == ()


async def test_a_role_goes_with_the_account_that_holds_it_and_stands_in_its_export(house: Ostiary) -> None:
    mira = await person(house, "mira")
    await role(house, "librarian", [LEND], mira)
    role_id = (await house.roles.get("librarian")).id
    async with house.database.unit() as unit:
        (told,) = (await house.roles.personal(unit, mira.id))["roles"]
    assert (told["name"], told["id"]) == ("librarian", role_id)

    async with house.database.unit(KEEPER) as unit:
        await house.accounts.delete(unit, mira.id)

    assert await house.roles.count_holders(role_id) == 0


async def test_the_journal_says_who_did_what_and_lets_no_keepers_address_into_others_exports(house: Ostiary) -> None:
    noor = await person(house, "noor", LEND, READ, WRITE)
    mira = await person(house, "mira")
    hand = hand_of(noor)

    await house.roles.add(hand, "librarian", "Lends books", [LEND])
    await house.roles.change(hand, "librarian", Change(permit=(READ,), forbid=(LEND,)))
    await house.roles.grant(hand, "librarian", mira.id)
    await house.roles.revoke(hand, "librarian", mira.id)
    await house.roles.permit(hand, mira.id, READ)
    await house.roles.forbid(hand, mira.id, READ)
    await house.roles.remove(hand, "librarian")

    by_noor = {"account": noor.id, "role": "librarian"}
    assert await details(house, "role.created") == [by_noor | {"permissions": [LEND]}]
    changed = by_noor | {"permitted": [READ], "forbidden": [LEND], "described": False}
    assert await details(house, "role.changed") == [changed]
    assert await details(house, "role.deleted") == [by_noor | {"holders": 0}]
    for action in ("role.granted", "role.revoked"):
        assert await details(house, action) == [{"account": mira.id, "role": "librarian", "by": noor.id}]
    for action in ("account.permission_granted", "account.permission_revoked"):
        assert {"account": mira.id, "permission": READ, "by": noor.id} in await details(house, action)
    everything = b"".join([part async for part in house.personal_data.written(mira.id)]).decode()
    assert "role.granted" in everything
    assert "203.0.113.7" not in everything
    assert "A browser" not in everything


@SQLITE
async def test_nobody_gets_more_than_a_token_and_its_cookie_can_hold(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """Else a keeper could shut somebody out by kindness: browsers drop a cookie that is too long."""
    mira = await people.sign_in(
        house,
        "m" * 50,
        permissions=(),
        acr="aal1",
        email=f"{'m' * 64}@{'a' * 60}.{'b' * 60}.example.org",
        verified=True,
    )
    full = [f"p{number:02}:{'x' * 33}" for number in range(50)]  # 50 of 37 and 3: just as much as may be
    with pytest.raises(TooManyPermissions):
        await house.roles.add(OPERATOR, "too-full", "", [*full, "a"])
    await role(house, "full", full, mira)
    await role(house, "more", [])

    for act in (
        house.roles.change(OPERATOR, "full", Change(permit=("a",))), house.roles.permit(OPERATOR, mira.id, "a"),
    ):  # fmt: skip
        with pytest.raises(TooManyPermissions):
            await act
    await house.roles.grant(OPERATOR, "more", mira.id)
    with pytest.raises(TooManyPermissions):  # of one holder it would be too much, with what that one has besides
        await house.roles.change(OPERATOR, "more", Change(permit=("a",)))
    await house.roles.change(OPERATOR, "more", Change(permit=(full[0],)))  # which they have already
    await role(house, "last", ["a"])
    with pytest.raises(TooManyPermissions):
        await house.roles.grant(OPERATOR, "last", mira.id)

    assert await may(house, mira) == tuple(full)
    visitor = Browser(outside)
    await visitor.sign_in("m" * 50, people.PASSWORD)
    assert len(ACCESS) + 1 + len(visitor.cookies[ACCESS]) < 4096 < MAX_TOKEN
    assert (await visitor.get(f"{API}/me")).status_code == 200


async def test_an_open_socket_of_a_holder_knows_of_it(open_house: OpenHouse) -> None:
    """It lives longer than any token, and is asked what its owner may do now (R41)."""
    here, there = await open_house(work=False), await open_house(work=False)
    mira, noor = await person(here, "mira"), await person(here, "noor")
    await role(here, "librarian", [LEND, READ], mira)
    holds = []
    for who in (mira, noor):
        known = await there.guard.trusted(who.access_token)
        holds.append(Hold(identity_of(known), known, None, lambda _: None))
        there.sockets.hang(holds[-1])
    (of_mira, of_noor), before = holds, holds[1].identity
    assert LEND in of_mira.identity.permissions

    await here.roles.change(OPERATOR, "librarian", Change(forbid=(LEND,)))
    async with asyncio.timeout(20):
        while LEND in of_mira.identity.permissions:  # noqa: ASYNC110 - the socket tells nobody
            await asyncio.sleep(0.01)

    assert list(of_mira.identity.permissions) == [READ]
    assert of_noor.identity is before, "whom it does not concern is not read again"


async def test_another_process_forgets_holders_alone(open_house: OpenHouse) -> None:
    here, there = await open_house(work=False), await open_house(work=False)
    mira, noor = await person(here, "mira"), await person(here, "noor")
    await role(here, "librarian", [LEND], mira)
    async with client_of(there) as client:
        for who in (mira, noor):
            await browser_of(client, who).get(f"{API}/me")
        await here.roles.change(OPERATOR, "librarian", Change(forbid=(LEND,)))
        await there.signals.refresh()

    assert there.accounts.glance(mira.id) is None
    assert there.accounts.glance(noor.id) is not None
