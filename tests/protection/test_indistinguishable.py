"""Whoever asks learns nothing from the time either: two-sample statistics over interleaved pairs (R7).

Hashing is cheap in all but one, so that what else differs stands out: at the real cost the noise of the hash alone is
larger than whole answers are in these tests. The one at the real cost shows that a hash is computed for nobody, too:
where it is cheap, its absence drowns in the noise of a busy machine.
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
from tests.protection.attempts import WRONG, shape
from tests.protection.knocking import knock

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.hashing import HashingSettings
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


def shown(answer: httpx.Response) -> tuple[int, object, list[str]]:
    """Return everything a stranger sees of an answer, but ids and secrets, of which he sees how long they are."""
    body = answer.json()
    body.pop("request_id", None)
    if answer.is_error:
        body |= {"challenge": shape(body["challenge"])} if "challenge" in body else {}
    else:
        body = shape(body)
    return answer.status_code, body, sorted(name for name, _ in answer.headers.multi_items())


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
            seen[side] = shown(answer)
        assert seen[0] == seen[1]
    medians = [statistics.median(side) for side in times]
    shift = abs(medians[0] - medians[1]) / min(medians)
    return Finding(float(ks_2samp(*times).pvalue), float(median_test(*times).pvalue), shift)


async def assert_alike(
    name: str, one: Ask, other: Ask, record: Callable[[str, object], None], *, pairs: int = PAIRS
) -> None:
    """Fail only if every round finds a difference: one that is there is found each time, a chance is not."""
    found = []
    for _ in range(ROUNDS):
        found.append(await compared(one, other, pairs=pairs))
        if found[-1].is_alike:
            break
    last = found[-1]
    said = f"KS p={last.ks:.3f}, medians p={last.mood:.3f} and {last.shift:.1%} apart, round {len(found)}"
    record(name, said)
    log.info("%s: %s", name, said)
    assert last.is_alike, f"{name}: {found}"


LIFTED = dict.fromkeys(
    (
        "login_failures_per_minute", "login_failures_per_hour", "signups_per_hour", "resets_per_hour",
        "letters_per_hour",
    ),
    10**6,
)  # fmt: skip


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    """A house in which no name locks while a few hundred attempts are timed."""
    opened: Ostiary = await open_house(
        work=False, protection=LIFTED | {"lockout_failures": 100, "review_failures": 100}
    )
    return opened


async def people(house: Ostiary, client: httpx.AsyncClient, kind: str) -> list[str]:
    """Return names of accounts of a kind: proven, unverified, inactive, locked."""
    names = [f"person-{number}" for number in range(PEOPLE)]
    for name in names:
        mira = await register(client, name)
        if kind == "unverified":
            continue
        token = token_in(await letter_to(house, f"{name}@example.org"))
        assert (await client.post(f"{API}/email/verify", json={"token": token})).status_code == 200
        if kind == "inactive":
            async with house.database.unit(KEEPER) as unit:
                assert await house.accounts.set_status(unit, mira["user"]["id"], "active", "deactivated")
        if kind == "locked":
            found = [(await logins(house, [name])()).status_code for _ in range(7)]
            assert found == [401] * 5 + [429, 423]
    return names


def logins(house: Ostiary, names: list[str], password: str = WRONG) -> Ask:
    """Return how to try one name after the other."""
    turns = itertools.cycle(names)

    async def ask() -> httpx.Response:
        return await knock(house, f"{API}/login", {"login": next(turns), "password": password})

    return ask


def addresses(names: list[str]) -> list[str]:
    return [f"{name}@example.org" for name in names]


BOTH, ONE = ("sqlite", "postgresql"), ("sqlite",)
DATABASES_OF = {"proven": BOTH, "unverified": ONE, "inactive": ONE, "locked": ONE}
"""Kinds of accounts differ in code that knows nothing of the database: for the slow routes one of them is enough."""

NOBODY = [f"nobody-{number}" for number in range(PEOPLE)]


class TestSigningIn:
    """Each kind of account against a name that nobody has."""

    @pytest.mark.parametrize("kind", ["proven", "unverified", "inactive"])
    async def test_a_wrong_password(
        self, house: Ostiary, outside: httpx.AsyncClient, record_property: Callable[[str, object], None], kind: str
    ) -> None:
        known = logins(house, await people(house, outside, kind))
        await assert_alike(f"login, {kind}, wrong", known, logins(house, NOBODY), record_property)

    async def test_a_wrong_password_at_the_real_cost_of_a_hash(
        self, open_house: OpenHouse, record_property: Callable[[str, object], None]
    ) -> None:
        real = HashingSettings().model_dump(include={"memory_kib", "passes", "niceness"})
        house = await open_house(work=False, hashing=real, protection=LIFTED | {"lockout_failures": 100})
        async with client_of(house) as client:
            known, unknown = logins(house, await people(house, client, "proven")), logins(house, NOBODY)
            await assert_alike("login, proven, real hash", known, unknown, record_property, pairs=30)

    async def test_a_wrong_password_for_an_address(
        self, house: Ostiary, outside: httpx.AsyncClient, record_property: Callable[[str, object], None]
    ) -> None:
        known = logins(house, addresses(await people(house, outside, "proven")))
        await assert_alike(
            "login, proven, by address", known, logins(house, addresses(NOBODY)), record_property
        )  # fmt: skip

    async def test_the_right_password_of_an_inactive_account(
        self, house: Ostiary, outside: httpx.AsyncClient, record_property: Callable[[str, object], None]
    ) -> None:
        inactive = logins(house, await people(house, outside, "inactive"), PASSWORD)
        await assert_alike("login, inactive, right", inactive, logins(house, NOBODY), record_property)

    async def test_the_right_password_by_an_address_that_is_not_proven(
        self, house: Ostiary, outside: httpx.AsyncClient, record_property: Callable[[str, object], None]
    ) -> None:
        unproven = logins(house, addresses(await people(house, outside, "unverified")), PASSWORD)
        await assert_alike(
            "login, unverified, right", unproven, logins(house, addresses(NOBODY)), record_property
        )  # fmt: skip

    async def test_a_locked_name(
        self, open_house: OpenHouse, clock: ManualClock, record_property: Callable[[str, object], None]
    ) -> None:
        house = await open_house(work=False, protection=LIFTED)
        async with client_of(house) as client:
            known, unknown = logins(house, await people(house, client, "locked")), logins(house, NOBODY)
            for _ in range(7 * PEOPLE):
                await unknown()
            await assert_alike("login, locked", known, unknown, record_property)


@pytest.mark.parametrize(
    ("storage", "kind"),
    [(database, kind) for kind in ("proven", "unverified", "inactive", "locked") for database in DATABASES_OF[kind]],
)
class TestAnAddressThatSomebodyHas:
    """Each kind of account's address against one that nobody has."""

    @pytest.fixture
    async def house(self, open_house: OpenHouse) -> Ostiary:
        opened: Ostiary = await open_house(work=False, protection=LIFTED)
        return opened

    async def test_registering_it(
        self, house: Ostiary, outside: httpx.AsyncClient, record_property: Callable[[str, object], None], kind: str
    ) -> None:
        numbers = itertools.count()

        def registering(addresses: Callable[[], str]) -> Ask:
            async def ask() -> httpx.Response:
                body = {"username": f"new-{next(numbers):05}", "email": addresses(), "password": PASSWORD}
                answer = await knock(house, f"{API}/register", body)
                assert answer.status_code == 201, answer.text
                return answer

            return ask

        known = itertools.cycle(addresses(await people(house, outside, kind)))
        unknown = (f"u-{number:06}@example.org" for number in itertools.count())
        await assert_alike(
            f"registration, {kind}", registering(lambda: next(known)), registering(lambda: next(unknown)),
            record_property,
        )  # fmt: skip

    async def test_asking_for_a_letter_to_it(
        self, house: Ostiary, outside: httpx.AsyncClient, record_property: Callable[[str, object], None], kind: str
    ) -> None:
        def asking(addresses: list[str]) -> Ask:
            turns = itertools.cycle(addresses)

            async def ask() -> httpx.Response:
                answer = await knock(house, f"{API}/password-reset/request", {"email": next(turns)})
                assert answer.status_code == 200, answer.text
                return answer

            return ask

        known = asking(addresses(await people(house, outside, kind)))
        await assert_alike(f"reset, {kind}", known, asking(addresses(NOBODY)), record_property)
