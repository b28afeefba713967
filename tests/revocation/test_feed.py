"""What programs elsewhere hear of ended sessions, over real connections to two processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from tests.house import API
from tests.races.peers import ORIGIN, Peers, SignedIn, key_of, login, refresh, register
from tests.races.wire import Line, Switchboard
from tests.revocation.conftest import SECRET

from ostiary.client import RevocationFeed, TokenRefused, Verifier
from ostiary.client.strict import decode_object

Lines = list[Line]
WITHIN = 3.0


@contextmanager
def listening(port: int, **changed: object) -> Iterator[tuple[Verifier, RevocationFeed]]:
    """Run a program elsewhere that verifies by itself and listens to one process."""
    at = f"http://127.0.0.1:{port}"
    verifier = Verifier(issuer=ORIGIN, audience=ORIGIN, jwks_url=f"{at}/.well-known/jwks.json")
    settings = {"credential": SECRET, "url": f"{at}{API}/revocations"} | changed
    feed = RevocationFeed(issuer=ORIGIN, **settings)  # type: ignore[arg-type]
    listener = Verifier(
        issuer=ORIGIN, audience=ORIGIN, jwks_url=f"{at}/.well-known/jwks.json", revocations=feed,
    )  # fmt: skip
    feed.on_keys = listener.fetch_keys_blocking
    listener.fetch_keys_blocking()
    assert verifier
    try:
        yield listener, feed
    finally:
        feed.stop()


async def ready(feed: RevocationFeed) -> None:
    """Wait until everything is heard."""
    assert await asyncio.to_thread(feed.wait)


async def becomes(expected: str | None, verifier: Verifier, token: str, within: float = WITHIN) -> None:
    """Wait until a token is refused for a reason, or accepted."""
    async with asyncio.timeout(within):
        while verdict(verifier, token) != expected:  # noqa: ASYNC110 - another thread hears
            await asyncio.sleep(0.01)


def verdict(verifier: Verifier, token: str) -> str | None:
    """Return why a token is refused, or None."""
    try:
        verifier.verify(token)
    except TokenRefused as refused:
        return refused.reason
    return None


@pytest.fixture
async def lines(peers: Peers, switchboard: Switchboard) -> Lines:
    """A line to each process."""
    return await switchboard.lines(peers.ports, 2)


@pytest.fixture
async def mira(lines: Lines, name: Callable[[], str]) -> SignedIn:
    """Somebody who is signed in."""
    return await register(lines[0], name())


ENDINGS: dict[str, Callable[[Peers, Line, SignedIn], Awaitable[object]]] = {
    "signed out": lambda _, line, person: line.post("/logout", bearer=person.access),
    "deactivated": lambda peers, _, person: peers.command("user", "deactivate", person.name),
    "erased": lambda peers, _, person: peers.command("user", "erase", "--yes", "--now", person.name),
    "deleted": lambda peers, _, person: peers.command("user", "delete", "--yes", person.name),
}


class TestAListener:
    @pytest.mark.parametrize("how", ENDINGS)
    async def test_refuses_what_ended_on_the_other_process(
        self, peers: Peers, lines: Lines, mira: SignedIn, how: str
    ) -> None:
        with listening(peers.ports[1]) as (verifier, feed):
            await ready(feed)
            assert verdict(verifier, mira.access) is None
            await ENDINGS[how](peers, lines[0], mira)
            await becomes("revoked", verifier, mira.access)

    async def test_hears_of_what_ended_before_it_came(self, peers: Peers, lines: Lines, mira: SignedIn) -> None:
        elsewhere = await login(lines[0], mira.name)
        await lines[0].post("/logout", bearer=mira.access)
        with listening(peers.ports[1]) as (verifier, feed):
            await ready(feed)
            assert verdict(verifier, mira.access) == "revoked"
            assert verdict(verifier, elsewhere.access) is None

    async def test_takes_no_token_for_a_right_that_was_taken_back(
        self, peers: Peers, lines: Lines, mira: SignedIn
    ) -> None:
        await peers.command("user", "permit", mira.name, "books:lend")
        lender = SignedIn.of(await refresh(lines[0], mira.refresh))
        with listening(peers.ports[0]) as (verifier, feed):
            await ready(feed)
            assert "books:lend" in verifier.verify(lender.access).permissions
            await asyncio.sleep(1.1)  # its token was made in an earlier second
            await peers.command("user", "forbid", mira.name, "books:lend")
            await becomes("revoked", verifier, lender.access)
            heir = SignedIn.of(await refresh(lines[1], lender.refresh))
            assert verifier.verify(heir.access).permissions == ()

    async def test_fetches_the_keys_at_once_when_one_was_killed(
        self, peers: Peers, lines: Lines, mira: SignedIn
    ) -> None:
        with listening(peers.ports[0]) as (verifier, feed):
            await ready(feed)
            verifier._keys._next_fetch = float("-inf")  # the last fetch was more than ten seconds ago
            async with asyncio.timeout(WITHIN):
                while feed._keys_are_due:  # noqa: ASYNC110 - it has heard of the first keys, too
                    await asyncio.sleep(0.02)
            verifier._keys._next_fetch = float("-inf")
            await peers.command("key", "kill", "--yes", key_of(mira.access))
            await becomes("unknown-key", verifier, mira.access, within=4)

    async def test_refuses_everything_once_it_is_blind_and_sees_again(
        self, peers: Peers, lines: Lines, mira: SignedIn
    ) -> None:
        skipped = 0.0
        with listening(peers.ports[1], steady=lambda: time.monotonic() + skipped) as (verifier, feed):
            await ready(feed)
            assert verdict(verifier, mira.access) is None
            feed._url = "http://127.0.0.1:1/"  # whatever it dials next, nobody answers
            skipped = 4.0  # the machine has slept: what waits in the socket is old
            assert verdict(verifier, mira.access) == "revocations-outdated"
            feed._refuses = False
            assert verdict(verifier, mira.access) is None  # by choice

    async def test_is_refused_without_its_secret(self, peers: Peers, mira: SignedIn) -> None:
        with listening(peers.ports[1], credential="ostiary-reader-" + "x" * 43) as (verifier, feed):
            assert not await asyncio.to_thread(feed.wait, 0.5)
            assert verdict(verifier, mira.access) == "revocations-outdated"


class Reader:
    """One connection to the feed, as anybody could write it."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self, *names: str) -> tuple[str, dict[str, object], str | None]:
        """Return the next event of these names."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(5):
            async for line in self._lines:
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields.get("event") in names:
                    return fields["event"], decode_object(fields["data"].encode()) or {}, fields.get("id")
                else:
                    fields = {}
        raise AssertionError("the stream ended")

    async def until(self, name: str) -> list[tuple[str, dict[str, object], str | None]]:
        """Return the events up to one of this name."""
        every = ("reset", "ready", "beat", "session", "account", "keys")
        found = [await self.next(*every)]  # each within five seconds: there is a beat in every one
        while found[-1][0] != name:
            found.append(await self.next(*every))
        return found


async def reading(port: int, *, bearer: str = SECRET, last: str | None = None) -> AsyncIterator[Reader]:
    """Open the feed."""
    headers = {"Authorization": f"Bearer {bearer}"} | ({"Last-Event-ID": last} if last else {})
    async with (
        httpx.AsyncClient(timeout=10) as client,
        client.stream("GET", f"http://127.0.0.1:{port}{API}/revocations", headers=headers) as answer,
    ):
        yield Reader(answer)


class TestTheFeed:
    async def test_goes_on_after_the_last_event_and_misses_nothing_between(
        self, peers: Peers, lines: Lines, mira: SignedIn
    ) -> None:
        async for reader in reading(peers.ports[0]):
            first = await reader.until("beat")
            assert first[0][0] == "reset"
            last = first[-1][2]
        await lines[1].post("/logout", bearer=mira.access)  # while nobody listens
        async for reader in reading(peers.ports[0], last=last):
            told = await reader.until("beat")
            assert "reset" not in [name for name, _, _ in told]
            assert {"sid": mira.session_id} in [data for _, data, _ in told]

    @pytest.mark.parametrize("last", ["", "nonsense", "0123456789abcdef.5", "{line}.99999999", "{line}.-1", "{line}."])
    async def test_begins_anew_for_a_reader_whose_last_event_it_does_not_know(
        self, peers: Peers, lines: Lines, mira: SignedIn, last: str
    ) -> None:
        await lines[0].post("/logout", bearer=mira.access)
        async for reader in reading(peers.ports[1]):
            line = str((await reader.until("beat"))[-1][2]).partition(".")[0]
        async for reader in reading(peers.ports[1], last=last.format(line=line)):
            told = await reader.until("beat")
            assert told[0][0] == "reset"
            assert {"sid": mira.session_id} in [data for _, data, _ in told]

    async def test_is_for_readers_alone(self, peers: Peers, lines: Lines, mira: SignedIn) -> None:
        for shown, status in ((mira.access, 403), ("nonsense", 401), ("a.b.c", 401), (SECRET + "x", 401)):
            async for reader in reading(peers.ports[0], bearer=shown):
                assert reader.answer.status_code == status, shown

    async def test_lets_an_account_hear_that_may_and_only_as_long(
        self, peers: Peers, lines: Lines, mira: SignedIn
    ) -> None:
        await peers.command("user", "permit", mira.name, "revocations:read")
        ended_at = 0.0
        async for reader in reading(peers.ports[1], bearer=mira.access):
            await reader.until("beat")
            await peers.command("user", "forbid", mira.name, "revocations:read")
            forbidden_at = time.monotonic()
            with pytest.raises(AssertionError, match="ended"):
                await reader.until("never")
            ended_at = time.monotonic() - forbidden_at
        assert ended_at < 3


async def test_a_server_that_is_told_to_end_does_not_wait_for_its_listeners(
    peers: Peers, lines: Lines, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alone = Peers(
        tmp_path_factory.mktemp("alone") / "data",
        None,
        {"OSTIARY_REVOCATION__READERS": peers.environment["OSTIARY_REVOCATION__READERS"]},
    )
    try:
        alone.start(1)
        async for reader in reading(alone.ports[0]):
            await reader.until("beat")
            begun = time.monotonic()
            assert await asyncio.to_thread(alone.servers[0].terminate) == 0
            assert time.monotonic() - begun < 4
    finally:
        alone.close()
