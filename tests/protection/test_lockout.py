"""Too many wrong passwords: the two scenarios of the contract, and who is spared (R11, D5, R7)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest
from tests.house import API, PASSWORD, OpenHouse, bearer, client_of, letter_to, login, register, token_in
from tests.protection.attempts import WRONG, Checks, attempt, device_cookie, looks, statuses

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

SHUT = [401] * 5 + [429] + [423] * 4
"""Ten wrong ones from one address within a minute."""


@pytest.fixture
async def mira(house: Ostiary, outside: httpx.AsyncClient) -> str:
    """A registered account whose address is proven; her name."""
    await register(outside)
    confirmed = await outside.post(
        f"{API}/email/verify", json={"token": token_in(await letter_to(house, "mira@example.org"))}
    )
    assert confirmed.status_code == 200, confirmed.text
    return "mira"


class TestTheTwoScenarios:
    """Spec section 2; with the counters in the database, in memory and in Valkey."""

    @pytest.fixture(params=["database", "memory", "valkey"])
    def settings(self, request: pytest.FixtureRequest) -> dict[str, dict[str, str]]:
        found = {"protection": {"counters": request.param}}
        if request.param == "valkey":
            found["storage"] = {"valkey": request.getfixturevalue("valkey_url")}
        return found

    @pytest.fixture
    async def house(self, open_house: OpenHouse, settings: dict[str, dict[str, str]]) -> Ostiary:
        opened: Ostiary = await open_house(work=False, **settings)
        return opened

    async def test_ten_wrong_logins_for_an_unknown_name(self, outside: httpx.AsyncClient) -> None:
        found = await statuses(outside, "nobody", *[WRONG] * 10)

        assert found == SHUT
        assert found.count(401) == 5
        assert 429 in found[5:]

    async def test_six_wrong_logins_and_then_the_right_password(self, outside: httpx.AsyncClient) -> None:
        await register(outside)
        await statuses(outside, "mira", *[WRONG] * 6)

        locked = await attempt(outside, "mira", PASSWORD)

        assert locked.status_code == 423
        assert locked.headers["retry-after"] == "1800"
        assert locked.json()["retry_after"] == 1800


@pytest.mark.parametrize("known", ["mira", "MIRA", "mira@example.org", "Mira@EXAMPLE.org"])
@pytest.mark.parametrize("last", [WRONG, PASSWORD])
async def test_known_and_unknown_names_are_answered_alike(house: Ostiary, mira: str, known: str, last: str) -> None:
    unknown = known.lower().replace(mira, "nora")

    async def tried(name: str, address: str) -> list[object]:
        async with client_of(house, address) as client:
            return [looks(await attempt(client, name, password)) for password in [WRONG] * 9 + [last]]

    assert await tried(known, "203.0.113.20") == await tried(unknown, "203.0.113.21")


@pytest.mark.parametrize("addresses", [1, 50])
@pytest.mark.parametrize("name", ["mira", "mira@example.org", "nobody"])
async def test_of_fifty_attempts_at_once_five_are_checked(
    house: Ostiary, mira: str, name: str, addresses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = Checks.watch(house.hasher, monkeypatch)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(client_of(house, f"203.0.113.{100 + number}"))
            for number in range(addresses)
        ]
        found = await asyncio.gather(*(attempt(clients[n % addresses], name) for n in range(50)))

    answered = [answer.status_code for answer in found]
    assert sorted(answered)[:5] == [401] * 5
    assert set(answered) == {401, 423, 429}
    assert answered.count(401) == 5
    assert len(checks.stored) == 5
    assert checks.real == (0 if name == "nobody" else 5)
    assert mira


async def test_past_the_fifth_failure_not_even_the_right_password_is_checked(
    house: Ostiary, outside: httpx.AsyncClient, mira: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = Checks.watch(house.hasher, monkeypatch)
    await statuses(outside, mira, *[WRONG] * 5)

    assert await statuses(outside, mira, PASSWORD, PASSWORD, PASSWORD) == [429, 423, 423]
    assert len(checks.stored) == 5


async def test_two_names_of_one_account_share_its_budget_without_telling(
    house: Ostiary, mira: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = Checks.watch(house.hasher, monkeypatch)
    async with client_of(house, "203.0.113.31") as one, client_of(house, "203.0.113.32") as other:
        by_name = [looks(await attempt(one, mira)) for _ in range(3)]
        by_address = [looks(await attempt(other, "mira@example.org", p)) for p in [WRONG, WRONG, WRONG, PASSWORD]]

    assert all(seen == by_name[0] for seen in (*by_name, *by_address))
    assert by_name[0][0] == 401
    assert checks.real == 5  # the sixth and the right one were checked against a decoy
    assert len(checks.stored) == 7


async def test_the_lock_opens_after_half_an_hour(outside: httpx.AsyncClient, mira: str, clock: ManualClock) -> None:
    await statuses(outside, mira, *[WRONG] * 8)
    clock.advance(minutes=29, seconds=59)
    assert await statuses(outside, mira, PASSWORD) == [423]

    clock.advance(seconds=1)

    assert await statuses(outside, mira, PASSWORD) == [200]


async def test_knocking_does_not_keep_the_owner_out_for_longer(
    outside: httpx.AsyncClient, house: Ostiary, mira: str, clock: ManualClock
) -> None:
    await statuses(outside, mira, *[WRONG] * 5)
    for number in range(29):
        clock.advance(minutes=1)
        async with client_of(house, f"198.51.100.{number}") as stranger:
            await attempt(stranger, mira)

    clock.advance(minutes=1)

    assert await statuses(outside, mira, PASSWORD) == [200]


async def test_failures_are_forgotten_after_an_hour(outside: httpx.AsyncClient, mira: str, clock: ManualClock) -> None:
    await statuses(outside, mira, *[WRONG] * 4)
    clock.advance(hours=1)

    assert await statuses(outside, mira, *[WRONG] * 4, PASSWORD) == [401] * 4 + [200]


async def test_a_success_forgets_the_failures(outside: httpx.AsyncClient, mira: str, clock: ManualClock) -> None:
    for _ in range(3):
        assert await statuses(outside, mira, *[WRONG] * 4, PASSWORD) == [401] * 4 + [200]
        clock.advance(minutes=1)


async def test_the_keeper_can_unlock(outside: httpx.AsyncClient, house: Ostiary, mira: str, clock: ManualClock) -> None:
    await statuses(outside, mira, *[WRONG] * 7)
    async with house.database.unit() as unit:
        account_id = await house.accounts.find_by_login(unit, mira)
    assert account_id is not None

    await house.protection.unlock(KEEPER, account_id, mira)
    clock.advance(minutes=1)  # the address has its own limit

    assert await statuses(outside, mira, PASSWORD) == [200]


async def test_the_lock_holds_in_every_process(open_house: OpenHouse) -> None:
    here, there = await open_house(work=False), await open_house(work=False)
    async with client_of(here) as one, client_of(there, "203.0.113.99") as other:
        await register(one)
        await statuses(one, "mira", *[WRONG] * 3)
        assert await statuses(other, "mira", WRONG, WRONG, WRONG, PASSWORD) == [401, 401, 429, 423]


class TestAKnownDevice:
    """D5: strangers cannot lock a browser out that signed in before."""

    async def test_it_is_spared_while_strangers_are_locked_out(
        self, outside: httpx.AsyncClient, house: Ostiary, mira: str
    ) -> None:
        device = await device_cookie(outside, mira)
        for number in range(4):
            async with client_of(house, f"198.51.100.{number}") as stranger:
                await statuses(stranger, mira, *[WRONG] * 3)
        assert await statuses(outside, mira, PASSWORD) == [423]

        assert (await attempt(outside, mira, PASSWORD, cookie=device)).status_code == 200

    async def test_it_signs_in_from_an_address_whose_budget_strangers_spent(
        self, outside: httpx.AsyncClient, mira: str
    ) -> None:
        device = await device_cookie(outside, mira)
        await statuses(outside, "somebody-else", *[WRONG] * 6)
        assert await statuses(outside, mira, PASSWORD) == [429]

        assert (await attempt(outside, mira, PASSWORD, cookie=device)).status_code == 200

    async def test_it_has_a_counter_of_its_own(
        self, outside: httpx.AsyncClient, house: Ostiary, mira: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        device = await device_cookie(outside, mira)
        checks = Checks.watch(house.hasher, monkeypatch)

        guessed = [(await attempt(outside, mira, cookie=device)).status_code for _ in range(6)]
        assert guessed == [401] * 5 + [429]
        assert (await attempt(outside, mira, PASSWORD, cookie=device)).status_code == 423
        assert len(checks.stored) == 5

        assert await statuses(outside, mira, PASSWORD) == [200], "who shows no device is not locked by it"

    async def test_after_a_hundred_failures_in_all_it_is_a_strangers(
        self, open_house: OpenHouse, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who shares somebody's computer has five guesses in half an hour, and not so many for ever."""
        house = await open_house(work=False, protection={"most_failures": 12})
        async with client_of(house) as browser, client_of(house, "198.51.100.7") as stranger:
            await register(browser)
            device = await device_cookie(browser, "mira")
            checks = Checks.watch(house.hasher, monkeypatch)

            for _ in range(2):
                guessed = [(await attempt(browser, "mira", cookie=device)).status_code for _ in range(8)]
                assert guessed == [401] * 5 + [429, 423, 423]  # of which only the five count
                clock.advance(minutes=61)
            assert [(await attempt(browser, "mira", cookie=device)).status_code for _ in range(2)] == [401, 401]
            assert len(checks.stored) == 12

            await statuses(stranger, "mira", *[WRONG] * 7)
            assert (await attempt(browser, "mira", PASSWORD, cookie=device)).status_code == 423, "as for a stranger"
            assert len(checks.stored) == 12 + 5

            clock.advance(minutes=61)  # the strangers' lock is over, and the owner comes in at that browser
            assert (await attempt(browser, "mira", PASSWORD, cookie=device)).status_code == 200
            await statuses(stranger, "mira", *[WRONG] * 7)
            assert (await attempt(browser, "mira", PASSWORD, cookie=device)).status_code == 200, "known again"

    async def test_of_many_at_one_moment_none_goes_on_as_a_stranger(
        self, open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house = await open_house(work=False, protection={"most_failures": 12})
        async with client_of(house) as browser, client_of(house, "198.51.100.7") as stranger:
            await register(browser)
            device = await device_cookie(browser, "mira")
            checks = Checks.watch(house.hasher, monkeypatch)

            answers = await asyncio.gather(*(attempt(browser, "mira", cookie=device) for _ in range(40)))

            assert sorted(answer.status_code for answer in answers) == [401] * 5 + [423] * 34 + [429]
            assert len(checks.stored) == 5
            assert await statuses(stranger, "mira", *[WRONG] * 6) == [401] * 5 + [429], "strangers' own are whole"

    async def test_a_sign_in_there_forgets_its_failures(self, open_house: OpenHouse, clock: ManualClock) -> None:
        house = await open_house(work=False, protection={"most_failures": 6})
        async with client_of(house) as browser, client_of(house, "198.51.100.7") as stranger:
            await register(browser)
            device = await device_cookie(browser, "mira")
            for _ in range(3):
                for word in (WRONG, WRONG, WRONG, PASSWORD):
                    last = await attempt(browser, "mira", word, cookie=device)
                assert last.status_code == 200
                clock.advance(minutes=61)
            await statuses(stranger, "mira", *[WRONG] * 7)

            assert (await attempt(browser, "mira", PASSWORD, cookie=device)).status_code == 200

    async def test_of_two_people_at_one_browser_the_mistakes_of_one_do_not_count_for_the_other(
        self, outside: httpx.AsyncClient, mira: str
    ) -> None:
        await register(outside, "tess")
        device = await device_cookie(outside, mira)
        assert (await attempt(outside, "tess", PASSWORD, cookie=device)).status_code == 200
        for _ in range(7):
            await attempt(outside, mira, cookie=device)

        assert (await attempt(outside, mira, PASSWORD, cookie=device)).status_code == 423
        assert (await attempt(outside, "tess", PASSWORD, cookie=device)).status_code == 200

    async def test_a_device_of_another_account_is_a_stranger(
        self, outside: httpx.AsyncClient, house: Ostiary, mira: str
    ) -> None:
        await register(outside, "tess")
        device = await device_cookie(outside, "tess")
        await statuses(outside, mira, *[WRONG] * 6)

        assert (await attempt(outside, mira, PASSWORD, cookie=device)).status_code == 423

    async def test_a_made_up_device_is_a_stranger(self, outside: httpx.AsyncClient, mira: str) -> None:
        name, _, text = (await device_cookie(outside, mira)).partition("=")
        await statuses(outside, mira, *[WRONG] * 6)

        forged = f"{name}={text[:-1]}{'A' if text[-1] != 'A' else 'B'}"
        assert (await attempt(outside, mira, PASSWORD, cookie=forged)).status_code == 423

    async def test_a_running_session_goes_on_while_its_name_is_locked(
        self, outside: httpx.AsyncClient, mira: str
    ) -> None:
        signed_in = await login(outside, mira)
        await statuses(outside, mira, *[WRONG] * 7)

        assert (await outside.get(f"{API}/me", headers=bearer(signed_in))).status_code == 200


async def test_who_holds_a_session_cannot_guess_its_password(outside: httpx.AsyncClient, clock: ManualClock) -> None:
    await register(outside)

    async def change(current: str) -> int:
        body = {"current_password": current, "new_password": "another battery staple"}
        return (await outside.post(f"{API}/password/change", json=body, headers=shown)).status_code

    shown = bearer(await login(outside))

    assert [await change(WRONG) for _ in range(6)] == [401] * 5 + [429]
    assert await change(PASSWORD) == 429
    clock.advance(seconds=timedelta(minutes=14, seconds=59).total_seconds())
    shown = bearer(await login(outside))  # a fresh sign-in, which the act asks for, gives no more guesses
    assert await change(PASSWORD) == 429
