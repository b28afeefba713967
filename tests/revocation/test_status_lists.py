"""Status lists as a verifier reads them that knows the standard and nothing of the house."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.house import API, ORIGIN, OpenHouse, bearer, client_of, login, register

from ostiary.client import StatusLists, TokenRefused, Verifier
from ostiary.core.caller import HOUSE
from ostiary.core.clock import ManualClock
from ostiary.revocation import lists
from ostiary.revocation.lists import compressed
from ostiary.wiring import Ostiary

LISTED = {"status_claim": True}


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest) -> str:
    """Numbers are given by each database in its own way."""
    kind: str = request.param
    return kind


@pytest.fixture
async def house(open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch) -> Ostiary:
    """A house whose tokens name their place, and which writes lists anew each time."""
    monkeypatch.setattr(lists, "LONGEST_KEPT", -1.0)
    opened: Ostiary = await open_house(work=False, sessions=LISTED)
    return opened


@pytest.fixture
async def client(house: Ostiary) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that house."""
    async with client_of(house) as client:
        yield client


def place(signed_in: dict[str, Any]) -> dict[str, Any]:
    """Return where a token's status stands, read from the token alone."""
    payload = signed_in["access_token"].split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    found: dict[str, Any] = said["status"]["status_list"]
    return found


async def status(client: httpx.AsyncClient, signed_in: dict[str, Any]) -> int:
    """Return the status of a token by the rules of the standard (section 8.3)."""
    where = place(signed_in)
    answer = await client.get(where["uri"].removeprefix(ORIGIN))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/statuslist+jwt"
    keys = KeySet.import_key_set((await client.get("/.well-known/jwks.json")).json())
    token = jwt.decode(answer.text, keys, algorithms=["ES256"])
    assert token.header["typ"] == "statuslist+jwt"
    said = token.claims
    assert said["sub"] == where["uri"]
    assert said["exp"] > said["iat"]
    assert said["ttl"] > 0
    text: str = said["status_list"]["lst"]
    bits: int = said["status_list"]["bits"]
    data: bytes = zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    at: int = where["idx"] * bits
    return (data[at // 8] >> (at % 8)) & ((1 << bits) - 1)


async def test_a_session_that_ended_is_invalid_and_others_are_not(house: Ostiary, client: httpx.AsyncClient) -> None:
    mira = await register(client)
    elsewhere = await login(client)
    assert place(mira) != place(elsewhere)
    assert [await status(client, one) for one in (mira, elsewhere)] == [0, 0]
    await client.post(f"{API}/logout", headers=bearer(mira))
    assert [await status(client, one) for one in (mira, elsewhere)] == [1, 0]
    refreshed = await client.post(f"{API}/refresh", json={"refresh_token": elsewhere["refresh_token"]})
    assert place(refreshed.json()) == place(elsewhere)


async def test_whatever_ends_an_account_makes_its_tokens_invalid(house: Ostiary, client: httpx.AsyncClient) -> None:
    mira, noor, otto = [await register(client, name) for name in ("mira", "noor", "otto")]
    async with house.database.unit(HOUSE) as unit:
        await house.accounts.set_status(unit, mira["user"]["id"], "provisional", "deactivated")
    async with house.database.unit(HOUSE) as unit:
        await house.sessions.end_others(unit, noor["user"]["id"], "", "deleted")
        await house.accounts.delete(unit, noor["user"]["id"])
    assert [await status(client, one) for one in (mira, noor, otto)] == [1, 1, 0]


async def test_another_process_says_the_same_also_one_that_starts_later(
    house: Ostiary, client: httpx.AsyncClient, open_house: OpenHouse
) -> None:
    beside = await open_house(work=False, sessions=LISTED)
    mira, noor = await register(client), await register(client, "noor")
    await client.post(f"{API}/logout", headers=bearer(mira))
    later = await open_house(work=False, sessions=LISTED)
    for other in (beside, later):
        async with client_of(other) as there:
            assert [await status(there, one) for one in (mira, noor)] == [1, 0]


async def test_it_stays_invalid_as_long_as_a_token_could_be_alive(
    house: Ostiary, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    mira = await register(client)
    await client.post(f"{API}/logout", headers=bearer(mira))
    clock.advance(seconds=14 * 60)
    noor = await register(client, "noor")
    assert await status(client, mira) == 1
    await client.post(f"{API}/logout", headers=bearer(noor))
    assert [await status(client, one) for one in (mira, noor)] == [1, 1]


async def test_there_are_no_lists_but_those_that_tokens_name(house: Ostiary, client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{API}/status-lists/0")).status_code == 404
    await register(client)
    assert (await client.get(f"{API}/status-lists/0")).status_code == 200
    for which in ("1", "99999999", "-1", "x", str(2**50)):
        assert (await client.get(f"{API}/status-lists/{which}")).status_code in (404, 422), which
    assert await house.sessions.prune() == 0
    await register(client, "noor")
    assert await house.sessions.last_number() == 2  # pruning gives no number twice


async def test_a_list_is_not_counted_and_may_be_cached_for_a_moment(open_house: OpenHouse) -> None:
    house = await open_house(sessions=LISTED, protection={"anonymous_per_minute": 5})
    async with client_of(house) as client:
        await register(client)
        for _ in range(20):
            answer = await client.get(f"{API}/status-lists/0")
            assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=10"
        assert len(house.status_lists._written) == 1


class Bridge(httpx.BaseTransport):
    """Carries what a program asks in a thread of its own to a house in this loop."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asking = self._client.request(request.method, str(request.url), headers=request.headers)
        answer = asyncio.run_coroutine_threadsafe(asking, self._loop).result(10)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))


async def test_our_own_reader_refuses_what_ended_within_its_bound(
    house: Ostiary, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    mira, noor = await register(client), await register(client, "noor")
    turned: dict[str, Any] = {
        "clock": lambda: clock.now() / 1000, "steady": lambda: clock.now() / 1000, "transport": Bridge(client),
    }  # fmt: skip
    verifier = Verifier(issuer=ORIGIN, audience=ORIGIN, revocations=StatusLists(issuer=ORIGIN, **turned), **turned)
    for person in (mira, noor):
        assert (await verifier.verify_async(person["access_token"])).username == person["user"]["username"]

    await client.post(f"{API}/logout", headers=bearer(mira))
    clock.advance(seconds=60)

    with pytest.raises(TokenRefused, match="revoked"):
        await verifier.verify_async(mira["access_token"])
    assert (await verifier.verify_async(noor["access_token"])).username == "noor"


async def test_without_the_setting_a_token_names_none(open_house: OpenHouse) -> None:
    house = await open_house()
    async with client_of(house) as client:
        mira = await register(client)
        with pytest.raises(KeyError):
            place(mira)
        assert await house.sessions.last_number() == 0


def test_the_bits_are_those_of_the_standards_own_example() -> None:
    # Section 4.1: statuses 1 0 0 1 1 1 0 1, 1 1 0 0 0 1 0 1 are the bytes B9 A3.
    revoked = {place for place, bit in enumerate((1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1)) if bit}
    text = compressed(revoked)
    data = zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert data[:2] == bytes([0xB9, 0xA3])
    assert not any(data[2:])
