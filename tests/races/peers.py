"""Server processes that share one database, and what a test does with them."""

from __future__ import annotations

import asyncio
import re
import resource
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner
from tests.house import CHEAP_HASHING, PASSWORD
from tests.races.wire import Line, Reply
from tests.services.server_process import ServerProcess

from ostiary.cli import ostiary
from ostiary.wiring import Ostiary

ORIGIN = "http://localhost:8080"
AMPLE = "1000000"
LOAD = {
    "OSTIARY_WEB__PUBLIC_URL": ORIGIN,  # the issuer: processes that share a database share it
    "OSTIARY_HASHING__MEMORY_KIB": str(CHEAP_HASHING["memory_kib"]),
    "OSTIARY_HASHING__PASSES": str(CHEAP_HASHING["passes"]),
    # All of a test's load comes from one address.
    "OSTIARY_PROTECTION__LOGIN_FAILURES_PER_MINUTE": AMPLE,
    "OSTIARY_PROTECTION__LOGIN_FAILURES_PER_HOUR": AMPLE,
    "OSTIARY_PROTECTION__LOCKOUT_FAILURES": "100",
    "OSTIARY_PROTECTION__SIGNUPS_PER_HOUR": AMPLE,
    "OSTIARY_PROTECTION__LETTERS_PER_HOUR": AMPLE,
    "OSTIARY_PROTECTION__RESETS_PER_HOUR": AMPLE,
    "OSTIARY_PROTECTION__LINKS_PER_HOUR": AMPLE,
    "OSTIARY_PROTECTION__PASSKEY_FAILURES_PER_MINUTE": AMPLE,
    # As high as they go: what is counted before a code is compared lets no more through to race for it.
    "OSTIARY_PROTECTION__SECOND_FACTOR_FAILURES": "20",
    "OSTIARY_PROTECTION__SECOND_FACTOR_FAILURES_PER_DAY": "100",
    "OSTIARY_PROTECTION__LINK_CODE_FAILURES": "20",
    "OSTIARY_PROTECTION__LINK_FAILURES_PER_DAY": "100",
    "OSTIARY_PROTECTION__TEXT_FAILURES_PER_DAY": "100",
    "OSTIARY_PROTECTION__ENROLMENT_CODES": "100",
}
ALARMS = re.compile(r"\b(ERROR|CRITICAL|Traceback)\b|[Ll]ocked|failed: ")
NO_ALARM = re.compile(r'ostiary\.alerts: alert .*"kind":"account_disowned"')
"""An owner has pressed "this wasn't me": the keeper is told by an alert, and nothing is wrong."""

TOKEN = re.compile(r"token=([A-Za-z0-9_-]{43})")
FILES = 4096


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What somebody holds after signing in or refreshing."""

    name: str
    account_id: str
    session_id: str
    access: str
    refresh: str

    @classmethod
    def of(cls, reply: Reply) -> SignedIn:
        """Read an answer of registration, login or refresh."""
        assert reply.status in (200, 201), (reply.status, reply.body)
        said = reply.json()
        return cls(
            said["user"]["username"], said["user"]["id"], claims_in(said["access_token"])["sid"],
            said["access_token"], said["refresh_token"],
        )  # fmt: skip


def claims_in(token: str) -> dict[str, Any]:
    """Return what a JWT says, unverified."""
    return _part(token, 1)


def key_of(token: str) -> str:
    """Return the id of the key that signed a JWT."""
    named: str = _part(token, 0)["kid"]
    return named


def generation_of(refresh_token: str) -> int:
    """Return the generation that a refresh token stands for."""
    return int(refresh_token.split(".")[2])


def _part(token: str, number: int) -> dict[str, Any]:
    encoded = token.split(".")[number]
    found: dict[str, Any] = msgspec.json.decode(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    return found


class Peers:
    """Processes on one database and one data folder; each is killed, stopped and started on its own."""

    def __init__(
        self, data: Path, database_url: str | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        self.database_url = database_url
        self.environment = {**LOAD, **(environment or {})}
        if database_url is not None:
            self.environment["OSTIARY_STORAGE__DATABASE"] = database_url
        self.servers: list[ServerProcess] = []
        self._letters: dict[str, EmailMessage] = {}
        _allow_many_files()

    @property
    def ports(self) -> list[int]:
        """Where the processes listen."""
        return [server.port for server in self.servers]

    def start(self, count: int = 2) -> None:
        """Start processes at the same moment and wait until each is ready."""
        started = [ServerProcess(self.data, environment=self.environment) for _ in range(count)]
        self.servers += started
        for server in started:
            server.wait_until_ready()

    def replace(self, number: int) -> None:
        """Start the process anew that ended, on the same port."""
        ended = self.servers[number]
        assert not ended.is_running
        self.servers[number] = ServerProcess(self.data, port=ended.port, environment=self.environment)
        ended.close()
        self.servers[number].wait_until_ready()

    async def command(self, *words: str) -> str:
        """Run an `ostiary` command beside the processes, and return what it prints."""

        def run() -> str:
            line = [*words[:2], "--data", str(self.data), *words[2:]]
            done = CliRunner().invoke(ostiary, line, env=self.environment)
            assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
            return done.stdout

        return await asyncio.to_thread(run)

    @asynccontextmanager
    async def house(self, **more: Any) -> AsyncIterator[Ostiary]:  # noqa: ANN401 - as `Ostiary.at` takes them
        """Open the house of these processes in this one, to look at what is stored, or to arrange it."""
        storage = {"database": self.database_url or f"sqlite:///{self.data / 'ostiary.db'}"}
        house = Ostiary.at(self.data, storage=storage, hashing=CHEAP_HASHING, web={"public_url": ORIGIN}, **more)
        await house.open(work=False)
        try:
            yield house
        finally:
            await house.close()

    def letters(self) -> list[EmailMessage]:
        """Return the letters laid into the data folder so far, the newest first."""
        return [self.letter(path.name) for path in sorted(self.data.glob("mail/*.eml"), reverse=True)]

    def letter(self, file: str) -> EmailMessage:
        """Return one letter of the data folder."""
        if file not in self._letters:
            self._letters[file] = message_from_bytes((self.data / "mail" / file).read_bytes(), policy=default)
        return self._letters[file]

    async def token_for(self, address: str, *, but: tuple[str, ...] = (), seconds: float = 30.0) -> str:
        """Wait for a letter to an address and return the secret in its link, if it is none of those known."""
        return await self.written_to(address, TOKEN, but=but, seconds=seconds)

    async def written_to(
        self, address: str, pattern: re.Pattern[str], *, but: tuple[str, ...] = (), seconds: float = 30.0
    ) -> str:
        """Wait for a letter to an address in which a pattern is found, and return its first group."""
        async with asyncio.timeout(seconds):
            while True:
                for letter in self.letters():
                    if letter["To"] == address and (found := found_in(letter, pattern)) and found not in but:
                        return found
                await asyncio.sleep(0.05)

    def alarms(self, since: Mapping[int, int] | None = None) -> list[str]:
        """Return what the processes logged that no race may cause; `since` is an earlier `logged()`."""
        passed = since or {}
        return [
            line
            for server in self.servers
            for line in server.output[passed.get(server.port, 0) :].splitlines()
            if ALARMS.search(line) and not NO_ALARM.search(line)
        ]

    def logged(self) -> dict[int, int]:
        """Return how much each process has logged so far."""
        return {server.port: len(server.output) for server in self.servers}

    def close(self) -> None:
        """End every process."""
        for server in self.servers:
            server.close()


def token_in(letter: EmailMessage) -> str | None:
    """Return the secret in a letter's link, or None."""
    return found_in(letter, TOKEN)


def found_in(letter: EmailMessage, pattern: re.Pattern[str]) -> str | None:
    """Return the first group of a pattern in a letter's text, or None."""
    body = letter.get_body(("plain",))
    match = pattern.search(body.get_content() if body else "")
    return match[1] if match else None


def application(name: str, **changed: str) -> dict[str, str]:
    """Return the body of a registration."""
    return {"username": name, "email": f"{name}@example.org", "password": PASSWORD} | changed


async def register(line: Line, name: str, **changed: str) -> SignedIn:
    """Register somebody."""
    return SignedIn.of(await line.post("/register", application(name, **changed)))


async def login(line: Line, name: str, password: str = PASSWORD) -> SignedIn:
    """Sign somebody in."""
    return SignedIn.of(await line.post("/login", {"login": name, "password": password}))


async def refresh(line: Line, token: str) -> Reply:
    """Exchange a refresh token."""
    return await line.post("/refresh", {"refresh_token": token})


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))  # processes started from here inherit it
