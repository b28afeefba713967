"""Lives that many people lead at once, and a ledger of every promise that a server made them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from tests.house import PASSWORD
from tests.races.peers import Peers, SignedIn, application, generation_of, token_in
from tests.races.wire import Line, Reply, Unanswered


class Refused(Exception):  # noqa: N818 - reads as what it says
    """The server answered otherwise than it should in good days."""


@dataclass(slots=True)
class Ledger:
    """What servers have acknowledged; whatever stands here must be true for ever.

    Attributes:
        registered: People by name.
        ended: Sessions that were signed out.
        generations: The highest refresh generation that was handed out, by session.
        proven: Addresses that were confirmed, with their accounts.
        lives: How many whole lives each server has seen, by port.
        refusals: Answers that good days do not bring, by status.
        odd: Those of them that no bad day excuses.
    """

    registered: dict[str, SignedIn] = field(default_factory=dict)
    ended: dict[str, SignedIn] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)
    proven: dict[str, str] = field(default_factory=dict)
    lives: Counter[int] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    refusals: Counter[int] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)
    unanswered: int = 0

    def refuse(self, what: str, reply: Reply) -> NoReturn:
        """Note an unexpected answer."""
        self.refusals[reply.status] += 1
        is_excused = reply.status == 503 and reply.headers.get("content-type") == "application/problem+json"
        if not is_excused or b"locked" in reply.body:
            self.odd.append(f"{what}: {reply.status} {reply.body.decode(errors='replace')}")
        raise Refused(what)


@dataclass(slots=True)
class Town:
    """People who register, look around, refresh, sign out and in again, without a pause until told to stop."""

    peers: Peers
    name: Callable[[], str]
    ledger: Ledger = field(default_factory=Ledger)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _is_over: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self, lines: Iterable[Line]) -> None:
        """Let one person after another live on each line, and somebody confirm addresses."""
        lines = list(lines)
        self._tasks = [asyncio.create_task(self._live_on(line)) for line in lines]
        self._tasks.append(asyncio.create_task(self._confirm([Line(line.port) for line in lines])))

    async def gets_on(self, ports: Iterable[int], before: Mapping[int, int], seconds: float = 60.0) -> None:
        """Wait until each of these servers has seen one more whole life than before: a slow machine takes seconds.

        Raises:
            TimeoutError: One of them had seen none.
        """
        ports = list(ports)
        async with asyncio.timeout(seconds):
            while not all(self.ledger.lives[port] > before[port] for port in ports):  # noqa: ASYNC110 - many add to them
                await asyncio.sleep(0.02)

    async def rest(self) -> None:
        """Let everybody finish what they are at."""
        self._is_over.set()
        await asyncio.gather(*self._tasks)

    async def _live_on(self, line: Line) -> None:
        while not self._is_over.is_set():
            try:
                await self._one_life(line)
                self.ledger.lives[line.port] += 1
            except Unanswered:
                self.ledger.unanswered += 1
                await asyncio.sleep(0.05)
            except Refused:
                await asyncio.sleep(0.05)

    async def _one_life(self, line: Line) -> None:
        ledger = self.ledger
        name = self.name()
        person = SignedIn.of(self._expect(201, await line.post("/register", application(name)), "register"))
        ledger.registered[name] = person
        ledger.generations[person.session_id] = 1
        self._expect(200, await line.get("/me", bearer=person.access), "me")
        for _ in range(3):
            person = await self._refreshed(line, person)
        self._expect(200, await line.post("/logout", bearer=person.access), "logout")
        ledger.ended[person.session_id] = person
        self._expect(401, await line.get("/me", bearer=person.access), "me after logout")
        back = await line.post("/login", {"login": name, "password": PASSWORD})
        person = SignedIn.of(self._expect(200, back, "login"))
        ledger.generations[person.session_id] = 1
        await self._refreshed(line, person)

    async def _refreshed(self, line: Line, person: SignedIn) -> SignedIn:
        answer = await line.post("/refresh", {"refresh_token": person.refresh})
        heir = SignedIn.of(self._expect(200, answer, "refresh"))
        self.ledger.generations[heir.session_id] = generation_of(heir.refresh)
        return heir

    async def _confirm(self, lines: list[Line]) -> None:
        opened: set[str] = set()
        while not self._is_over.is_set():
            for path in sorted(self.peers.data.glob("mail/*.eml")):
                if path.name in opened or self._is_over.is_set():
                    continue
                opened.add(path.name)
                await self._follow(lines[len(opened) % len(lines)], path.name)
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.05)
        for line in lines:
            await line.close()

    async def _follow(self, line: Line, file: str) -> None:
        letter = self.peers.letter(file)
        token = token_in(letter)
        if token is None:
            return
        try:
            answer = await line.post("/email/verify", {"token": token})
        except Unanswered:
            self.ledger.unanswered += 1
            return
        if answer.status == 200:
            self.ledger.proven[letter["To"]] = answer.json()["id"]
        elif answer.status not in (401, 503):  # 401: a letter that came twice, its first link followed
            self.ledger.odd.append(f"confirm: {answer.status}")

    def _expect(self, status: int, reply: Reply, what: str) -> Reply:
        self.ledger.answers[reply.status] += 1
        if reply.status != status:
            self.ledger.refuse(what, reply)
        return reply


async def assert_kept(peers: Peers, ledger: Ledger) -> None:
    """Check every promise in the ledger against the database, and that the journal is whole."""
    async with peers.house() as house:
        verdict = await house.audit.verify()
        assert verdict.ok, verdict.findings
        assert verdict.entries > len(ledger.registered)
        for name, person in ledger.registered.items():
            account = await house.accounts.remembered(person.account_id)
            assert account is not None, f"{name} is gone"
            assert account.username == name
        for session_id in ledger.ended:
            session = await house.sessions.find(session_id)
            assert session is not None
            assert session.ended_at is not None, f"the end of session {session_id} is forgotten"
        for session_id, generation in ledger.generations.items():
            session = await house.sessions.find(session_id)
            assert session is not None, f"session {session_id} is gone"
            assert session.generation - generation in (0, 1), "a generation was lost, or taken twice"
        for address, account_id in ledger.proven.items():
            account = await house.accounts.remembered(account_id)
            assert account is not None
            assert account.email_verified, f"{address} is not confirmed any more"


async def assert_delivered(peers: Peers, ledger: Ledger, seconds: float = 45.0) -> None:
    """Wait until each person in the ledger has the letter that their registration queued."""
    owed = {f"{name}@example.org" for name in ledger.registered}
    deadline = time.monotonic() + seconds
    while owed and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        owed -= {letter["To"] for letter in peers.letters()}
    assert owed == set()
