"""The journal is asked by account, action, time and address."""

from __future__ import annotations

import pytest
from tests.audit.written import write
from tests.house import PASSWORD

from ostiary.audit import Wanted, network_of
from ostiary.core.caller import Caller
from ostiary.core.clock import ManualClock
from ostiary.registration import Application
from ostiary.wiring import Ostiary


def at(address: str | None) -> Caller:
    return Caller(request_id="r", address=address)


async def note(house: Ostiary, action: str, account_id: str | None = None, address: str | None = None) -> None:
    async with house.database.unit(at(address)) as unit:
        unit.note(action, account_id)


async def actions(house: Ostiary, wanted: Wanted) -> list[str]:
    return [line.action for line in (await house.audit.search(wanted)).lines]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("test.a", ["test.a"]),
        ("test.*", ["test.b_more", "test.b", "test.a"]),
        ("test.b*", ["test.b_more", "test.b"]),
        ("test.b", ["test.b"]),
        ("test", []),
        ("TEST.*", []),
        ("test.%", []),
        ("test._", []),
        ("", None),
        ("*", None),
    ],
)
async def test_an_action_is_asked_for_whole_or_by_its_beginning(
    house: Ostiary, asked: str, expected: list[str] | None
) -> None:
    for action in ("test.a", "test.b", "test.b_more"):
        await note(house, action)
    lines = await house.audit.listed(action=asked)
    if expected is None:
        assert len(lines) == len(await house.audit.listed())
    else:
        assert [line.action for line in lines] == expected


ADDRESSES = {
    "four": "203.0.113.7",
    "neighbour": "203.0.113.8",
    "mapped": "::ffff:203.0.113.7",
    "six": "2001:db8::7",
    "zone": "fe80::1%eth0",
    "nobody": None,
}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("203.0.113.7", {"four", "mapped"}),
        ("::ffff:203.0.113.7", {"four", "mapped"}),
        ("203.0.113.0/24", {"four", "neighbour", "mapped"}),
        ("203.0.113.9/24", {"four", "neighbour", "mapped"}),
        ("::ffff:203.0.113.0/120", {"four", "neighbour", "mapped"}),
        ("0.0.0.0/0", {"four", "neighbour", "mapped"}),
        ("::/0", {"six", "zone"}),
        ("2001:db8::/32", {"six"}),
        ("2001:DB8:0::7", {"six"}),
        ("fe80::1", {"zone"}),
        ("198.51.100.1", set()),
    ],
)
async def test_entries_are_found_by_address_and_network(house: Ostiary, asked: str, expected: set[str]) -> None:
    for name, address in ADDRESSES.items():
        await note(house, f"test.{name}", address=address)
    found = await actions(house, Wanted(network=network_of(asked)))
    assert {action.removeprefix("test.") for action in found} == expected


@pytest.mark.parametrize("wrong", ["", "203.0.113", "203.0.113.0/33", "example.org", "203.0.113.7 8", "2001:db8::/129"])
def test_what_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        network_of(wrong)


async def test_an_address_is_found_under_each_accounts_own_key_until_the_account_is_erased(house: Ostiary) -> None:
    caller = Caller(request_id="r", address="198.51.100.4")
    grant = await house.registration.register(caller, Application("mira", "mira@example.org", PASSWORD))
    wanted = Wanted(grant.account.id, network=network_of("198.51.100.0/24"))
    before = await actions(house, wanted)
    assert before

    async with house.database.unit() as unit:
        await house.accounts.delete(unit, grant.account.id)

    assert await actions(house, wanted) == []


async def test_every_part_of_a_question_must_agree(house: Ostiary, clock: ManualClock) -> None:
    x, y = [
        (await house.registration.register(at(None), Application(name, f"{name}@example.org", PASSWORD))).account.id
        for name in ("mira", "omar")
    ]
    begun = clock.now()
    for number in range(4):
        clock.advance(seconds=1)
        await note(house, f"test.n{number}", x if number % 2 else y, "203.0.113.7")
    network = network_of("203.0.113.7")
    assert await actions(house, Wanted(x, "test.*", network=network)) == ["test.n3", "test.n1"]
    assert await actions(house, Wanted(None, "test.*", begun + 2000, begun + 4000, network)) == ["test.n2", "test.n1"]
    assert await actions(house, Wanted(y, "test.n1", network=network)) == []


async def test_a_search_says_where_its_bound_ended_it_and_goes_on_from_there(
    house: Ostiary, clock: ManualClock
) -> None:
    await note(house, "test.old", address="198.51.100.1")
    for _ in range(3):
        clock.advance(seconds=1)
        await write(house, 100)
    network = network_of("198.51.100.1")
    told: list[int] = []

    stopped = await house.audit.search(Wanted(network=network), most_read=150, progress=told.append)

    assert (stopped.lines, stopped.read) == ([], 150)
    assert stopped.rest_until is not None
    assert told == [100, 150]
    rest = await house.audit.search(Wanted(until=stopped.rest_until, network=network))
    assert [line.action for line in rest.lines] == ["test.old"]
    assert rest.rest_until is None


async def test_a_search_leaves_out_nothing_of_the_millisecond_in_which_its_bound_ended_it(house: Ostiary) -> None:
    await note(house, "test.old", address="198.51.100.1")
    await write(house, 20)  # by a clock that stands still
    network = network_of("198.51.100.1")

    stopped = await house.audit.search(Wanted(network=network), most_read=10)

    assert (stopped.lines, stopped.read) == ([], 10)
    rest = await house.audit.search(Wanted(until=stopped.rest_until, network=network))
    assert [line.action for line in rest.lines] == ["test.old"]


async def test_a_search_ends_with_as_many_lines_as_were_asked_for(house: Ostiary) -> None:
    await write(house, 5)
    search = await house.audit.search(Wanted(network=network_of("203.0.113.7")), most=2)
    assert [line.details["number"] for line in search.lines] == [4, 3]
    assert search.read == 2
