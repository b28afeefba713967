"""Whoever asks learns nothing from the time either: two-sample statistics over interleaved pairs (R7).

Hashing is cheap here, so that what else differs stands out: at the real cost the noise of the hash alone is larger
than whole answers are in these tests.
"""

from __future__ import annotations

import itertools
import logging
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import httpx
import pytest
from scipy.stats import ks_2samp, median_test
from tests.house import API, PASSWORD, OpenHouse, client_of, letter_to, register, token_in
from tests.protection.attempts import WRONG, looks

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

log = logging.getLogger(__name__)

PAIRS = 250
ROUNDS = 4
LEAST_P = 0.01

PEOPLE = 6
"""Accounts that are tried in turn: of each at most a hundred passwords are checked."""

pytestmark = pytest.mark.quiet

Ask = Callable[[], Awaitable[httpx.Response]]


class Finding(NamedTuple):
    """What a comparison found: p of Kolmogorov and Smirnov's and of Mood's median test, and how far medians differ."""

    ks: float
    mood: float
    shift: float

    @property
    def is_alike(self) -> bool:
        return min(self.ks, self.mood) > LEAST_P


async def timed(ask: Ask) -> tuple[float, httpx.Response]:
    begun = time.perf_counter()
    answer = await ask()
    return time.perf_counter() - begun, answer


async def compared(one: Ask, other: Ask, *, pairs: int = PAIRS) -> Finding:
    """Ask both in pairs, in an order that is drawn anew for each, and compare what was seen and how long it took."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(3):  # what is loaded or filled at first
        await one()
        await other()
    for _ in range(pairs):
        seen: list[object] = [None, None]
        for side in random.sample((0, 1), 2):
            took, answer = await timed((one, other)[side])
            times[side].append(took)
            seen[side] = looks(answer)
        assert seen[0] == seen[1]
    medians = [statistics.median(side) for side in times]
    shift = abs(medians[0] - medians[1]) / min(medians)
    return Finding(float(ks_2samp(*times).pvalue), float(median_test(*times).pvalue), shift)


async def assert_alike(name: str, one: Ask, other: Ask, record: Callable[[str, object], None]) -> None:
    """Fail only if every round finds a difference: one that is there is found each time, a chance is not."""
    found = []
    for _ in range(ROUNDS):
        found.append(await compared(one, other))
        if found[-1].is_alike:
            break
    last = found[-1]
    said = f"KS p={last.ks:.3f}, medians p={last.mood:.3f} and {last.shift:.1%} apart, round {len(found)}"
    record(name, said)
    log.info("%s: %s", name, said)
    assert last.is_alike, f"{name}: {found}"


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    """A house in which nothing locks while a few hundred attempts are timed."""
    lifted = ("login_failures_per_minute", "login_failures_per_hour", "signups_per_hour", "resets_per_hour")
    many = dict.fromkeys(lifted, 10**6)
    opened: Ostiary = await open_house(
        work=False, protection=many | {"lockout_failures": 100, "letters_per_hour": 10**6, "review_failures": 100}
    )
    return opened


@pytest.fixture
async def people(house: Ostiary, outside: httpx.AsyncClient) -> list[str]:
    """Names of accounts with proven addresses."""
    names = [f"person-{number}" for number in range(PEOPLE)]
    for name in names:
        await register(outside, name)
        token = token_in(await letter_to(house, f"{name}@example.org"))
        assert (await outside.post(f"{API}/email/verify", json={"token": token})).status_code == 200
    return names


def logins(client: httpx.AsyncClient, names: list[str], password: str = WRONG) -> Ask:
    """Return how to try one name after the other."""
    turns = itertools.cycle(names)

    async def ask() -> httpx.Response:
        return await client.post(f"{API}/login", json={"login": next(turns), "password": password})

    return ask


def nobodies(domain: str = "") -> list[str]:
    return [f"nobody-{number}{domain}" for number in range(PEOPLE)]


class TestSigningIn:
    """Wrong, inactive, unverified and locked against a name that nobody has."""

    async def test_a_wrong_password(
        self, people: list[str], outside: httpx.AsyncClient, record_property: Callable[[str, object], None]
    ) -> None:
        await assert_alike("wrong", logins(outside, people), logins(outside, nobodies()), record_property)

    async def test_an_address(
        self, people: list[str], outside: httpx.AsyncClient, record_property: Callable[[str, object], None]
    ) -> None:
        addresses = [f"{name}@example.org" for name in people]
        await assert_alike(
            "address", logins(outside, addresses), logins(outside, nobodies("@example.org")), record_property
        )

    async def test_the_right_password_of_an_inactive_account(
        self, house: Ostiary, people: list[str], outside: httpx.AsyncClient,
        record_property: Callable[[str, object], None],
    ) -> None:  # fmt: skip
        async with house.database.unit(KEEPER) as unit:
            for name in people:
                account_id = await house.accounts.find_by_login(unit, name)
                assert account_id is not None
                assert await house.accounts.set_status(unit, account_id, "active", "deactivated")

        inactive = logins(outside, people, PASSWORD)
        await assert_alike("inactive", inactive, logins(outside, nobodies()), record_property)

    async def test_the_right_password_by_an_address_that_is_not_proven(
        self, outside: httpx.AsyncClient, record_property: Callable[[str, object], None]
    ) -> None:
        for number in range(PEOPLE):
            await register(outside, f"claimer-{number}")
        addresses = [f"claimer-{number}@example.org" for number in range(PEOPLE)]
        unproven = logins(outside, addresses, PASSWORD)
        await assert_alike("unverified", unproven, logins(outside, nobodies("@example.org")), record_property)

    async def test_a_locked_name(
        self, open_house: OpenHouse, clock: ManualClock, record_property: Callable[[str, object], None]
    ) -> None:
        house = await open_house(
            work=False, protection={"login_failures_per_minute": 10**6, "login_failures_per_hour": 10**6}
        )
        async with client_of(house) as client:
            await register(client)
            known, unknown = logins(client, ["mira"]), logins(client, ["nobody"])
            for _ in range(7):
                assert (await known()).status_code == (await unknown()).status_code
            assert (await known()).status_code == 423
            await unknown()
            await assert_alike("locked", known, unknown, record_property)


async def test_registering_a_known_address(
    people: list[str], outside: httpx.AsyncClient, record_property: Callable[[str, object], None]
) -> None:
    numbers = itertools.count()

    def registering(addresses: Callable[[], str]) -> Ask:
        async def ask() -> httpx.Response:
            body = {"username": f"new-{next(numbers)}", "email": addresses(), "password": PASSWORD}
            answer = await outside.post(f"{API}/register", json=body)
            assert answer.status_code == 201, answer.text
            outside.cookies.clear()
            return httpx.Response(answer.status_code, json={"request_id": "x"}, headers={"x-request-id": "x"})

        return ask

    proven = itertools.cycle(f"{name}@example.org" for name in people)
    await assert_alike(
        "registration", registering(lambda: next(proven)),
        registering(lambda: f"unknown-{next(numbers)}@example.org"), record_property,
    )  # fmt: skip


async def test_asking_for_a_letter_to_a_known_address(
    people: list[str], outside: httpx.AsyncClient, record_property: Callable[[str, object], None]
) -> None:
    def asking(addresses: list[str]) -> Ask:
        turns = itertools.cycle(addresses)

        async def ask() -> httpx.Response:
            answer = await outside.post(f"{API}/password-reset/request", json={"email": next(turns)})
            assert answer.status_code == 200
            said = {**answer.json(), "request_id": answer.headers["x-request-id"]}
            return httpx.Response(answer.status_code, json=said, headers={"x-request-id": said["request_id"]})

        return ask

    known = [f"{name}@example.org" for name in people]
    await assert_alike("reset", asking(known), asking(nobodies("@example.org")), record_property)
