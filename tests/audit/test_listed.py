"""The journal as its keeper reads it."""

from __future__ import annotations

import pytest
from tests.core.db.raw import blob, raw
from tests.house import PASSWORD, OpenHouse

from ostiary.audit import Audit
from ostiary.core.caller import Caller
from ostiary.core.clock import ManualClock
from ostiary.registration import Application
from ostiary.wiring import Ostiary

CALLER = Caller(request_id="r-1", address="203.0.113.7", agent="Mozilla/5.0", session_id="s-1")


@pytest.fixture
def audit(house: Ostiary) -> Audit:
    return Audit(house.database, house.journal)


async def note(house: Ostiary, action: str, account_id: str | None = None, **private: str) -> None:
    async with house.database.unit(CALLER) as unit:
        unit.note(action, account_id, private=private, why="test")


async def mira(house: Ostiary) -> str:
    grant = await house.registration.register(CALLER, Application("mira", "mira@example.org", PASSWORD))
    return grant.account.id


async def test_a_line_says_what_happened_with_its_private_part(house: Ostiary, audit: Audit) -> None:
    account_id = await mira(house)
    await note(house, "test.done", account_id, email="mira@example.org")

    line = (await audit.listed(action="test.done"))[0]

    assert (line.account_id, line.session_id, line.request_id) == (account_id, "s-1", "r-1")
    assert line.at == house.clock.now()
    assert line.details == {"why": "test"}
    assert line.private == {"address": "203.0.113.7", "agent": "Mozilla/5.0", "email": "mira@example.org"}


async def test_the_private_part_of_an_erased_account_is_gone_everywhere_at_once(open_house: OpenHouse) -> None:
    """Another process may still hold the account's key in memory; it must not show what is erased (D12)."""
    first, second = await open_house(work=False), await open_house(work=False)
    account_id = await mira(first)
    elsewhere = Audit(second.database, second.journal)
    before = await elsewhere.listed(account_id)
    assert before
    assert all(line.private for line in before)

    async with first.database.unit() as unit:
        await first.accounts.delete(unit, account_id)

    for audit in (Audit(first.database, first.journal), elsewhere):
        after = await audit.listed(account_id)
        assert [line.action for line in after[1:]] == [line.action for line in before]
        assert {line.private is None for line in after[1:]} == {True}
        assert (await audit.verify()).ok


async def test_what_concerns_no_account_stays_readable(house: Ostiary, audit: Audit) -> None:
    await note(house, "test.done", None, login="who")
    assert (await audit.listed(action="test.done"))[0].private == {
        "address": "203.0.113.7", "agent": "Mozilla/5.0", "login": "who",
    }  # fmt: skip


async def test_lines_are_found_by_account_action_and_time(house: Ostiary, audit: Audit, clock: ManualClock) -> None:
    begun = clock.now()
    for number, (action, account_id) in enumerate(
        [("test.a", "x"), ("test.b", "x"), ("test.a", "y"), ("test.a", None)]
    ):
        clock.advance(seconds=1)
        await note(house, action, account_id)
        assert clock.now() == begun + 1000 * (number + 1)

    async def found(**wanted: object) -> list[tuple[str, str | None]]:
        lines = await audit.listed(**wanted)  # type: ignore[arg-type]
        return [(line.action, line.account_id) for line in lines if line.action.startswith("test.")]

    assert await found() == [("test.a", None), ("test.a", "y"), ("test.b", "x"), ("test.a", "x")]
    assert await found(account_id="x") == [("test.b", "x"), ("test.a", "x")]
    assert await found(action="test.a", account_id="x") == [("test.a", "x")]
    assert await found(action="test.b") == [("test.b", "x")]
    assert await found(since=begun + 3000) == [("test.a", None), ("test.a", "y")]
    assert await found(since=begun + 1000, until=begun + 3000) == [("test.b", "x"), ("test.a", "x")]
    assert await found(account_id="nobody") == []


async def test_reading_goes_on_where_it_stopped(house: Ostiary, audit: Audit) -> None:
    for number in range(7):  # all in one millisecond
        await note(house, f"test.n{number}")
    everything = [line.place for line in await audit.listed(most=1000)]

    seen, after = [], None
    while page := await audit.listed(most=3, after=after):
        assert len(page) <= 3
        seen += [line.place for line in page]
        after = page[-1].place

    assert seen == everything
    assert len(set(seen)) == len(seen)


async def test_a_page_has_a_bound(house: Ostiary, audit: Audit) -> None:
    async with house.database.unit() as unit:
        for _ in range(1010):
            unit.note("test.done")
    assert len(await audit.listed(most=10**6)) == 1000
    assert len(await audit.listed(most=0)) == 1


async def test_a_tampered_line_can_still_be_shown(house: Ostiary, audit: Audit) -> None:
    account_id = await mira(house)
    await note(house, "test.done", account_id, email="mira@example.org")
    await note(house, "test.done", None, email="mira@example.org")
    sealed = blob(house.database_url, b"x" * 40)
    await raw(house.database_url, f"UPDATE journal SET sealed = {sealed}, details = 'oh' WHERE action = 'test.done'")

    lines = await audit.listed(action="test.done")

    assert [line.private for line in lines] == [None, None]
    assert lines[0].details == {"unreadable": "oh"}
