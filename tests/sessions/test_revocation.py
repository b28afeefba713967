"""Ending a session ends it everywhere: pushed, not looked up, and refused where nobody can say (D3, D14)."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

import httpx
import pytest
from tests.house import API, PASSWORD, OpenHouse, bearer, client_of
from tests.services.fixtures import StartOstiary
from tests.services.postgres import Postgres
from tests.services.valkey import Valkey

from ostiary.accounts import queries
from ostiary.core.caller import HOUSE, Caller
from ostiary.core.clock import ManualClock
from ostiary.core.db import DatabaseUnavailable
from ostiary.core.db.postgres import PostgresPush
from ostiary.core.signals import BOUND_SECONDS, HEARTBEAT_SECONDS, Signals, steady_seconds
from ostiary.core.valkey import CHANNEL, TIMEOUT_SECONDS
from ostiary.registration import Application
from ostiary.sessions import Grant, NotSignedIn, Revocations
from ostiary.wiring import Ostiary

CALLER = Caller(request_id="test", address="203.0.113.7", agent="Mozilla/5.0")
AT_ONCE = 0.2  # T13, where a push has to travel
WITHIN_A_HEARTBEAT = HEARTBEAT_SECONDS + AT_ONCE


@pytest.fixture(params=["sqlite", "postgresql", "sqlite+valkey", "postgresql+valkey"])
def feed(request: pytest.FixtureRequest) -> str:
    """Each test runs on both databases, with their own push and with Valkey's."""
    found: str = request.param
    return found


@pytest.fixture
def storage(feed: str) -> str:
    return feed.partition("+")[0]


@dataclass(frozen=True)
class Two:
    """Two processes of one house, and somebody who is signed in."""

    here: Ostiary
    there: Ostiary
    mira: Grant

    @property
    def is_exact(self) -> bool:
        """Whether the next request sees what is committed, without a push."""
        return self.there.database.driver.dialect == "sqlite"

    async def sign_in_again(self) -> Grant:
        """Return one more session of the same account."""
        async with self.here.database.unit(CALLER) as unit:
            account = await self.here.accounts.get(unit, self.mira.account.id)
            session = await self.here.sessions.start(unit, account, methods=("pwd",), device_id=None)
        return self.here.sessions.grant(account, session)

    async def end(self, grant: Grant) -> None:
        """End a session in one process."""
        await self.here.sessions.end(CALLER, grant.account.id, grant.session.id)

    async def seconds_until_refused(self, token: str, most: float = AT_ONCE) -> float:
        """Return after how long the other process refuses a token; on SQLite its next request must."""
        most = 0.0 if self.is_exact else most
        began = time.perf_counter()
        while True:
            try:
                await self.there.guard.trusted(token)
            except NotSignedIn:
                return time.perf_counter() - began
            assert time.perf_counter() - began <= most, f"still trusted after {most} s"
            await asyncio.sleep(0.001)


@pytest.fixture
def settings(feed: str, request: pytest.FixtureRequest) -> dict[str, dict[str, str]]:
    """What makes a house push as `feed` says."""
    if not feed.endswith("valkey"):
        return {}
    return {"storage": {"push": "valkey", "valkey": request.getfixturevalue("valkey_url")}}


async def both_listen(server: Valkey) -> None:
    """Wait until a message at Valkey reaches two processes."""
    async with asyncio.timeout(20):
        while await asyncio.to_thread(server.command, "PUBLISH", CHANNEL, "") != ":2":  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


@pytest.fixture
async def two(
    open_house: OpenHouse, settings: dict[str, dict[str, str]], feed: str, request: pytest.FixtureRequest
) -> Two:
    """Two open houses on one database, both of which know the account and trust its token."""
    here, there = await open_house(work=False, **settings), await open_house(work=False, **settings)
    mira = await here.registration.register(CALLER, Application("mira", "mira@example.org", PASSWORD))
    if feed.endswith("valkey"):
        await both_listen(request.getfixturevalue("valkey"))
    assert (await there.guard.trusted(mira.access.token)).session_id == mira.session.id
    return Two(here, there, mira)


async def test_a_session_that_ends_here_is_refused_there(two: Two) -> None:
    await two.end(two.mira)

    with pytest.raises(NotSignedIn):
        await two.here.guard.trusted(two.mira.access.token)
    await two.seconds_until_refused(two.mira.access.token)


@pytest.mark.quiet
async def test_of_a_hundred_endings_99_are_seen_within_a_fifth_of_a_second(two: Two) -> None:
    took = []
    for _ in range(100):
        grant = await two.sign_in_again()
        await two.there.guard.trusted(grant.access.token)
        await two.end(grant)
        took.append(await two.seconds_until_refused(grant.access.token, most=1.0))

    quantiles = [round(seconds * 1000, 2) for seconds in statistics.quantiles(took, n=100)]
    assert quantiles[98] <= AT_ONCE * 1000, f"p50 {quantiles[49]} ms, p99 {quantiles[98]} ms"


async def test_one_ended_session_takes_no_other_with_it(two: Two) -> None:
    other = await two.sign_in_again()

    await two.end(two.mira)
    await two.seconds_until_refused(two.mira.access.token)

    assert (await two.there.guard.trusted(other.access.token)).session_id == other.session.id


async def test_an_authenticated_request_asks_the_database_nothing(
    two: Two, feed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    driver, this = two.there.database.driver, asyncio.current_task()

    def note(what: str) -> None:
        if asyncio.current_task() is this:  # and not the heartbeat
            asked.append(what)

    if two.is_exact:
        driver.reader.set_trace_callback(note)  # type: ignore[attr-defined]
    else:
        acquire = driver.acquire  # type: ignore[attr-defined]

        async def counted() -> object:
            note("a connection")
            return await acquire()

        monkeypatch.setattr(driver, "acquire", counted)
    shown = {"authorization": f"Bearer {two.mira.access.token}"}

    async with client_of(two.there) as client:
        for _ in range(50):
            assert (await client.get(f"{API}/me", headers=shown)).status_code == 200
        unheated = len(asked)
        await two.there.database.find(queries.BY_ID, account_id="nobody")

    if two.is_exact:
        assert set(asked[:unheated]) == {"PRAGMA data_version"}
        assert len(asked[:unheated]) <= 50
    else:
        assert unheated == 0
        assert len(asked) == 1, "the counter counts"


async def test_a_profile_that_changes_here_is_shown_there(two: Two) -> None:
    shown = {"authorization": f"Bearer {two.mira.access.token}"}
    async with client_of(two.here) as here, client_of(two.there) as there:
        for name in ("Mira", "Mira B.", "M. B."):
            changed = await here.patch(f"{API}/me", json={"full_name": name}, headers=shown)
            assert changed.status_code == 200, changed.text
            deadline = time.perf_counter() + (0 if two.is_exact else AT_ONCE)
            while (await there.get(f"{API}/me", headers=shown)).json()["full_name"] != name:
                assert time.perf_counter() < deadline
                await asyncio.sleep(0.001)


async def test_deactivating_an_account_kills_its_tokens_everywhere(two: Two) -> None:
    async with two.here.database.unit(HOUSE) as unit:
        assert await two.here.accounts.set_status(unit, two.mira.account.id, "provisional", "deactivated")

    await two.seconds_until_refused(two.mira.access.token)
    with pytest.raises(NotSignedIn):
        await two.here.guard.trusted(two.mira.access.token)


async def test_an_account_that_is_reactivated_does_not_revive_its_old_tokens(two: Two) -> None:
    async with two.here.database.unit(HOUSE) as unit:
        await two.here.accounts.set_status(unit, two.mira.account.id, "provisional", "deactivated")
    await two.seconds_until_refused(two.mira.access.token)
    async with two.here.database.unit(HOUSE) as unit:
        await two.here.accounts.set_status(unit, two.mira.account.id, "deactivated", "active")
    await asyncio.sleep(0 if two.is_exact else AT_ONCE)

    await two.seconds_until_refused(two.mira.access.token, most=0)


async def test_deleting_an_account_kills_its_tokens_everywhere(two: Two) -> None:
    async with two.here.database.unit(HOUSE) as unit:
        await two.here.accounts.delete(unit, two.mira.account.id)

    await two.seconds_until_refused(two.mira.access.token)


async def test_a_message_that_is_lost_is_made_up_for_by_the_heartbeat(two: Two) -> None:
    two.here.signals._push = None  # nobody is told of what ends here

    await two.end(two.mira)

    await two.seconds_until_refused(two.mira.access.token, most=WITHIN_A_HEARTBEAT)


@pytest.mark.parametrize("feed", ["postgresql", "postgresql+valkey"])
async def test_a_cut_listener_delays_a_revocation_by_a_heartbeat_and_comes_back(
    two: Two, feed: str, request: pytest.FixtureRequest
) -> None:
    other = await two.sign_in_again()
    server: Valkey | None = request.getfixturevalue("valkey") if feed.endswith("valkey") else None
    if server:
        server.command("CLIENT", "KILL", "TYPE", "pubsub")
    else:
        _cut_listeners(request.getfixturevalue("postgres"))
    await two.end(two.mira)
    await two.seconds_until_refused(two.mira.access.token, most=WITHIN_A_HEARTBEAT)
    await asyncio.sleep(1.3)  # until they listen again
    if server:
        await both_listen(server)
    else:
        await _listens(two.there)

    await two.end(other)

    took = await two.seconds_until_refused(other.access.token, most=WITHIN_A_HEARTBEAT)
    assert took <= AT_ONCE


@pytest.mark.parametrize("feed", ["sqlite+valkey", "postgresql+valkey"])
async def test_without_valkey_a_revocation_is_late_by_a_heartbeat_and_no_more(
    two: Two, request: pytest.FixtureRequest
) -> None:
    server: Valkey = request.getfixturevalue("valkey")
    server.kill9()
    try:
        began = time.perf_counter()
        await two.end(two.mira)
        assert time.perf_counter() - began < TIMEOUT_SECONDS, "the commit does not wait for Valkey"
        await two.seconds_until_refused(two.mira.access.token, most=WITHIN_A_HEARTBEAT)
    finally:
        server.start()


async def test_after_a_pause_the_first_request_reads_before_it_trusts(two: Two) -> None:
    _stop_hearing(two.there)
    await two.end(two.mira)

    two.there.signals._steady = lambda: steady_seconds() + BOUND_SECONDS

    await two.seconds_until_refused(two.mira.access.token, most=0)


async def test_a_leap_of_the_time_of_day_makes_a_view_doubtful(two: Two, clock: ManualClock) -> None:
    _stop_hearing(two.there)
    await two.end(two.mira)

    clock.advance(seconds=BOUND_SECONDS)  # a virtual machine that was paused may see its time leap, and nothing else

    await two.seconds_until_refused(two.mira.access.token, most=0)


async def test_a_time_of_day_that_leaps_there_and_back_revives_nothing(two: Two, clock: ManualClock) -> None:
    other = await two.sign_in_again()
    await two.end(two.mira)
    await two.seconds_until_refused(two.mira.access.token)
    clock.advance(hours=3)
    await two.end(other)
    await two.seconds_until_refused(other.access.token)
    await two.there.signals.prune()

    clock.advance(hours=-3)

    await two.seconds_until_refused(two.mira.access.token, most=0)


async def test_a_process_that_starts_later_knows_what_ended_before(two: Two, open_house: OpenHouse) -> None:
    await two.end(two.mira)
    await two.here.signals.prune()
    late = await open_house(work=False)

    with pytest.raises(NotSignedIn):
        await late.guard.trusted(two.mira.access.token)


async def test_a_key_that_was_killed_is_not_trusted_while_the_keys_cannot_be_read(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: object, **__: object) -> None:
        raise DatabaseUnavailable

    await two.here.keys.kill(HOUSE, two.here.keys.signer().key_id)
    await two.there.signals.refresh()
    assert two.there.keys.is_stale

    with monkeypatch.context() as broken:
        broken.setattr(two.there.database, "all", unavailable)
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable):
                await two.there.guard.trusted(two.mira.access.token)

    with pytest.raises(NotSignedIn):
        await two.there.guard.trusted(two.mira.access.token)


async def test_where_nobody_can_say_the_request_is_refused(two: Two, request: pytest.FixtureRequest) -> None:
    shown = {"authorization": f"Bearer {two.mira.access.token}"}
    async with client_of(two.there) as client:
        if two.is_exact:
            two.there.database.driver.reader.close()  # type: ignore[attr-defined]
            assert (await client.get(f"{API}/me", headers=shown)).status_code == 503
            return
        cluster: Postgres = request.getfixturevalue("postgres")
        cluster.stop()
        try:
            two.there.signals._steady = lambda: steady_seconds() + BOUND_SECONDS
            refused = await client.get(f"{API}/me", headers=shown)
            assert refused.status_code == 503
            assert refused.json()["type"].endswith("/database-unavailable")
        finally:
            cluster.start()
        assert (await client.get(f"{API}/me", headers=shown)).status_code == 200


def test_what_ended_is_forgotten_when_both_clocks_say_that_it_is_over(clock: ManualClock) -> None:
    steady, remember = [0.0], timedelta(minutes=16)
    heard: list[Callable[[str], None]] = []

    class Feed:
        def on(self, kind: str, listener: Callable[[str], None]) -> None:
            heard.append(listener)

    view = Revocations(cast("Signals", Feed()), clock, remember, steady=lambda: steady[0])
    for _ in range(1000):
        heard[0]("ses_old")
        heard[0](f"ses_{len(view)}")
    clock.advance(minutes=17)
    heard[0]("ses_new")
    assert len(view) > 1000

    steady[0] += remember.total_seconds()
    heard[0]("ses_newer")

    assert "ses_old" not in view
    assert "ses_new" in view


@pytest.mark.parametrize("feed", ["sqlite", "postgresql"])
async def test_a_process_that_was_stopped_by_a_signal_trusts_nothing_that_ended_meanwhile(
    start_ostiary: StartOstiary, database_url: str, tmp_path: Path
) -> None:
    environment = {"OSTIARY_STORAGE__DATABASE": database_url, "OSTIARY_WEB__PUBLIC_URL": "http://localhost:8080"}
    here, there = (start_ostiary(data=tmp_path / "both", environment=environment) for _ in range(2))
    async with httpx.AsyncClient(timeout=20) as client:
        body = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
        answer = await client.post(f"{here.url}{API}/register", json=body)
        assert answer.status_code == 201, answer.text
        client.cookies.clear()
        shown = bearer(answer.json())
        assert (await client.get(f"{there.url}{API}/me", headers=shown)).status_code == 200
        pids = _family(there.pid)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert (await client.post(f"{here.url}{API}/logout", headers=shown)).status_code == 200
            waiting = asyncio.create_task(client.get(f"{there.url}{API}/me", headers=shown))
            await asyncio.sleep(BOUND_SECONDS + 0.2)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert (await waiting).status_code == 401


def _family(pid: int) -> list[int]:
    """Return a process and its children, wherever the system says who they are."""
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [[int(word) for word in line.split()] for line in found.splitlines()]
    return [pid, *(child for child, parent in pairs if parent == pid)]


def _cut_listeners(cluster: Postgres) -> None:
    cluster.run_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LISTEN%' AND pid <> pg_backend_pid()"
    )


async def _listens(house: Ostiary) -> None:
    """Wait until a process has a connection on which PostgreSQL tells it of news."""
    push = cast("PostgresPush", house.signals._push)
    async with asyncio.timeout(20):
        while push._connection is None or push._connection.is_closed():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)


def _stop_hearing(house: Ostiary) -> None:
    """Let a process live on without its heartbeat, as one that is paused."""
    if house.signals._heart is not None:
        house.signals._heart.cancel()
