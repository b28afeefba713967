"""Roles as pages: for keepers, without scripts; what a visitor without the permission sees is a closed door."""

from __future__ import annotations

import re

import httpx
import pytest
from tests.contract.browser import Browser
from tests.roles.steps import EVERYTHING, LEND, READ, WRITE, browser_of, may, person, role

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

HERE = "/auth/admin/roles"


@pytest.fixture
def storage() -> str:
    return "sqlite"


async def submit(visitor: Browser, act: str, **fields: str) -> httpx.Response:
    """Send a form of the page of the librarians."""
    return await visitor.submit(f"{HERE}/librarian/{act}", at=f"{HERE}/librarian", **fields)


async def test_a_keeper_keeps_roles_by_forms(house: Ostiary, outside: httpx.AsyncClient) -> None:
    noor, mira = await person(house, "noor", LEND, READ, WRITE), await person(house, "mira")
    visitor = browser_of(outside, noor)
    for who, finds in ((noor, True), (mira, False)):
        shown = (await browser_of(outside, who).get("/auth/account")).text
        assert (f'href="{HERE}"' in shown) == finds
    assert "There is no role yet." in (await visitor.get(HERE)).text

    made = await visitor.submit(HERE, role="librarian", description="<i>Counter</i>", permissions=f"{LEND}, {READ}")
    assert (made.status_code, made.headers["location"]) == (303, f"{HERE}/librarian")
    shown = (await visitor.get(f"{HERE}/librarian")).text
    assert "Counter" in shown
    assert "<i>" not in shown
    assert "See every role, what it may do, and who holds it." in shown  # in words, where the house knows them
    assert (await submit(visitor, "grant", username="Mira")).status_code == 303
    assert await may(house, mira) == (LEND, READ)
    assert "from mira" in (await visitor.get(f"{HERE}/librarian")).text
    assert (await submit(visitor, "forbid", permission=READ)).status_code == 303
    assert await may(house, mira) == (LEND,)
    assert (await submit(visitor, "permit", permissions=READ)).status_code == 303
    assert (await submit(visitor, "revoke", account_id=mira.id)).status_code == 303
    assert await may(house, mira) == ()
    assert f'href="{HERE}/librarian"' in (await visitor.get(HERE)).text
    assert (await submit(visitor, "remove")).headers["location"] == HERE
    assert (await visitor.get(f"{HERE}/librarian")).status_code == 404


async def test_what_is_refused_is_said_on_the_page(house: Ostiary, outside: httpx.AsyncClient) -> None:
    noor = await person(house, "noor")
    await role(house, "librarian", EVERYTHING, noor)
    visitor = browser_of(outside, noor)

    for act, filled, status, words in (
        ("permit", {"permissions": "books:burn"}, 403, "You may not: books:burn."),
        ("permit", {"permissions": "Books"}, 422, "A permission looks like"),
        ("grant", {"username": "nobody"}, 404, "There is no such account."),
        ("revoke", {"account_id": noor.id}, 409, "Nobody would be left who may change roles."),
        ("revoke", {"account_id": "x"}, 404, "There is no such account."),
        ("forbid", {"permission": WRITE}, 409, "Nobody would be left who may change roles."),
        ("remove", {}, 409, "Nobody would be left who may change roles."),
    ):
        answer = await submit(visitor, act, **filled)
        assert (answer.status_code, words in answer.text) == (status, True), (act, answer.text)
    taken = await visitor.submit(HERE, role="librarian")
    assert taken.status_code == 409
    assert "There is a role of this name already." in taken.text
    assert await may(house, noor) == EVERYTHING


async def test_who_may_only_look_finds_nothing_to_press(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await person(house, "mira", READ)
    await role(house, "librarian", [LEND], mira)
    visitor = browser_of(outside, mira)

    for path in (HERE, f"{HERE}/librarian"):
        shown = (await visitor.get(path)).text
        assert re.findall(r'<form [^>]*action="([^"]+)"', shown) == ["/auth/sign-out"]
    assert (await submit(visitor, "remove")).status_code == 403


async def test_whoever_may_not_meets_a_closed_door(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    noor, mira = await person(house, "noor", READ, WRITE), await person(house, "mira")

    assert (await Browser(outside).get(HERE)).headers["location"] == f"/auth/sign-in?next={HERE}"
    closed = await browser_of(outside, mira).get(HERE)
    assert closed.status_code == 403
    assert "Your account may not do this." in closed.text
    visitor = browser_of(outside, noor)
    assert "Roles" in (await visitor.get(HERE)).text
    clock.advance(minutes=61)
    assert (await visitor.get(HERE)).headers["location"] == f"/auth/step-up?next={HERE}"


async def test_long_lists_go_on_on_another_page(house: Ostiary, outside: httpx.AsyncClient) -> None:
    noor = await person(house, "noor", READ)
    people = [await person(house, f"reader{number:02}") for number in range(51)]
    await role(house, "librarian", [], *people)
    visitor = browser_of(outside, noor)

    first = (await visitor.get(f"{HERE}/librarian")).text
    onwards = re.search(rf'href="({HERE}/librarian\?after=[^"]+)"', first)
    assert onwards
    second = (await visitor.get(onwards[1])).text
    found = [set(re.findall(r"<h3>(reader\d\d)", text)) for text in (first, second)]
    assert [len(one) for one in found] == [50, 1]
    assert len(found[0] | found[1]) == 51
