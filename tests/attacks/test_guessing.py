"""Guessing at second factors: refused on the account's counter, whatever address or attempt (R20, SP 800-63B-4 3.2.2).

The codes of sign-in links have counters of their own: `tests/magiclinks/test_signing_in.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

import httpx
import pytest
from sqlalchemy import delete
from tests.attacks.factors import Guarded, guarded
from tests.house import API, PASSWORD, OpenHouse, client_of, journalled
from tests.login.steps import is_refused, owed, type_in
from tests.texts.steps import OFFERED, code_in, texts, wrong

from ostiary.core.db import Query
from ostiary.core.tables import counters
from ostiary.wiring import Ostiary

LIMITED = (429, "limit-reached")
METHODS = ["totp", "recovery_code", "sms"]
PLACES = ["sign-in", "step-up"]


@pytest.fixture
def storage() -> str:
    """One of the two: the counter is the limiter's, whose contract is held on both."""
    return "sqlite"


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    # What comes before a guess, as often as it takes; the limits on guesses are the default ones.
    before = {"lockout_failures": 100, "rechecks": 100, "texts_per_hour": 100, "texts_per_number": 100}
    opened: Ostiary = await open_house(work=False, protection=before, texts=OFFERED)
    return opened


@dataclass
class Thief:
    """Knows the password, for a step-up holds a session as well, and comes from an address of its own each time."""

    house: Ostiary
    whose: Guarded
    came: int = 0

    async def tries(self, place: str, method: str, *, right: bool = False) -> httpx.Response:
        """Begin anew, and show a code."""
        self.came += 1
        async with client_of(self.house, f"198.51.100.{self.came}") as client:
            headers = self.whose.bearing if place == "step-up" else {}
            ticket = await self.begins(client, headers)
            return await type_in(client, ticket, await self.code(client, ticket, method, right, headers), method,
                                 headers=headers)  # fmt: skip

    async def begins(self, client: httpx.AsyncClient, headers: dict[str, str]) -> str:
        if not headers:
            return await owed(client, self.whose.name)
        answer = await client.post(f"{API}/step-up", json={"password": PASSWORD}, headers=headers)
        return str(answer.json()["ticket"])

    async def code(
        self, client: httpx.AsyncClient, ticket: str, method: str, right: bool, headers: dict[str, str]
    ) -> str:
        if method == "sms":
            body = {"ticket": ticket, "method": method}
            assert (await client.post(f"{API}/mfa/send", json=body, headers=headers)).status_code == 200
            sent = code_in(texts(self.house)[0])
            return sent if right else wrong(sent)
        if method == "totp":
            shown = self.whose.tokens["totp code"]
            return shown if right else wrong(shown)
        return self.whose.spare[0] if right else "7K3M-" * 5 + f"{1000 + self.came}"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", METHODS)
async def test_the_sixth_is_not_looked_at_whatever_address_attempt_or_method(
    house: Ostiary, outside: httpx.AsyncClient, method: str, place: str
) -> None:
    thief = Thief(house, await guarded(house, outside, "mira"))

    for _ in range(5):
        assert is_refused(await thief.tries(place, method), 401, "second-factor-refused")

    for another in PLACES:
        for other in METHODS:
            assert is_refused(await thief.tries(another, other, right=True), *LIMITED)
    assert (await journalled(house)).count("factor.refused") == 5
    await house.database.run(Query(delete(counters)))
    assert (await thief.tries(place, method, right=True)).status_code == 200  # it was the counter, and nothing else


@pytest.mark.parametrize("method", METHODS)
async def test_of_many_at_once_five_are_looked_at_at_sign_ins_and_step_ups_together(
    house: Ostiary, outside: httpx.AsyncClient, method: str
) -> None:
    thief = Thief(house, await guarded(house, outside, "mira"))

    answers = await asyncio.gather(*(thief.tries(PLACES[n % 2], method) for n in range(20)))

    assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 15}
    assert (await journalled(house)).count("factor.refused") == 5


async def test_twenty_a_day_by_whatever_method_and_place(house: Ostiary, outside: httpx.AsyncClient) -> None:
    thief = Thief(house, await guarded(house, outside, "mira"))

    for n in range(20):
        assert is_refused(await thief.tries(PLACES[n % 2], METHODS[n % 3]), 401, "second-factor-refused")
        await house.database.run(Query(delete(counters).where(counters.c.name == "second_factor.account")))

    for method in METHODS:
        assert is_refused(await thief.tries("sign-in", method, right=True), *LIMITED)
