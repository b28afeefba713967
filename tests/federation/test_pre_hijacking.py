"""Accounts prepared for their victims (Sudhodanan and Paverd, 2022): the five forms, then every order of events."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.contract.browser import Browser
from tests.federation.scripted import Person, Scripted, open_provider
from tests.federation.steps import connect, inside, settings_for, sign_in
from tests.house import API, CHEAP_HASHING, NEW_PASSWORD, PASSWORD, UNMOVED, client_of, letter_to, register, token_in
from tests.recovery.steps import prove

from ostiary.core.clock import ManualClock
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary

T = TypeVar("T")
VICTIM = "vera@example.org"
VERA = Person("vera-at-acme", VICTIM, username="vera")
MAILBOXES = {"vera": VICTIM, "mallory": "mallory@example.net"}
MALLORY = Person("mallory-at-acme", "mallory@example.net", username="mallory")


class TestTheFiveForms:
    async def test_classic_federated_merge(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        """The attacker registers with the victim's address; the victim comes by her provider."""
        await register(visitor.client, "prepared", email=VICTIM)
        provider.person = VERA
        await sign_in(visitor, provider)
        assert await inside(visitor) == "vera"
        assert (await visitor.get(f"{API}/me")).json()["email_verified"] is True
        # And the attacker's claim can never become true any more, whoever follows its letter.
        letters = house.post.letters if isinstance(house.post, Mailbox) else []
        await house.outbox.drain()
        assert [letter.subject for letter in letters if "token=" in letter.text and letter.to == VICTIM] == []

    async def test_unexpired_session(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        """The attacker keeps a session in the account that was prepared; the victim's is another."""
        held = await register(visitor.client, "prepared", email=VICTIM)
        provider.person = VERA
        await sign_in(visitor, provider)
        attacker = {"authorization": f"Bearer {held['access_token']}"}
        assert (await visitor.client.get(f"{API}/me", headers=attacker)).json()["username"] == "prepared"
        assert await inside(visitor) == "vera"

    async def test_trojan_identifier(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        """The attacker connects an identity of their own to an account with the victim's address."""
        await register(visitor.client, "prepared", email=VICTIM)
        attacker = Browser(visitor.client)
        await attacker.sign_in("prepared")
        provider.person = MALLORY
        assert (await connect(attacker, provider)).status_code == 403
        await visitor.client.post(f"{API}/password-reset/request", json={"email": VICTIM})
        await house.outbox.drain()
        assert isinstance(house.post, Mailbox)
        assert not [letter for letter in house.post.letters if "Choose a new password" in letter.subject]

    async def test_unexpired_email_change(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        """The attacker begins to move their account to the victim's address, and waits until she has one."""
        await register(visitor.client, "mallory")
        await prove(house, visitor.client, "mallory@example.org")
        attacker = Browser(visitor.client)
        await attacker.sign_in("mallory")
        change = {"email": VICTIM, "current_password": PASSWORD}
        assert (await attacker.post(f"{API}/email/change", json=change)).status_code == 200
        token = token_in(await letter_to(house, VICTIM))
        provider.person = VERA
        await sign_in(visitor, provider)

        answer = await visitor.client.post(f"{API}/email/verify", json={"token": token})

        assert answer.status_code == 409
        assert (await attacker.get(f"{API}/me")).json()["email"] == "mallory@example.org"
        assert await inside(visitor) == "vera"

    @pytest.mark.parametrize("verified", [False, None, "yes", 1])
    async def test_non_verifying_provider(
        self, house: Ostiary, visitor: Browser, provider: Scripted, verified: object
    ) -> None:
        """The attacker has a provider say that the victim's address is theirs; it has never looked."""
        provider.person = Person("evil", VICTIM, email_verified=verified, username="evil")
        assert (await sign_in(visitor, provider)).status_code == 409
        provider.person = VERA
        await sign_in(visitor, provider)
        assert await inside(visitor) == "vera"


class Orders(RuleBasedStateMachine):
    """Two people, one provider, any order of events; the model says who gets in where, and the house must agree.

    The model knows mailboxes, identities and accounts by name, and the table of docs/explanation/account-linking.md.
    """

    template: Path
    seen: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.folder = TemporaryDirectory(prefix="orders-", dir=self.template.parent)
        self.run(self.begin())
        self.people = {who: Person(who[0], mailbox) for who, mailbox in MAILBOXES.items()}
        self.browsers = {name: Browser(self.client) for name in self.people}
        self.opened: dict[str, str] = {}  # account -> who has opened it
        self.proven: dict[str, str] = {}  # mailbox -> account
        self.linked: dict[str, str] = {}  # identity -> account
        self.passwords: set[str] = set()  # accounts that have one
        self.number = 0

    async def begin(self) -> None:
        clock = ManualClock()
        self.provider: Scripted = await self.stack.enter_async_context(open_provider(clock))
        data = Path(self.folder.name)
        shutil.copy(self.template, data / "ostiary.db")
        made: dict[str, Any] = {
            "hashing": CHEAP_HASHING, "protection": {**UNMOVED, "signups_per_hour": 10**6, "letters_per_hour": 10**6,
            "sign_ins_elsewhere_per_minute": 10**6, "login_failures_per_minute": 10**6},
            **settings_for(self.provider),
        }  # fmt: skip
        self.house = Ostiary.at(data, clock=clock, post=Mailbox(), **made)
        await self.house.open(work=False)
        self.stack.push_async_callback(self.house.close)
        self.client: httpx.AsyncClient = await self.stack.enter_async_context(client_of(self.house))

    def run(self, act: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(act)

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()

    @initialize()
    def nothing_yet(self) -> None:
        assert self.linked == {}

    # One rule for all: as rules of their own each run would leave some of them out, and few would meet.
    @rule(event=st.sampled_from(range(10)), who=st.sampled_from(["vera", "mallory"]), yes=st.booleans())
    def something_happens(self, event: int, who: str, yes: bool) -> None:
        happens = (
            self.registers, self.settles, self.follows_the_letter, self.signs_in_at_the_provider,
            self.signs_in_at_the_provider, self.connects, self.connects, self.disconnects,
            self.provider_thinks_otherwise, self.chooses_a_new_password,
        )  # fmt: skip
        seen = happens[event](who, yes)
        self.seen.update([seen] if seen else [])

    def other(self, who: str) -> str:
        return "mallory" if who == "vera" else "vera"

    def registers(self, who: str, yes: bool) -> str:
        """With an address of their own, or with the other's."""
        self.number += 1
        name = f"{who}-{self.number}"
        self.run(register(self.client, name, email=MAILBOXES[who if yes else self.other(who)]))
        browser = self.browsers[who] = Browser(self.client)
        self.run(browser.sign_in(name))
        self.opened[name] = who
        self.passwords.add(name)
        return "registered"

    def settles(self, who: str, _: bool) -> str | None:
        self.registers(who, True)
        return self.follows_the_letter(who, True)

    def follows_the_letter(self, who: str, _: bool) -> str | None:
        """Of the account that they are signed in to, if it came to a mailbox of theirs."""
        me = self.run(self.browsers[who].get(f"{API}/me"))
        name, email = (me.json()["username"], me.json()["email"]) if me.status_code == 200 else (None, "")
        if name is None or name in self.proven.values() or email != MAILBOXES[who]:
            return None
        assert isinstance(self.house.post, Mailbox)
        self.run(self.house.outbox.drain())  # those that others have caused are not followed
        self.house.post.letters.clear()
        self.run(self.browsers[who].post(f"{API}/email/resend"))
        self.run(self.house.outbox.drain())
        (letter,) = [letter for letter in self.house.post.letters if letter.to == email]
        assert ("token=" in letter.text) == (email not in self.proven)  # D4: told to the mailbox, and nobody else
        if email in self.proven:
            return "letter without a link"
        answer = self.run(self.client.post(f"{API}/email/verify", json={"token": token_in(letter)}))
        assert answer.status_code == 200
        self.proven[email] = name
        return "proven"

    def signs_in_at_the_provider(self, who: str, _: bool) -> str:
        person = self.provider.person = self.people[who]
        browser = Browser(self.client)
        answer = self.run(sign_in(browser, self.provider))
        name = self.run(inside(browser))
        if person.sub in self.linked:
            assert name == self.linked[person.sub]
            seen = "came back"
        elif person.email_verified is not True or person.email in self.proven:
            assert (answer.status_code, name) == (409, None)
            return "known" if person.email_verified is True else "not vouched"
        else:
            assert name is not None
            assert name not in self.opened
            self.opened[name], self.proven[str(person.email)], self.linked[person.sub] = who, name, name
            seen = "opened"
        self.browsers[who] = browser
        return seen

    def connects(self, who: str, _: bool) -> str | None:
        name = self.run(inside(self.browsers[who]))
        if name is None:
            return None
        person = self.provider.person = self.people[who]
        shown = self.run(self.browsers[who].get("/auth/connections"))
        if name in self.linked.values():  # one connection to each provider
            assert "Connect Acme" not in shown.text
            return None
        answer = self.run(connect(self.browsers[who], self.provider))
        if name not in self.proven.values():
            assert answer.status_code == 403
            return "connecting wants a proven address"
        if person.sub in self.linked:
            assert answer.status_code == 409
            return "taken"
        assert answer.status_code == 303
        self.linked[person.sub] = name
        return "connected"

    def disconnects(self, who: str, _: bool) -> str | None:
        name = self.run(inside(self.browsers[who]))
        held = [] if name is None else self.run(self.browsers[who].get(f"{API}/connections")).json()["connections"]
        if not held:
            return None
        answer = self.run(self.browsers[who].request("DELETE", f"{API}/connections/{held[0]['id']}"))
        assert answer.status_code == (200 if name in self.passwords else 409)
        if answer.status_code != 200:
            return "last way in"
        self.linked = {identity: account for identity, account in self.linked.items() if account != name}
        return "disconnected"

    def provider_thinks_otherwise(self, who: str, yes: bool) -> str:
        """Verified or not; and, unverified, the other's address: who lies in what it verifies is believed by nobody."""
        person = self.people[who]
        person.email_verified = yes
        person.email = MAILBOXES[who] if yes else MAILBOXES[self.other(who)]
        return "verified" if yes else "unverified"

    def chooses_a_new_password(self, who: str, _: bool) -> str | None:
        mailbox = MAILBOXES[who]
        assert isinstance(self.house.post, Mailbox)
        self.house.post.letters.clear()
        self.run(self.client.post(f"{API}/password-reset/request", json={"email": mailbox}))
        self.run(self.house.outbox.drain())
        found = [letter for letter in self.house.post.letters if "Choose a new password" in letter.subject]
        assert bool(found) == (mailbox in self.proven)
        if not found:
            return None
        body = {"token": token_in(found[0]), "new_password": NEW_PASSWORD}
        assert self.run(self.client.post(f"{API}/password-reset/confirm", json=body)).status_code == 200
        self.client.cookies.clear()
        self.passwords.add(self.proven[mailbox])
        return "new password"

    @invariant()
    def nobody_is_in_an_account_that_somebody_else_has_opened(self) -> None:
        for who, browser in self.browsers.items():
            name = self.run(inside(browser))
            assert name is None or self.opened[name] == who

    @invariant()
    def an_identity_opens_only_what_its_own_person_has_opened(self) -> None:
        for identity, account in self.linked.items():
            assert self.opened[account][0] == identity


def test_in_every_order_of_events_the_table_holds(sqlite_template: Path) -> None:
    Orders.template = sqlite_template
    Orders.seen.clear()
    quick = settings(
        max_examples=40, stateful_step_count=25, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(Orders, settings=quick)
    # It has been everywhere: a walk that never meets what it is about could not fail.
    assert Orders.seen >= {
        "registered", "proven", "letter without a link", "came back", "known", "not vouched", "opened",
        "connecting wants a proven address", "connected", "disconnected", "last way in", "new password",
    }  # fmt: skip
