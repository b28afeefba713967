"""Fills a data folder with accounts and sessions, by the house's own verbs."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostiary.accounts import Account, check_address, check_username
from ostiary.apikeys import NewKey
from ostiary.core.caller import Caller
from ostiary.core.secrets import new_id
from ostiary.sessions import Grant, Session
from ostiary.sessions.guard import DEVICE
from ostiary.sessions.queries import BY_ID
from ostiary.sessions.service import REFRESH
from ostiary.wiring import Ostiary

PASSWORD = "the lamps along the quay burn late"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CALLER = Caller("bench", "127.0.0.1", AGENT, None, None, None)
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Town:
    """A house with people in it; while servers run on the same folder, it stands beside them."""

    house: Ostiary
    names: tuple[str, ...]
    account_ids: tuple[str, ...]


@asynccontextmanager
async def settled(data: Path, port: int, people: int, database: str | None = None) -> AsyncIterator[Town]:
    """Yield a folder in which so many people have an account, and the password above.

    One hash serves them all: checking it costs what checking any other does.

    Args:
        data: The folder.
        port: Where the server will listen: its origin is in the tokens.
        people: How many.
        database: Where records are kept; by default an SQLite file in the folder.
    """
    overrides: dict[str, Any] = {"web": {"public_url": f"http://localhost:{port}"}, "storage": {"database": database}}
    house = Ostiary.at(data, **overrides)
    await house.open(work=False)
    try:
        hashed = await house.hasher.hash(PASSWORD)
        names = tuple(f"person-{number}" for number in range(people))
        ids: list[str] = []
        for begin in range(0, people, AT_ONCE):
            ids += await _opened(house, names[begin : begin + AT_ONCE], hashed)
        yield Town(house, names, tuple(ids))
    finally:
        await house.close()


async def _opened(house: Ostiary, names: Sequence[str], hashed: str) -> list[str]:
    settings, ids = house.settings.accounts, []
    async with house.database.unit(CALLER) as unit:
        for name in names:
            username = check_username(name, settings.usernames)
            address = check_address(f"{name}@example.org", settings.addresses)
            account = await house.accounts.open(unit, username, address, "")
            await house.passwords.set(unit, account.id, hashed)
            ids.append(account.id)
    return ids


async def sign_in(town: Town, count: int) -> list[Grant]:
    """Return so many new sessions, of all people in turn."""
    grants: list[Grant] = []
    house, people = town.house, town.account_ids
    for begin in range(0, count, AT_ONCE):
        started: list[tuple[Account, Session]] = []
        async with house.database.unit(CALLER) as unit:
            for number in range(begin, min(begin + AT_ONCE, count)):
                account = await house.accounts.get(unit, people[number % len(people)])
                device = new_id(unit.now)
                started.append((account, await house.sessions.start(unit, account, methods=("pwd",), device_id=device)))
        grants += [house.sessions.grant(account, session) for account, session in started]
    return grants


async def keys(town: Town, count: int) -> list[str]:
    """Return so many API keys, each of a machine of its own and confined to this machine's network."""
    house, texts = town.house, []
    for number in range(count):
        username = check_username(f"machine-{number}", house.settings.accounts.usernames)
        async with house.database.unit(CALLER) as unit:
            machine = await house.accounts.open_machine(unit, username)
        wanted = NewKey.of("bench", ["bench:load"], ["127.0.0.0/8", "::1"])
        texts.append((await house.api_keys.issue(CALLER, machine.id, wanted)).text)
    return texts


def key_header(text: str) -> str:
    """Return what a program sends that holds an API key."""
    return f"Authorization: Bearer {text}"


def bearer_header(grant: Grant) -> str:
    """Return what a program sends."""
    return f"Authorization: Bearer {grant.access.token}"


def cookie_header(town: Town, grant: Grant) -> str:
    """Return what a browser sends: every cookie that a sign-in left with it."""
    cookies, house = town.house.cookies, town.house
    csrf, _ = house.csrf.issue(grant.session.id)
    values = {
        cookies.name("access"): grant.access.token,
        cookies.name("refresh"): grant.refresh_token,
        cookies.name("session"): grant.page_token,
        cookies.name("csrf"): csrf,
        cookies.name("device"): house.macs.write(DEVICE, grant.session.device_id or ""),
    }
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in values.items())


async def crowd(town: Town, path: Path, count: int) -> list[str]:
    """Insert sessions in bulk by SQL until there are `count` more in the table; return their ids.

    They are copies of one real session under ids of their own, of all people
    in turn. The verbs would take as long as that many sign-ins.
    """
    model = (await sign_in(town, 1))[0].session
    columns = model.__struct_fields__
    values = [getattr(model, name) for name in columns]
    ids = [new_id(model.started_at - count + number) for number in range(count)]
    at_id, at_account = columns.index("id"), columns.index("account_id")

    def rows() -> Iterator[Sequence[object]]:
        for number, session_id in enumerate(ids):
            values[at_id], values[at_account] = session_id, town.account_ids[number % len(town.account_ids)]
            yield tuple(values)

    marks = ", ".join("?" * len(columns))
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        connection.executemany(f"INSERT INTO sessions ({', '.join(columns)}) VALUES ({marks})", rows())
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return ids


def refresh_tokens(town: Town, ids: Sequence[str]) -> list[str]:
    """Return the first refresh token of each of these new sessions."""
    return [town.house.macs.write(REFRESH, session_id, "1") for session_id in ids]


async def access_headers(town: Town, ids: Sequence[str]) -> list[str]:
    """Return a bearer header for each of these sessions."""
    headers: list[str] = []
    async with town.house.database.unit(CALLER) as unit:
        for session_id in ids:
            session = await unit.get(BY_ID, session_id=session_id)
            account = await town.house.accounts.get(unit, session.account_id)
            headers.append(bearer_header(town.house.sessions.grant(account, session)))
    return headers


def sample(ids: Sequence[str], count: int) -> list[str]:
    """Return some of the ids, picked at random over all of them."""
    return random.Random(14).sample(ids, min(count, len(ids)))


def written(folder: Path, name: str, lines: Sequence[str]) -> Path:
    """Write lines for a wrk script and return the file."""
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
