"""Named limits on addresses and mailboxes, and whose address is believed (R10, D6)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping

import httpx
import pytest
from tests.house import API, PASSWORD, OpenHouse, client_of, register
from tests.protection.attempts import WRONG, attempt, statuses

from ostiary.core.clock import ManualClock
from ostiary.mail import Mailbox
from ostiary.web.address import counted
from ostiary.wiring import Ostiary

_numbers = itertools.count()


async def fail_from(
    house: Ostiary, peer: str, times: int = 1, *, headers: Mapping[str, str] | None = None
) -> list[int]:
    """Fail to sign in from an address under names that nobody used before, so that only the address counts."""
    async with client_of(house, peer) as client:
        names = [f"nobody{next(_numbers)}" for _ in range(times)]
        return [(await attempt(client, name, **(headers or {}))).status_code for name in names]


async def test_thirty_right_logins_in_a_minute_from_one_address_all_pass(outside: httpx.AsyncClient) -> None:
    await register(outside)

    assert await statuses(outside, "mira", *[PASSWORD] * 30) == [200] * 30


async def test_forty_people_of_one_office_who_sign_in_at_the_same_moment_have_not_failed(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await register(outside)
    await asyncio.gather(*(attempt(outside, f"colleague-{number}", PASSWORD) for number in range(40)))

    clock.advance(minutes=1)

    assert await statuses(outside, "mira", *[PASSWORD] * 10) == [200] * 10
    assert await house.blocks.listed() == []


async def test_right_logins_leave_the_budget_for_wrong_ones_as_it_was(outside: httpx.AsyncClient) -> None:
    await register(outside)

    await statuses(outside, "mira", *[WRONG] * 2, *[PASSWORD] * 10)

    assert await statuses(outside, "nobody", *[WRONG] * 4) == [401] * 3 + [429]


async def test_five_wrong_logins_a_minute_and_twenty_an_hour(house: Ostiary, clock: ManualClock) -> None:
    for _ in range(4):
        assert await fail_from(house, "203.0.113.7", 5) == [401] * 5
        clock.advance(minutes=1)

    assert await fail_from(house, "203.0.113.7", 1) == [403]  # the twentieth has blocked it for an hour
    assert await fail_from(house, "203.0.113.8", 1) == [401]
    clock.advance(minutes=60)
    assert await fail_from(house, "203.0.113.7", 1) == [401]


async def test_of_many_at_once_from_one_address_five_go_on(house: Ostiary) -> None:
    found = await asyncio.gather(*(fail_from(house, "203.0.113.7") for _ in range(40)))

    assert sorted(status for (status,) in found) == [401] * 5 + [429] * 35


async def test_a_refusal_says_when_to_come_back(outside: httpx.AsyncClient, clock: ManualClock) -> None:
    await statuses(outside, "nobody", *[WRONG] * 5)
    clock.advance(seconds=20)

    refused = await attempt(outside, "somebody")

    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "40"
    assert refused.headers["content-type"] == "application/problem+json"


async def test_five_sign_ups_an_hour_from_one_address(
    outside: httpx.AsyncClient, house: Ostiary, clock: ManualClock
) -> None:
    for number in range(5):
        await register(outside, f"person{number}")
    body = {"username": "sixth", "email": "sixth@example.org", "password": PASSWORD}

    refused = await outside.post(f"{API}/register", json=body)

    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "3600"
    async with client_of(house, "203.0.113.8") as elsewhere:
        await register(elsewhere, "seventh")
    clock.advance(hours=1)
    await register(outside, "sixth")


async def test_strangers_can_cause_five_letters_an_hour_to_one_mailbox(house: Ostiary, clock: ManualClock) -> None:
    async def claim(number: int) -> None:
        async with client_of(house, f"198.51.100.{number}") as client:
            await register(client, f"person{number}", email="victim@example.org")
        await house.outbox.drain()

    for number in range(8):
        await claim(number)
    assert isinstance(house.post, Mailbox)
    assert [letter.to for letter in house.post.letters] == ["victim@example.org"] * 5
    clock.advance(hours=1)
    await claim(9)
    assert len(house.post.letters) == 6


async def test_ipv6_is_counted_by_network(house: Ostiary) -> None:
    for host in range(5):
        assert await fail_from(house, f"2001:db8:1:2::{host}") == [401]

    assert await fail_from(house, "2001:db8:1:2:ffff:ffff:ffff:ffff") == [429]
    assert await fail_from(house, "2001:db8:1:3::1") == [401]


async def test_an_ipv4_address_in_ipv6_clothing_is_counted_as_itself(house: Ostiary) -> None:
    assert await fail_from(house, "::ffff:203.0.113.7", 5) == [401] * 5

    assert await fail_from(house, "203.0.113.7") == [429]
    assert await fail_from(house, "::ffff:203.0.113.8") == [401], "mapped addresses are not one network"


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nonsense", "unknown"),
    ],
)
def test_what_an_address_counts_as(address: str, counts_as: str) -> None:
    assert counted(address) == counts_as


class TestWhoseAddressIsBelieved:
    """D6: nobody's but the trusted proxies', from right to left."""

    async def test_by_default_a_forwarding_header_is_ignored(self, house: Ostiary) -> None:
        for number in range(5):
            forged = {"x-forwarded-for": f"198.51.100.{number}", "forwarded": f"for=198.51.100.{number}"}
            assert await fail_from(house, "203.0.113.7", headers=forged) == [401]

        assert await fail_from(house, "203.0.113.7", headers={"x-forwarded-for": "198.51.100.9"}) == [429]
        assert await fail_from(house, "198.51.100.1") == [401], "nobody pays for what was forged"

    @pytest.fixture
    async def behind_proxies(self, open_house: OpenHouse) -> Ostiary:
        opened: Ostiary = await open_house(work=False, web={"trusted_proxies": ["10.0.0.0/8", "2001:db8:ff::/64"]})
        return opened

    async def test_a_trusted_proxy_is_believed(self, behind_proxies: Ostiary) -> None:
        assert await fail_from(behind_proxies, "10.0.0.1", 5, headers={"x-forwarded-for": "198.51.100.1"}) == [401] * 5

        assert await fail_from(behind_proxies, "10.0.0.2", headers={"x-forwarded-for": "198.51.100.1"}) == [429]
        assert await fail_from(behind_proxies, "10.0.0.1", headers={"x-forwarded-for": "198.51.100.2"}) == [401]

    async def test_what_the_client_wrote_left_of_it_changes_nothing(self, behind_proxies: Ostiary) -> None:
        for number in range(5):
            forwarded = f"192.0.2.{number}, 198.51.100.1, 10.0.0.9"
            assert await fail_from(behind_proxies, "10.0.0.1", headers={"x-forwarded-for": forwarded}) == [401]

        forged = {"x-forwarded-for": "192.0.2.77, 198.51.100.1, 2001:db8:ff::5"}
        assert await fail_from(behind_proxies, "10.0.0.1", headers=forged) == [429]
        assert await fail_from(behind_proxies, "192.0.2.77") == [401]

    async def test_a_stranger_who_writes_the_header_himself_is_counted_as_himself(
        self, behind_proxies: Ostiary
    ) -> None:
        for number in range(5):
            forged = {"x-forwarded-for": f"198.51.100.{number}"}
            assert await fail_from(behind_proxies, "203.0.113.7", headers=forged) == [401]

        assert await fail_from(behind_proxies, "203.0.113.7", headers={"x-forwarded-for": "10.0.0.5"}) == [429]

    async def test_beside_the_configured_header_the_other_one_is_ignored(self, behind_proxies: Ostiary) -> None:
        for number in range(5):
            headers = {"x-forwarded-for": "198.51.100.1", "forwarded": f"for=198.51.100.{50 + number}"}
            assert await fail_from(behind_proxies, "10.0.0.1", headers=headers) == [401]

        forged = {"x-forwarded-for": "198.51.100.1", "forwarded": "for=198.51.100.77"}
        assert await fail_from(behind_proxies, "10.0.0.1", headers=forged) == [429]
        assert await fail_from(behind_proxies, "10.0.0.1", headers={"x-forwarded-for": "198.51.100.50"}) == [401]

    async def test_visitors_of_a_proxy_that_writes_the_other_header_are_not_one(self, behind_proxies: Ostiary) -> None:
        for number in range(8):
            headers = {"forwarded": f"for=198.51.100.{number}"}
            assert await fail_from(behind_proxies, "10.0.0.1", headers=headers) == [401]
        async with client_of(behind_proxies, "10.0.0.9") as monitor:
            assert "forwarding_header" in (await monitor.get("/readyz")).json()["warning"]

    async def test_an_address_that_nobody_knows_has_no_counter_that_others_would_share(
        self, behind_proxies: Ostiary
    ) -> None:
        for word in ("unknown", "_hidden", "1.2.3", "", "<script>", "who knows") * 5:
            forwarded = {"x-forwarded-for": f"198.51.100.1, {word}"}
            assert await fail_from(behind_proxies, "10.0.0.1", headers=forwarded) == [401]

    async def test_without_an_address_names_still_lock(self, behind_proxies: Ostiary) -> None:
        async with client_of(behind_proxies, "10.0.0.1") as client:
            found = [
                (await attempt(client, "nobody", WRONG, **{"x-forwarded-for": "unknown"})).status_code for _ in range(7)
            ]

        assert found == [401] * 5 + [429, 423]
