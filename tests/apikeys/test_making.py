"""Making, listing, rotating and revoking keys: who may, what is stored, what the owner hears."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select
from tests.apikeys.steps import (
    Headers,
    ask,
    listed,
    made,
    make,
    name_of,
    owner,
    refuses,
    revoke,
    rotate,
    showing,
    status,
)
from tests.attacks.raw import contents
from tests.house import API, OpenHouse, bearer, client_of, journalled, letter_to, register, strengthened
from tests.passkeys.steps import add
from tests.recovery.steps import ADDRESS, CALLER, disown_token, letters

from ostiary.apikeys import NewKey, NoSuchApiKey
from ostiary.core.caller import Caller
from ostiary.core.clock import ManualClock, iso
from ostiary.core.db import Query
from ostiary.core.secrets import unb64
from ostiary.core.tables import journal
from ostiary.sessions import NotSignedIn
from ostiary.wiring import Ostiary

DAY = 86_400_000


async def test_a_key_is_shown_once_and_stored_nowhere(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await owner(house, outside)

    answer = await make(outside, mira, name="Backup <b>of</b> books", scopes=["books:read", "books:lend"])

    assert answer.status_code == 200
    told = answer.json()
    text = told.pop("api_key")
    assert told == (await listed(outside, mira))[0]
    assert (told["name"], told["scopes"]) == ("Backup of books", ["books:lend", "books:read"])
    assert told["hint"] == name_of(text).hint
    secret = text.rpartition("_")[2]
    everything = repr(await contents(house, without=frozenset()))
    assert told["id"] in everything
    assert secret not in everything
    letter = await letter_to(house, ADDRESS, "API key was made")
    assert told["hint"] in letter.text
    assert "Backup of books" in letter.text
    assert secret not in letter.text + letter.html
    assert "apikey.issued" in await journalled(house)


@dataclass(frozen=True)
class Thief:
    """Somebody in a session of mira's, who has one of her keys in view."""

    house: Ostiary
    client: httpx.AsyncClient
    bearing: Headers
    caller: Caller
    text: str

    async def does_nothing(self) -> None:
        """Ask the verbs themselves, as what is past the gate does."""
        keys, account_id, key_id = self.house.api_keys, self.caller.account_id or "", name_of(self.text).id
        before = (await contents(self.house))["api_keys"]
        for late in (
            keys.issue(self.caller, account_id, NewKey.of("x")),
            keys.rotate(self.caller, account_id, key_id, timedelta(0)),
            keys.revoke(self.caller, account_id, key_id),
        ):
            with pytest.raises((NotSignedIn, NoSuchApiKey)):
                await late
        assert (await contents(self.house))["api_keys"] == before


async def each_change(client: httpx.AsyncClient, bearing: Headers, text: str) -> list[httpx.Response]:
    """Return how each change of keys is answered."""
    return [
        await make(client, bearing),
        await rotate(client, bearing, text),
        await revoke(client, bearing, text),
    ]


class TestWhoMayNot:
    async def test_somebody_whose_address_is_not_proven(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        stranger = bearer(await register(outside))

        assert refuses(await make(outside, stranger), 403, "address-not-proven")

    async def test_somebody_whose_proof_is_long_ago(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        mira = await owner(house, outside)
        text = await made(outside, mira)
        clock.advance(minutes=10, seconds=1)

        for refused in await each_change(outside, mira, text):
            assert refuses(refused, 401, "sign-in-too-old")
            assert 'error="insufficient_user_authentication"' in refused.headers["www-authenticate"]
        assert await status(outside, text) == 200  # and nothing has changed

    async def test_somebody_who_has_shown_less_than_the_account_can(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        mira = await owner(house, outside)
        text = await made(outside, mira)
        await add(outside, mira)  # a passkey: from now on the password alone is not enough

        for refused in await each_change(outside, mira, text):
            assert refuses(refused, 401, "sign-in-too-weak")
        assert await status(outside, text) == 200

        shown = {"access_token": mira["authorization"].removeprefix("Bearer ")}
        strong = bearer(await strengthened(house, shown))
        new = (await rotate(outside, strong, text)).json()["api_key"]
        assert [await status(outside, key) for key in (text, new, await made(outside, strong))] == [401, 200, 200]
        assert (await revoke(outside, strong, new)).status_code == 200
        assert await status(outside, new) == 401

    async def test_a_key_itself(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        text = await made(outside, await owner(house, outside))
        by_key = showing(text)

        for answer in (
            await make(outside, by_key),
            await rotate(outside, by_key, text),
            await revoke(outside, by_key, text),
            await outside.get(f"{API}/api-key", headers=by_key),
        ):
            assert refuses(answer, 403, "api-key-not-accepted")
            assert answer.headers["www-authenticate"] == 'Bearer realm="ostiary", error="insufficient_scope"'

    async def test_somebody_else(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        text = await made(outside, await owner(house, outside))
        eve = await owner(house, outside, "eve")

        assert refuses(await rotate(outside, eve, text), 404, "no-such-api-key")
        assert refuses(await revoke(outside, eve, text), 404, "no-such-api-key")
        assert await listed(outside, eve) == []
        assert await status(outside, text) == 200

    async def test_a_form_on_another_site(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        signed_in = await outside.post(f"{API}/register", json={
            "username": "mira", "email": ADDRESS, "password": "correct horse battery",
        })  # fmt: skip
        cookies = {"cookie": f"__Host-access_token={signed_in.json()['access_token']}"}
        outside.cookies.clear()

        assert refuses(await make(outside, cookies), 403, "csrf-token-missing")
        foreign = await make(outside, cookies | {"origin": "https://evil.example"})
        assert refuses(foreign, 403, "foreign-origin")


class TestWhatWasAskedForBeforeTheSessionEnded:
    """A thief is past the gate already when the owner ends it: nothing is made, renewed or revoked afterwards."""

    @pytest.fixture
    async def thief(self, house: Ostiary, outside: httpx.AsyncClient) -> Thief:
        mira = await owner(house, outside)
        text = await made(outside, mira)
        claims = json.loads(unb64(mira["authorization"].split(".")[1]))
        caller = Caller(request_id="late", account_id=claims["sub"], session_id=claims["sid"])
        return Thief(house, outside, mira, caller, text)

    async def test_by_this_was_not_me(self, thief: Thief) -> None:
        letter = await letter_to(thief.house, ADDRESS, "API key was made")

        await thief.house.recovery.disown(CALLER, disown_token(letter))

        await thief.does_nothing()
        assert await status(thief.client, thief.text) == 401

    async def test_by_signing_that_device_out(self, thief: Thief) -> None:
        assert (await thief.client.post(f"{API}/logout", headers=thief.bearing)).status_code == 200

        await thief.does_nothing()
        assert await status(thief.client, thief.text) == 200  # a key hangs on no session

    async def test_or_while_it_ended(self, thief: Thief) -> None:
        token = disown_token(await letter_to(thief.house, ADDRESS, "API key was made"))

        disowning = asyncio.create_task(thief.house.recovery.disown(CALLER, token))
        making = [make(thief.client, thief.bearing) for _ in range(5)]
        answers = await asyncio.gather(*making, rotate(thief.client, thief.bearing, thief.text))
        await disowning

        assert {answer.status_code for answer in answers} <= {200, 401, 404}
        for text in (answer.json()["api_key"] for answer in answers if answer.status_code == 200):
            assert await status(thief.client, text) == 401


IMPOSSIBLE: list[tuple[dict[str, object], str]] = [
    ({"name": ""}, "name"),
    ({"name": "\u200b"}, "name"),
    ({"name": "x" * 61}, "name"),
    ({"scopes": ["Books"]}, "scopes"),
    ({"scopes": ["books lend"]}, "scopes"),
    ({"scopes": ["*"]}, "scopes"),
    ({"scopes": [f"s{number}" for number in range(51)]}, "scopes"),
    ({"networks": ["everywhere"]}, "networks"),
    ({"networks": ["203.0.113.0/33"]}, "networks"),
    ({"networks": ["0.0.0.0/0"]}, "networks"),
    ({"networks": ["::/0"]}, "networks"),
    ({"networks": ["::ffff:203.0.113.0/120"]}, "networks"),
    ({"networks": ["fe80::1%eth0"]}, "networks"),
    ({"expires_at": "tomorrow"}, "expires_at"),
    ({"expires_at": "2027-13-01T00:00:00Z"}, "expires_at"),
    ({"expires_at": "2027-01-01T00:00:00"}, "expires_at"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ({"expires_at": 1_900_000_000}, "expires_at"),
    ({"account_id": "AAAAAAAAAAAAAAAAAAAAAA"}, "account_id"),
]


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_what_a_key_cannot_be_is_said_beside_its_field(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await owner(house, outside)
    for wanted, field in IMPOSSIBLE:
        answer = await make(outside, mira, **wanted)

        assert refuses(answer, 422, "invalid-fields"), wanted
        assert {error["field"].partition(".")[0] for error in answer.json()["errors"]} == {field}, wanted
    assert await listed(outside, mira) == []


async def test_networks_and_times_come_back_in_one_spelling(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await owner(house, outside)
    networks = ["2001:DB8::/48", "203.0.113.77/24", "::ffff:192.0.2.1", "192.0.2.1", "2001:db8::1"]

    told = (await make(outside, mira, networks=networks, expires_at="2030-01-31T13:00:00.5+01:00")).json()

    assert told["networks"] == ["192.0.2.1/32", "203.0.113.0/24", "2001:db8::/48", "2001:db8::1/128"]
    assert told["expires_at"] == "2030-01-31T12:00:00.500Z"


async def test_the_settings_bound_number_and_lifetime(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(work=False, apikeys={"most": 2, "longest_lifetime": "P30D", "prefix": "acme"})
    async with client_of(house) as client:
        mira = await owner(house, client)
        late, soon = iso(clock.now() + 31 * DAY), iso(clock.now() + 10 * DAY)
        assert refuses(await make(client, mira, expires_at=late), 422, "invalid-fields")
        first, second = await made(client, mira), await made(client, mira, expires_at=soon)
        assert first.startswith("acme_")
        assert {key["expires_at"] for key in await listed(client, mira)} == {iso(clock.now() + 30 * DAY), soon}

        assert refuses(await make(client, mira), 409, "too-many-api-keys")
        assert (await revoke(client, mira, first)).status_code == 200
        assert refuses(await revoke(client, mira, first), 404, "no-such-api-key")
        answers = await asyncio.gather(*(make(client, mira) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
        assert await status(client, second) == 200


# Rotating


async def test_a_rotated_key_keeps_its_rights_and_the_old_secret_ends_when_the_overlap_does(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    mira = await owner(house, outside)
    old = await made(outside, mira, scopes=["books:lend"], networks=["203.0.113.0/24"])
    assert await status(outside, old) == 200

    told = (await rotate(outside, mira, old, overlap_seconds=300)).json()

    new = told["api_key"]
    assert name_of(new).id == name_of(old).id
    assert (told["scopes"], told["networks"]) == (["books:lend"], ["203.0.113.0/24"])
    assert told["previous_ends_at"] == iso(clock.now() + 300_000)
    assert [await status(outside, text) for text in (old, new)] == [200, 200]
    clock.advance(seconds=299)
    assert [await status(outside, text) for text in (old, new)] == [200, 200]
    clock.advance(seconds=1)
    assert [await status(outside, text) for text in (old, new)] == [401, 200]
    assert name_of(new).hint in (await letter_to(house, ADDRESS, "new secret")).text

    newest = (await rotate(outside, mira, new)).json()["api_key"]  # without an overlap, as after a leak
    assert [await status(outside, text) for text in (old, new, newest)] == [401, 401, 200]
    assert refuses(await rotate(outside, mira, new, overlap_seconds=8 * 86_400), 422, "invalid-fields")


async def test_rotating_again_ends_the_oldest_secret_and_revoking_ends_all(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    mira = await owner(house, outside)
    texts = [await made(outside, mira)]
    for _ in range(2):
        texts.append((await rotate(outside, mira, texts[-1], overlap_seconds=3600)).json()["api_key"])
    assert [await status(outside, text) for text in texts] == [401, 200, 200]

    assert (await revoke(outside, mira, texts[-1])).status_code == 200

    assert [await status(outside, text) for text in texts] == [401, 401, 401]
    assert refuses(await rotate(outside, mira, texts[-1]), 404, "no-such-api-key")


async def test_of_many_rotations_at_once_one_wins_and_only_its_secret_opens(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    mira = await owner(house, outside)
    text = await made(outside, mira)

    answers = await asyncio.gather(*(rotate(outside, mira, text, overlap_seconds=60) for _ in range(8)))

    winners = [answer.json()["api_key"] for answer in answers if answer.status_code == 200]
    assert len(winners) >= 1  # those that come one after the other may each win
    for answer in answers:
        if answer.status_code != 200:
            assert refuses(answer, 409, "api-key-rotated")
    alive = [winner for winner in winners if await status(outside, winner) == 200]
    (row,) = (await contents(house))["api_keys"]
    assert row[7] == 1 + len(winners)  # generation: each that was handed out was stored, and nothing twice
    assert 1 <= len(alive) <= 2


async def test_two_rotations_that_saw_the_same_key_cannot_both_win(
    house: Ostiary, outside: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    mira = await owner(house, outside)
    text = await made(outside, mira)
    both = asyncio.Barrier(2)
    digests = house.api_keys._digests
    made_of = type(digests).make

    async def wait_for_the_other(self: Any, of: str) -> str:  # noqa: ANN401
        digest = await made_of(self, of)
        await both.wait()  # each has read the key, neither has written
        return digest

    monkeypatch.setattr(type(digests), "make", wait_for_the_other)
    answers = await asyncio.gather(rotate(outside, mira, text), rotate(outside, mira, text))
    monkeypatch.undo()

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (winner,) = [answer.json()["api_key"] for answer in answers if answer.status_code == 200]
    assert await status(outside, winner) == 200
    assert len([None for letter in letters(house) if "new secret" in letter.subject]) == 0
    await house.outbox.drain()
    assert len(letters(house, "new secret")) == 1


# Revoking


async def test_revoking_is_told_and_journalled_and_rows_go_after_a_month(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    mira = await owner(house, outside)
    text, ending = await made(outside, mira), await made(outside, mira, expires_at=iso(clock.now() + DAY))

    assert (await revoke(outside, mira, text)).json() == {"detail": "The API key is revoked."}

    assert "Backup" in (await letter_to(house, ADDRESS, "was revoked")).text
    assert "apikey.revoked" in await journalled(house)
    assert [key["id"] for key in await listed(outside, mira)] == [name_of(ending).id]
    clock.advance(days=29)
    assert await house.api_keys.prune() == 0
    clock.advance(days=3)
    assert await house.api_keys.prune() == 2


class _Entry(msgspec.Struct, frozen=True):
    details: str


async def test_the_journal_knows_why_a_key_was_refused_and_says_it_once_an_hour(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    mira = await owner(house, outside)
    far = await made(outside, mira, networks=["192.0.2.0/24"])
    short = await made(outside, mira, expires_at=iso(clock.now() + 1000))
    gone = await made(outside, mira)
    await revoke(outside, mira, gone)
    clock.advance(seconds=2)
    for _ in range(3):
        for text in (far, short, gone):
            assert refuses(await ask(outside, text), 401, "api-key-refused")
    clock.advance(hours=1)
    await ask(outside, far)

    refused = Query(select(journal.c.details).where(journal.c.action == "apikey.refused"), _Entry)
    told = sorted(entry.details for entry in await house.database.all(refused))

    reasons = [msgspec.json.decode(entry)["reason"] for entry in told]
    assert sorted(reasons) == ["address", "address", "expired", "revoked"]
    assert all(name_of(text).id in "".join(told) for text in (far, short, gone))
