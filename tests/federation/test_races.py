"""One answer of a provider, many times at once: one wins. `OSTIARY_TEST_CALLBACKS=1000` for a thousand of them."""

from __future__ import annotations

import asyncio
import os
from collections import Counter

import pytest
from tests.contract.browser import PAGE, Browser, set_cookies
from tests.federation.scripted import Scripted
from tests.federation.steps import connect, inside, leave, settings_for, settled_in
from tests.house import API, OpenHouse, client_of, journalled

from ostiary.wiring import Ostiary

CALLBACKS = int(os.environ.get("OSTIARY_TEST_CALLBACKS", "40"))
BOTH = pytest.mark.parametrize("storage", ["sqlite", "postgresql"], indirect=True)


async def two_houses(open_house: OpenHouse, provider: Scripted) -> tuple[Ostiary, Ostiary]:
    """Open what two server processes hold: one database, memories of their own."""
    settings = settings_for(provider) | {"protection": {"signups_per_hour": 1000}}
    return await open_house(work=False, **settings), await open_house(work=False, **settings)


@BOTH
async def test_of_many_callbacks_at_once_one_signs_in(open_house: OpenHouse, provider: Scripted) -> None:
    first, second = await two_houses(open_house, provider)
    async with client_of(first) as one, client_of(second) as other:
        visitor = Browser(one)
        path = provider.authorize(await leave(visitor))
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())}

        answers = await asyncio.gather(
            *((one, other)[number % 2].get(path, headers=cookie) for number in range(CALLBACKS))
        )

        assert Counter(answer.status_code for answer in answers) == {303: 1, 403: CALLBACKS - 1}
        assert sum(PAGE in set_cookies(answer) for answer in answers) == 1
    assert len(provider.asked) == 1
    actions = Counter(await journalled(first))
    assert (actions["session.started"], actions["account.opened"], actions["identity.linked"]) == (1, 1, 1)
    assert actions["identity.refused"] == CALLBACKS - 1


@BOTH
async def test_one_person_in_many_tabs_gets_one_account(open_house: OpenHouse, provider: Scripted) -> None:
    first, second = await two_houses(open_house, provider)
    async with client_of(first) as one, client_of(second) as other:
        tabs = [Browser((one, other)[number % 2]) for number in range(6)]
        ways = [provider.authorize(await leave(tab)) for tab in tabs]

        answers = await asyncio.gather(*(tab.get(way) for tab, way in zip(tabs, ways, strict=True)))

        assert {answer.status_code for answer in answers} == {303}
        assert {await inside(tab) for tab in tabs} == {"mira"}
    assert Counter(await journalled(first))["identity.linked"] == 1


@BOTH
async def test_two_accounts_that_connect_one_identity_at_once_leave_it_to_one(
    open_house: OpenHouse, provider: Scripted
) -> None:
    first, second = await two_houses(open_house, provider)
    async with client_of(first) as one, client_of(second) as other:
        mira, jonas = Browser(one), Browser(other)
        await settled_in(first, mira)
        await settled_in(second, jonas, "jonas")

        answers = await asyncio.gather(connect(mira, provider), connect(jonas, provider))

        assert sorted(answer.status_code for answer in answers) == [303, 409]
        held = [len((await who.get(f"{API}/connections")).json()["connections"]) for who in (mira, jonas)]
        assert sorted(held) == [0, 1]
