"""The state machine of a sign-in, walked at random beside a model of it: no order of calls opens what was not proven.

The model knows what each ticket stands for, what has befallen its account since, which codes are used up, and how many
guesses are left; of every call it foretells the answer, and how many sessions there are afterwards. A walk is its
seed's: it can be taken again.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import httpx
import pytest
from tests.house import API, CHEAP_HASHING, UNMOVED, client_of
from tests.login.steps import ask_in, claims, give_codes, slug, type_in

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.mail import Mailbox
from ostiary.registration.service import Application
from ostiary.wiring import Ostiary

T = TypeVar("T")
MINUTE = 60_000
PASSWORDS = ("seven lanterns over Uppsala", "nine walruses on a bicycle")
CODES = [f"{number:06}" * 4 for number in range(100, 160)]


@dataclass
class World:
    """One house for every walk; each has people of its own."""

    runner: asyncio.Runner
    house: Ostiary
    client: httpx.AsyncClient
    clock: ManualClock
    numbers: Iterator[int] = field(default_factory=count)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("walk")
    shutil.copy(sqlite_template, folder / "ostiary.db")
    clock = ManualClock()
    lockless = UNMOVED | {"login_failures_per_minute": 10**6, "login_failures_per_hour": 10**6}
    house = Ostiary.at(folder, clock=clock, post=Mailbox(), hashing=CHEAP_HASHING, protection=lockless)
    with asyncio.Runner() as runner:
        runner.run(house.open(work=False))
        door = client_of(house)
        client = runner.run(door.__aenter__())
        try:
            yield World(runner, house, client, clock)
        finally:
            runner.run(door.__aexit__(None, None, None))
            runner.run(house.close())


@dataclass
class Guesses:
    """A counter with a window, as the limits describe it."""

    number: int
    window: int
    spent: int = 0
    closes_at: int = 0

    def admits(self, now: int) -> bool:
        if self.closes_at <= now:
            self.spent, self.closes_at = 0, now + self.window
        self.spent += 1
        return self.spent <= self.number


@dataclass
class Person:
    """What the model knows of an account."""

    id: str
    name: str
    password: str = PASSWORDS[0]
    changes: int = 0
    has_factor: bool = True
    used: list[str] = field(default_factory=list)
    sessions: int = 0
    soon: Guesses = field(default_factory=lambda: Guesses(5, 10 * MINUTE))
    daily: Guesses = field(default_factory=lambda: Guesses(20, 24 * 60 * MINUTE))

    def next_code(self) -> str:
        return next(code for code in CODES if code not in self.used)


@dataclass
class Ticket:
    """What the model knows of a ticket."""

    text: str
    whose: Person
    changes: int
    expires_at: int
    is_spent: bool = False

    def is_good(self, now: int) -> bool:
        return self.changes == self.whose.changes and not self.is_spent and now < self.expires_at


class Walk:
    """Two people, and whoever holds their passwords.

    Attributes:
        seen: How often each kind of answer came, so that no walk stays before the door.
    """

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.pick = Random(seed)
        self.mira, self.eve = self.opened("mira"), self.opened("eve")
        self.tickets: list[Ticket] = [Ticket("A" * 43, self.mira, -1, 0)]
        self.seen: Counter[str] = Counter()

    def opened(self, name: str) -> Person:
        world = self.world
        name = f"{name}-{next(world.numbers)}"
        application = Application(name, f"{name}@example.org", PASSWORDS[0], "")
        account = world.run(world.house.registration.open(KEEPER, application))
        world.run(give_codes(world.house, account.id, *CODES))
        return Person(account.id, name)

    def step(self) -> None:
        """Do something, and see that there are as many sessions as were earned."""
        acts: dict[Callable[[], None], int] = {
            self.password: 10, self.code: 24, self.elsewhere: 1, self.passkey: 1, self.time_passes: 1,
            self.new_password: 1, self.everything_ends: 1, self.factor_lost_or_found: 1,
        }  # fmt: skip
        (act,) = self.pick.choices(list(acts), list(acts.values()))
        act()
        for person in (self.mira, self.eve):
            assert len(self.world.run(self.world.house.sessions.listed(person.id))) == person.sessions, act

    def person(self) -> Person:
        return self.pick.choice((self.mira, self.mira, self.eve))

    def ticket(self) -> Ticket:
        return self.pick.choice(self.tickets[-3:])

    def password(self) -> None:
        person, is_right = self.person(), self.pick.random() < 0.9
        given = person.password if is_right else "not the battery at all"
        answer = self.world.run(ask_in(self.world.client, person.name, given))
        self.seen[f"password {answer.status_code}"] += 1
        if not is_right:
            assert answer.status_code == 401
            return
        assert answer.status_code == 200, answer.text
        if not person.has_factor:
            person.sessions += 1
            return
        assert answer.json().keys() == {"mfa_required", "ticket", "methods"}
        lives_until = self.world.clock.now() + 10 * MINUTE
        self.tickets.append(Ticket(answer.json()["ticket"], person, person.changes, lives_until))

    def code(self) -> None:
        ticket = self.ticket()
        person, now = ticket.whose, self.world.clock.now()
        other = self.eve if person is self.mira else self.mira
        codes = {
            "right": person.next_code(), "wrong": "000000", "used": person.used[-1] if person.used else "000000",
            "other's": f"x{other.next_code()}", "empty": " ",
        }  # fmt: skip
        (kind,) = self.pick.choices(list(codes), [6, 1, 1, 1, 1])
        answer = self.world.run(type_in(self.world.client, ticket.text, codes[kind]))
        self.seen[f"{kind} {'for a ticket' if ticket.is_good(now) else 'for none'} {answer.status_code}"] += 1
        if not ticket.is_good(now):
            assert (answer.status_code, slug(answer)) == (401, "ticket-not-valid")
        elif not person.has_factor:
            assert answer.status_code == 422
        elif not (person.soon.admits(now) and person.daily.admits(now)):
            assert answer.status_code == 429
        elif kind != "right":
            assert (answer.status_code, slug(answer)) == (401, "second-factor-refused")
        else:
            assert answer.status_code == 200, answer.text
            assert answer.json()["user"]["id"] == person.id
            assert claims(answer.json())["amr"] == ["pwd", "rc", "mfa"]
            ticket.is_spent = True
            person.used.append(codes[kind])
            person.sessions += 1
            person.soon.spent = person.soon.closes_at = 0
            person.daily.spent -= 1

    def elsewhere(self) -> None:
        """Hand a ticket in where another secret belongs."""
        path = self.pick.choice(("password/replace", "password-reset/confirm", "email/verify"))
        name = "ticket" if path == "password/replace" else "token"
        body = {name: self.ticket().text}
        if path != "email/verify":
            body["new_password"] = "four kettles in a row"
        answer = self.world.run(self.world.client.post(f"{API}/{path}", json=body))
        assert answer.status_code == 401

    def passkey(self) -> None:
        """Ask for a passkey, where there is none."""
        body = {"ticket": self.ticket().text}
        assert self.world.run(self.world.client.post(f"{API}/mfa/passkey/begin", json=body)).status_code == 401

    def time_passes(self) -> None:
        self.world.clock.advance(minutes=self.pick.choice((1, 3, 6, 10)))

    def new_password(self) -> None:
        person = self.person()
        person.password = PASSWORDS[1 - PASSWORDS.index(person.password)]
        person.changes += 1  # another hash, even if it was this very password before
        self.world.run(self.exchanged(person.id, person.password))

    async def exchanged(self, account_id: str, password: str) -> None:
        house = self.world.house
        hashed = await house.hasher.hash(password)
        async with house.database.unit(KEEPER) as unit:
            mark = await house.passwords.mark(unit, account_id)
            assert await house.passwords.exchange(unit, account_id, mark, hashed)

    def everything_ends(self) -> None:
        person = self.person()
        self.world.run(self.raised(person.id))
        person.changes += 1
        person.sessions = 0

    async def raised(self, account_id: str) -> None:
        async with self.world.house.database.unit(KEEPER) as unit:
            await self.world.house.accounts.raise_epoch(unit, account_id)

    def factor_lost_or_found(self) -> None:
        person = self.person()
        person.has_factor = not person.has_factor
        if person.has_factor:
            left = (code for code in CODES if code not in person.used)
            self.world.run(give_codes(self.world.house, person.id, *left))
        else:
            self.world.run(self.lost(person.id))

    async def lost(self, account_id: str) -> None:
        async with self.world.house.database.unit(KEEPER) as unit:
            await self.world.house.factors.forget_all(unit, account_id)


@pytest.mark.parametrize("seed", range(8))
def test_no_order_of_calls_opens_what_was_not_proven(world: World, seed: int) -> None:
    walk = Walk(world, seed)
    for _ in range(150):
        walk.step()
    assert walk.seen["right for a ticket 200"] > 2, walk.seen
    assert walk.seen["right for none 401"] > 5, walk.seen
