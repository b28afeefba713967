"""A new password by mail: only for who reads the mailbox, once, and nobody else learns anything (R9)."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from tests.core.db.raw import raw
from tests.core.db.watching import statements
from tests.house import (
    API,
    NEW_PASSWORD,
    PASSWORD,
    OpenHouse,
    bearer,
    client_of,
    journalled,
    letter_to,
    login,
    register,
    token_in,
)
from tests.recovery.steps import ADDRESS, CALLER, FRESH, ask, confirm, letters, move, reset_token, settled, try_in

from ostiary.core.clock import ManualClock
from ostiary.core.errors import TooBusy
from ostiary.wiring import Ostiary


def slug(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


NOT_VALID = (401, "token-not-valid")


async def test_the_owner_chooses_a_new_password_and_signs_in_with_it(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await settled(house, outside)
    token = await reset_token(house, outside)

    answer = await confirm(outside, token)

    assert answer.status_code == 200
    assert [name for name in ("access_token", "refresh_token") if name in answer.text] == []  # nobody is signed in
    assert {cookie.partition("=")[0] for cookie in answer.headers.get_list("set-cookie")} == {"__Host-device"}
    assert await try_in(outside, PASSWORD) == 401
    assert await try_in(outside, FRESH) == 200
    told = await letter_to(house, ADDRESS, "was reset")
    assert "203.0.113.7" in told.text
    entries = await journalled(house)
    assert [entry for entry in entries if "reset" in entry] == [
        "password.reset_requested", "password.reset_offered", "password.reset_completed",
    ]  # fmt: skip


async def test_every_session_ends_and_every_access_token_dies(house: Ostiary, outside: httpx.AsyncClient) -> None:
    first = await settled(house, outside)
    second = await login(outside)

    await confirm(outside, await reset_token(house, outside))

    for held in (first, second):
        assert (await outside.get(f"{API}/me", headers=bearer(held))).status_code == 401
        again = await outside.post(f"{API}/refresh", json={"refresh_token": held["refresh_token"]})
        assert again.status_code == 401
    assert (await journalled(house)).count("session.ended") == 2


async def test_known_unknown_unproven_and_closed_addresses_get_one_answer_and_only_one_a_letter(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await settled(house, outside)
    await register(outside, "eve")  # never proven
    await settled(house, outside, "ada")
    async with house.database.unit() as unit:
        ada = await house.accounts.find_by_login(unit, "ada@example.org")
        assert await house.accounts.set_status(unit, ada or "", "active", "deactivated")
    before = len(letters(house))

    asked = (ADDRESS, "eve@example.org", "ada@example.org", "nobody@example.org", "mira", "no address at all", "")
    answers = [await ask(outside, email) for email in asked]

    for answer in answers:
        assert answer.status_code == 200
        assert answer.content == answers[0].content
        assert [name for name, _ in answer.headers.multi_items()] == [
            name for name, _ in answers[0].headers.multi_items()
        ]
    await house.outbox.drain()
    assert [letter.to for letter in letters(house, "Choose a new password")] == [ADDRESS]
    assert len(letters(house)) == before + 1


async def test_the_request_runs_the_same_statements_for_every_address(
    house: Ostiary, outside: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done before the answer is what its time can tell (R7)."""
    await settled(house, outside)
    await ask(outside, "warm@example.org")
    said = statements(house, monkeypatch)

    await ask(outside, ADDRESS)
    known, said[:] = list(said), []
    await ask(outside, "nobody@example.org")

    assert said == known
    assert len(known) > 2


async def test_the_address_may_stand_in_the_query_or_in_the_body_but_not_in_both(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await settled(house, outside)
    request = f"{API}/password-reset/request"

    assert (await outside.post(request, params={"email": ADDRESS})).status_code == 200
    await letter_to(house, ADDRESS, "Choose a new password")
    for answer in (
        await outside.post(request),
        await outside.post(request, json={}),
        await outside.post(request, params={"email": ADDRESS}, json={"email": "eve@example.org"}),
    ):
        assert slug(answer) == (422, "invalid-fields")


@pytest.mark.parametrize(
    "email", ["\u0000", "a@b\u2028c", "@", "a" * 310 + "@x.org", "m\u00edra@example.org", "\ud800@x.org"]
)
async def test_noise_is_answered_like_an_address(house: Ostiary, outside: httpx.AsyncClient, email: str) -> None:
    sent = {"email": email.encode("utf-8", "surrogatepass")}
    answer = await outside.post(f"{API}/password-reset/request", params=sent)
    assert answer.status_code == 200
    await house.outbox.drain()
    assert letters(house) == []


async def test_one_client_address_may_ask_ten_times_an_hour(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    for number in range(10):
        assert (await ask(outside, f"somebody{number}@example.org")).status_code == 200

    refused = await ask(outside)

    assert slug(refused) == (429, "limit-reached")
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    async with client_of(house, "198.51.100.9") as elsewhere:
        assert (await ask(elsewhere)).status_code == 200
    clock.advance(hours=1)
    assert (await ask(outside)).status_code == 200


async def test_a_mailbox_gets_five_letters_an_hour_and_the_answer_does_not_tell(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    house = await open_house(work=False, protection={"resets_per_hour": 100})
    async with client_of(house) as outside:
        await settled(house, outside)
        clock.advance(hours=2)  # the letter that proved the address counted, too
        answers = []
        for _ in range(8):
            answers.append(await ask(outside))
            await house.outbox.drain()

    assert {answer.content for answer in answers} == {answers[0].content}
    assert {answer.status_code for answer in answers} == {200}
    assert len(letters(house, "Choose a new password")) == 5


async def test_a_link_works_for_fifteen_minutes(house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock) -> None:
    await settled(house, outside)
    token = await reset_token(house, outside)
    clock.advance(minutes=15, milliseconds=-1)
    assert (await outside.get(f"/auth/reset?token={token}")).status_code == 200

    clock.advance(milliseconds=1)

    assert slug(await confirm(outside, token)) == NOT_VALID
    assert (await outside.get(f"/auth/reset?token={token}")).status_code == 404
    assert await try_in(outside, PASSWORD) == 200


async def test_a_link_works_once(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    token = await reset_token(house, outside)
    assert (await confirm(outside, token)).status_code == 200

    assert slug(await confirm(outside, token, NEW_PASSWORD)) == NOT_VALID
    assert await try_in(outside, FRESH) == 200
    assert "password.reset_refused" in await journalled(house)


async def test_of_many_confirmations_at_once_one_wins(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    token = await reset_token(house, outside)
    passwords = [f"{FRESH} {number}" for number in range(12)]

    answers = await asyncio.gather(*(confirm(outside, token, password) for password in passwords))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 11
    (winner,) = (word for answer, word in zip(answers, passwords, strict=True) if answer.status_code == 200)
    assert await try_in(outside, winner) == 200
    assert (await journalled(house)).count("password.reset_completed") == 1


async def test_looking_uses_nothing_up(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """Mail scanners follow links, some by HEAD, some many times."""
    await settled(house, outside)
    token = await reset_token(house, outside)
    for method in ("GET", "HEAD", "GET"):
        answer = await outside.request(method, f"/auth/reset?token={token}")
        assert answer.status_code == 200
        assert answer.headers.get_list("referrer-policy") == ["strict-origin"]
        assert answer.headers["cache-control"] == "no-store"

    assert (await confirm(outside, token)).status_code == 200


async def test_a_weak_password_is_refused_with_reasons_and_the_link_stays_good(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await settled(house, outside)
    token = await reset_token(house, outside)

    for weak in ("short", "password1234", "mira@example.org"):  # the last is made of the account's own address
        refused = await confirm(outside, token, weak)
        assert slug(refused) == (422, "weak-password")
        assert {error["field"] for error in refused.json()["errors"]} == {"new_password"}
    assert await try_in(outside, PASSWORD) == 200  # nothing was changed or ended

    assert (await confirm(outside, token)).status_code == 200


async def test_a_house_without_room_for_a_hash_leaves_the_link_good(
    house: Ostiary, outside: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settled(house, outside)
    token = await reset_token(house, outside)

    async def full(_: str) -> str:
        raise TooBusy(retry_after=1)

    with monkeypatch.context() as crowded:
        crowded.setattr(house.hasher, "hash", full)
        assert slug(await confirm(outside, token)) == (503, "too-busy")

    assert (await confirm(outside, token)).status_code == 200


async def test_a_newer_letter_takes_the_place_of_an_older(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    older = await reset_token(house, outside)
    newer = await reset_token(house, outside)

    assert slug(await confirm(outside, older)) == NOT_VALID
    assert (await confirm(outside, newer)).status_code == 200


async def test_two_letters_at_once_leave_one_good_link(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    await asyncio.gather(*(ask(outside) for _ in range(4)))
    await house.outbox.drain()
    tokens = [token_in(letter) for letter in letters(house, "Choose a new password")]
    assert len(set(tokens)) == 4

    answers = [await outside.get(f"/auth/reset?token={token}") for token in tokens]

    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]


async def test_a_changed_password_kills_the_link(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)
    token = await reset_token(house, outside)
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await outside.post(f"{API}/password/change", json=change, headers=bearer(held))).status_code == 200

    assert slug(await confirm(outside, token)) == NOT_VALID
    assert await try_in(outside, NEW_PASSWORD) == 200


async def test_a_changed_address_kills_the_link(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """Whoever reads the former mailbox is nobody to this account any more."""
    held = await settled(house, outside)
    token = await reset_token(house, outside)
    await move(house, outside, bearer(held), "mira@example.net")

    assert slug(await confirm(outside, token)) == NOT_VALID
    assert await try_in(outside, PASSWORD) == 200
    assert (await confirm(outside, await reset_token(house, outside, "mira@example.net"))).status_code == 200


async def test_closing_the_account_kills_the_link_for_good(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)
    token = await reset_token(house, outside)
    account_id = held["user"]["id"]
    async with house.database.unit() as unit:
        await house.accounts.set_status(unit, account_id, "active", "deactivated")
    assert slug(await confirm(outside, token)) == NOT_VALID

    async with house.database.unit() as unit:
        await house.accounts.set_status(unit, account_id, "deactivated", "active")
    assert slug(await confirm(outside, token)) == NOT_VALID  # D13: the epoch moved on


async def test_a_claim_that_a_thief_has_open_falls_with_the_password(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """Else the thief, who knew the password, proves the address afterwards and resets it to his own."""
    held = await settled(house, outside)
    change = {"email": "eve@example.org", "current_password": PASSWORD}
    assert (await outside.post(f"{API}/email/change", json=change, headers=bearer(held))).status_code == 200
    claim = token_in(await letter_to(house, "eve@example.org"))

    assert (await confirm(outside, await reset_token(house, outside))).status_code == 200

    assert slug(await outside.post(f"{API}/email/verify", json={"token": claim})) == NOT_VALID
    assert "address.claim_dropped" in await journalled(house)


async def test_a_reset_opens_a_locked_account(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    async with client_of(house, "198.51.100.66") as stranger:
        found = [await try_in(stranger, "not the battery at all") for _ in range(7)]
    assert found[-1] == 423
    assert await try_in(outside, PASSWORD) == 423

    assert (await confirm(outside, await reset_token(house, outside))).status_code == 200

    assert await try_in(outside, FRESH) == 200


async def test_a_reset_at_the_same_moment_as_a_sign_in_leaves_no_session_behind(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """Whichever comes first: a session that the old password opened does not outlive it."""
    await settled(house, outside)
    for number in range(3):
        token = await reset_token(house, outside)
        old = PASSWORD if number == 0 else f"{FRESH} {number - 1}"
        signing_in = outside.post(f"{API}/login", json={"login": "mira", "password": old})
        reset, signed_in = await asyncio.gather(confirm(outside, token, f"{FRESH} {number}"), signing_in)
        outside.cookies.clear()
        assert reset.status_code == 200
        if signed_in.status_code == 200:
            assert (await outside.get(f"{API}/me", headers=bearer(signed_in.json()))).status_code == 401
        else:
            assert signed_in.status_code == 401


@pytest.mark.parametrize("token", ["x", "x" * 43, "x" * 128, "\u00fc" * 43, "a.b.c"])
async def test_noise_is_no_link(house: Ostiary, outside: httpx.AsyncClient, token: str) -> None:
    await settled(house, outside)
    await reset_token(house, outside)
    assert slug(await confirm(outside, token)) == NOT_VALID


async def test_the_secret_is_stored_as_a_keyed_digest_only(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    token = await reset_token(house, outside)
    rows = await raw(house.database_url, "SELECT * FROM onetime_tokens WHERE purpose = 'password.reset'")
    (hashed,) = await raw(house.database_url, "SELECT hash FROM passwords")
    assert len(rows) == 1
    assert token not in repr(rows)
    assert hashed[0] not in repr(rows)
    assert ADDRESS not in repr(rows)


async def test_a_job_that_runs_twice_leaves_the_newer_letter_good(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)
    for _ in range(2):
        await house.recovery.send_reset_letter({"account_id": held["user"]["id"]})
    newer, older = (token_in(letter) for letter in letters(house, "Choose a new password"))
    assert await house.recovery.look_reset(CALLER, older) is None
    assert await house.recovery.look_reset(CALLER, newer) is not None


async def test_a_mail_server_that_is_away_for_a_minute_does_not_use_up_the_mailbox(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settled(house, outside)
    assert (await ask(outside)).status_code == 200

    async def away(_: object) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as broken:
        broken.setattr(house.post, "deliver", away)
        for _ in range(7):  # more attempts than letters an hour are allowed
            await house.outbox.drain()
            clock.advance(minutes=1)
    clock.advance(minutes=10)

    token = token_in(await letter_to(house, ADDRESS, "Choose a new password"))
    assert (await confirm(outside, token)).status_code == 200
