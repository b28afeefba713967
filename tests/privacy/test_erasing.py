"""Erasing an account: closed at once, kept by a letter, gone after the grace (R8, D12)."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.browser import Browser
from tests.contract.test_register_and_login import assert_problem
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
    strengthened,
    token_in,
)
from tests.passkeys.steps import add
from tests.privacy.steps import ERASING, erase, everything_stored, export, keep, keep_token, sid_of
from tests.recovery.steps import ADDRESS, FRESH, confirm, disown_token, letters, move, prove, settled, try_in

from ostiary.accounts import TokenSpent, UsernameTaken, check_address, check_username
from ostiary.core.caller import HOUSE, KEEPER, Caller
from ostiary.core.clock import ManualClock
from ostiary.core.crypto import FIND_KEY
from ostiary.core.db.sqlite import connect
from ostiary.core.errors import Misconfigured
from ostiary.incident import Cause
from ostiary.sessions import NotSignedIn
from ostiary.wiring import Ostiary

GRACE = timedelta(days=14)
AGENT = "Mozilla/5.0 (X11; Planted) Firefox/140.0"


async def asked(house: Ostiary, client: httpx.AsyncClient) -> dict[str, Any]:
    """Let somebody with a proven address ask to be erased; return what they held."""
    held = await settled(house, client)
    answer = await erase(client, held)
    assert answer.status_code == 200, answer.text
    return held


async def test_the_account_is_closed_at_once_on_every_process(open_house: OpenHouse, clock: ManualClock) -> None:
    here, there = await open_house(work=False), await open_house(work=False)
    async with client_of(here) as client, client_of(there) as other:
        held = await settled(here, client)
        second = await login(other)
        for one in (held, second):
            assert (await other.get(f"{API}/me", headers=bearer(one))).status_code == 200

        answer = await erase(client, held)

        assert answer.status_code == 200
        assert answer.json()["due_at"].startswith("20")
        for one in (held, second):
            for door in (client, other):
                assert (await door.get(f"{API}/me", headers=bearer(one))).status_code == 401
                refreshed = await door.post(f"{API}/refresh", json={"refresh_token": one["refresh_token"]})
                assert refreshed.status_code == 401
                door.cookies.clear()
        assert await try_in(other, PASSWORD) == 401


async def test_it_wants_the_password_and_a_sign_in_just_now(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    held = await settled(house, outside)
    assert_problem(await erase(outside, held, "wrong"), 401, "wrong-current-password")

    clock.advance(minutes=10, seconds=1)
    refused = await erase(outside, held)

    assert refused.status_code == 401
    assert refused.json()["type"].endswith("/sign-in-too-old")
    assert refused.json()["max_age"] == 600
    assert (await outside.get(f"{API}/me", headers=bearer(held))).status_code == 200
    assert not letters(house, ERASING)


async def test_whoever_has_no_password_leaves_by_a_sign_in_just_now(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    browser = Browser(outside)
    await browser.sign_in()
    held = await login(outside)
    async with house.database.unit(KEEPER) as unit:
        await house.passwords.forget(unit, held["user"]["id"])

    assert_problem(await erase(outside, held, "guessed"), 401, "wrong-current-password")
    shown = await browser.get("/auth/account/erase?step=2")
    assert "Your account has no password" in shown.text
    assert 'name="current_password"' not in shown.text
    answer = await browser.submit("/auth/account/erase", at="/auth/account/erase?step=2")

    assert answer.status_code == 200
    assert "Your account is closed" in answer.text
    assert (await outside.get(f"{API}/me", headers=bearer(held))).status_code == 401
    await letter_to(house, ADDRESS, ERASING)


async def test_what_a_thief_asked_before_this_was_not_me_closes_nothing_after_it(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """It takes the password away, so that a thief past the gate would be one who has none."""
    held = await settled(house, outside)
    thief = Caller(request_id="late", account_id=held["user"]["id"], session_id=sid_of(held))
    await export(outside, held)
    await house.recovery.disown(KEEPER, disown_token(await letter_to(house, ADDRESS, "copy of your data")))

    with pytest.raises(NotSignedIn):
        await house.privacy.erase(thief, "")

    account = await house.accounts.remembered(held["user"]["id"])
    assert account is not None
    assert account.is_alive


async def test_the_letters_link_keeps_the_account_and_every_session_stays_ended(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    held = await asked(house, outside)
    token = await keep_token(house)
    clock.advance(days=13)

    async with client_of(house, "198.51.100.20") as phone:
        browser = Browser(phone)
        for method in ("GET", "HEAD", "GET"):  # mail scanners follow links
            looked = await browser.request(method, f"/auth/keep?token={token}")
            assert looked.status_code == 200
            assert looked.headers.get_list("referrer-policy") == ["strict-origin"]
        answer = await browser.submit("/auth/keep", at=f"/auth/keep?token={token}", token=token)

    assert answer.status_code == 200
    assert "Your account is kept" in answer.text
    assert (await outside.get(f"{API}/me", headers=bearer(held))).status_code == 401
    assert await try_in(outside, PASSWORD) == 200
    await letter_to(house, ADDRESS, "is kept")
    clock.advance(days=30)
    assert await house.privacy.tend(HOUSE) == 0
    assert await try_in(outside, PASSWORD) == 200


async def test_yesterdays_link_keeps_nothing(house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock) -> None:
    await asked(house, outside)
    first = await keep_token(house)
    assert (await keep(outside, first)).status_code == 200
    assert_problem(await keep(outside, first), 401, "token-not-valid")

    assert (await erase(outside, await login(outside))).status_code == 200
    second = await keep_token(house)

    assert_problem(await keep(outside, first), 401, "token-not-valid")
    assert (await outside.get(f"/auth/keep?token={first}")).status_code == 404
    assert (await keep(outside, second)).status_code == 200


async def test_a_link_kept_from_an_erasure_that_the_keeper_cancelled_is_worth_nothing(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    held = await asked(house, outside)
    first = await keep_token(house)
    assert await house.privacy.keep_for(KEEPER, held["user"]["id"])
    assert not await house.privacy.keep_for(KEEPER, held["user"]["id"])
    await erase(outside, await login(outside))

    assert_problem(await keep(outside, first), 401, "token-not-valid")


async def test_the_link_works_to_the_last_moment_and_not_beyond(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await asked(house, outside)
    token = await keep_token(house)
    clock.advance(days=14, milliseconds=-1)
    assert await house.privacy.tend(HOUSE) == 0
    assert (await outside.get(f"/auth/keep?token={token}")).status_code == 200

    clock.advance(milliseconds=1)

    assert_problem(await keep(outside, token), 401, "token-not-valid")
    assert await house.privacy.tend(HOUSE) == 1
    assert_problem(await keep(outside, token), 401, "token-not-valid")


async def test_erased_means_that_nothing_about_the_person_is_left(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    outside.headers["user-agent"] = AGENT
    held = await settled(house, outside)
    account_id = held["user"]["id"]
    await outside.patch(f"{API}/me", json={"full_name": "Mira Planted"}, headers=bearer(held))
    await outside.post(
        f"{API}/email/change", json={"email": "second@example.net", "current_password": PASSWORD}, headers=bearer(held)
    )
    await add(outside, bearer(held), name="Planted key")
    async with house.database.unit(Caller(request_id="test", address="198.51.100.77", agent=AGENT)) as unit:
        unit.later("letter", kind="no_such_kind", account_id=account_id, to=ADDRESS, when=0, address="198.51.100.77")
    await house.outbox.drain()  # given up or waiting, it is there
    stored = await everything_stored(house)
    for planted in (ADDRESS, "Mira Planted", "203.0.113.7", "second@example.net", "mira", "Planted key"):
        assert planted in stored  # else the search below finds nothing wherever it looks

    assert (await erase(outside, await strengthened(house, held))).status_code == 200
    await house.outbox.drain()
    clock.advance(days=14)
    assert await house.privacy.tend(HOUSE) == 1
    await house.outbox.drain()

    stored = await everything_stored(house)
    gone = (ADDRESS, "Mira Planted", "203.0.113.7", "198.51.100.77", "second@example.net", "mira", "Planted key", AGENT)
    for planted in gone:
        assert planted not in stored
    assert not [job async for job in house.outbox.naming(account_id)]
    lines = await house.audit.listed(account_id, most=1000)
    assert lines[0].action == "account.erased"
    assert {"account.opened", "login.succeeded", "account.erasure_asked"} & {line.action for line in lines}
    assert all(line.private is None for line in lines if line.action == "address.proven")
    assert (await house.audit.verify()).ok


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_the_key_of_an_erased_account_is_in_no_free_page(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """D12: with it, and the root secret, what it sealed in the journal could be read again."""
    erased, other = await settled(house, outside), await settled(house, outside, "nils")
    async with house.database.unit() as unit:
        gone = await unit.get(FIND_KEY, account_id=erased["user"]["id"])
        kept = await unit.get(FIND_KEY, account_id=other["user"]["id"])
    await house.privacy.erase_for(KEEPER, erased["user"]["id"], now=True)
    await house.close()  # the last connection takes the write-ahead log along

    file = Path(house.database_url.removeprefix("sqlite:///"))
    with closing(connect(file)) as connection:
        assert connection.execute("PRAGMA secure_delete").fetchone() == (1,)  # of itself, or because we asked
    written = await asyncio.to_thread(file.read_bytes)
    assert kept.sealed in written
    assert gone.sealed not in written


async def test_an_old_address_begins_anew_and_inherits_nothing(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    held = await settled(house, outside)
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.permit(unit, held["user"]["id"], "csp-reports:read")
    await erase(outside, held)
    clock.advance(days=14)
    await house.privacy.tend(HOUSE)

    again = await register(outside, "someone", email=ADDRESS)
    await prove(house, outside, ADDRESS)

    assert again["user"]["id"] != held["user"]["id"]
    me = (await outside.get(f"{API}/me", headers=bearer(again))).json()
    assert me["email_verified"] is True
    async with house.database.unit() as unit:
        account = await house.accounts.get(unit, again["user"]["id"])
    assert account.permissions == ()
    exported = (await outside.post(f"{API}/account/export", headers=bearer(again))).json()
    assert held["user"]["id"] not in str(exported)


async def test_whoever_opens_with_the_name_after_the_early_check_is_refused(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """The early check spares a hash; the one after the insert decides."""
    held = await settled(house, outside)
    await house.privacy.erase_for(KEEPER, held["user"]["id"], now=True)

    name = check_username("mira", house.settings.accounts.usernames)
    address = check_address("thief@example.net", house.settings.accounts.addresses)

    async def open_late() -> None:
        async with house.database.unit(KEEPER) as unit:
            await house.accounts.open(unit, name, address, "")

    with pytest.raises(UsernameTaken):
        await open_late()


@pytest.mark.parametrize("name", ["mira", "MIRA", "rnira"])
async def test_nobody_else_gets_the_name_for_a_while(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock, name: str
) -> None:
    await asked(house, outside)
    clock.advance(days=14)
    await house.privacy.tend(HOUSE)
    body = {"username": name, "email": "thief@example.net", "password": PASSWORD}

    assert_problem(await outside.post(f"{API}/register", json=body), 409, "username-taken")

    clock.advance(days=89, hours=23)
    await house.privacy.tend(HOUSE)
    assert_problem(await outside.post(f"{API}/register", json=body), 409, "username-taken")
    clock.advance(hours=1)
    assert (await outside.post(f"{API}/register", json=body)).status_code == 201
    await house.privacy.tend(HOUSE)


async def test_a_name_rests_on_when_keys_are_replaced(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    held = await settled(house, outside)
    await house.privacy.erase_for(KEEPER, held["user"]["id"], now=True)
    for _ in range(2):  # an index key would be destroyed by now
        await house.keys.rotate(KEEPER, ("data", "index"))
        clock.advance(days=40)
        await house.keys.tend(HOUSE)
        await house.keys.reload()

    body = {"username": "mira", "email": "thief@example.net", "password": PASSWORD}
    assert_problem(await outside.post(f"{API}/register", json=body), 409, "username-taken")


async def test_a_name_that_is_just_being_freed_rests_for_who_registers_at_the_same_moment(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    here, there = await open_house(work=False), await open_house(work=False)
    async with client_of(here) as client, client_of(there, "198.51.100.9") as other:
        await erase(client, await settled(here, client))
        clock.advance(days=14)
        body = {"username": "mira", "email": "thief@example.net", "password": PASSWORD}

        erased, *answers = await asyncio.gather(
            here.privacy.tend(HOUSE), *(other.post(f"{API}/register", json=body) for _ in range(4))
        )

        assert erased == 1
        assert {answer.status_code for answer in answers} <= {409, 429}


async def test_a_name_that_never_proved_an_address_stood_for_nobody(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    held = await register(outside)
    assert (await erase(outside, held)).status_code == 200
    assert not letters(house, ERASING)  # there is no address that is proven
    clock.advance(days=14)
    assert await house.privacy.tend(HOUSE) == 1

    assert (await register(outside))["user"]["id"] != held["user"]["id"]


async def test_this_was_not_me_keeps_the_account_and_locks_the_thief_out(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await asked(house, outside)
    letter = await letter_to(house, ADDRESS, ERASING)

    await Browser(outside).submit(
        "/auth/not-me", at=f"/auth/not-me?token={disown_token(letter)}", token=disown_token(letter)
    )
    outside.cookies.clear()

    reset = token_in(await letter_to(house, ADDRESS, "Choose a new password"))
    assert (await confirm(outside, reset)).status_code == 200
    assert await try_in(outside, FRESH) == 200
    assert await try_in(outside, PASSWORD) == 401
    clock.advance(days=15)
    assert await house.privacy.tend(HOUSE) == 0
    assert await try_in(outside, FRESH) == 200


async def test_a_thief_who_changes_the_address_first_cannot_erase(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    held = await settled(house, outside)
    await move(house, outside, bearer(held), "eve@example.net")
    letter = await letter_to(house, ADDRESS, "was changed")
    assert (await erase(outside, held)).status_code == 200
    thiefs = await keep_token(house, "eve@example.net")
    clock.advance(days=6)

    await Browser(outside).submit(
        "/auth/not-me", at=f"/auth/not-me?token={disown_token(letter)}", token=disown_token(letter)
    )
    outside.cookies.clear()

    clock.advance(days=30)
    assert await house.privacy.tend(HOUSE) == 0
    async with house.database.unit() as unit:
        account = await house.accounts.get(unit, held["user"]["id"])
    assert account.status == "deactivated"  # until the keeper has looked at it: decision 26
    assert_problem(await keep(outside, thiefs), 401, "token-not-valid")


async def test_what_the_keeper_closes_meanwhile_stays_closed_when_it_is_kept(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    held = await asked(house, outside)
    token = await keep_token(house)
    await house.incident.block_account(KEEPER, held["user"]["id"], Cause("keeper", "looks odd"))

    answer = await keep(outside, token)

    assert answer.json()["status"] == "deactivated"
    assert await try_in(outside, PASSWORD) == 401


async def test_an_account_that_the_keeper_opens_is_not_erased(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    held = await asked(house, outside)
    async with house.database.unit(KEEPER) as unit:
        assert await house.accounts.set_status(unit, held["user"]["id"], "deactivated", "active")
    clock.advance(days=15)

    assert await house.privacy.tend(HOUSE) == 0
    assert await try_in(outside, PASSWORD) == 200


async def test_a_forgotten_password_opens_no_account_that_is_to_be_erased(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await asked(house, outside)
    await outside.post(f"{API}/password-reset/request", json={"email": ADDRESS})
    await house.outbox.drain()

    assert not letters(house, "Choose a new password")


async def test_the_keeper_erases_now(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)
    await house.privacy.erase_for(KEEPER, held["user"]["id"], now=True)

    assert (await outside.get(f"{API}/me", headers=bearer(held))).status_code == 401
    assert await house.accounts.remembered(held["user"]["id"]) is None
    assert "account.erased" in await journalled(house)


async def test_the_keeper_need_not_wait_for_a_grace_that_has_begun(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await asked(house, outside)
    await house.privacy.erase_for(KEEPER, held["user"]["id"], now=True)

    assert await house.accounts.remembered(held["user"]["id"]) is None
    assert "account.kept" not in await journalled(house)


async def test_of_many_who_ask_at_once_one_letter_goes(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)
    answers = await asyncio.gather(*(erase(outside, held) for _ in range(8)))

    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 200
    assert set(codes) <= {200, 401, 429}
    assert len({answer.json()["due_at"] for answer in answers if answer.status_code == 200}) == 1
    await house.outbox.drain()
    assert len(letters(house, ERASING)) == 1
    assert (await journalled(house)).count("account.erasure_asked") == 1


async def test_of_many_who_keep_and_erase_at_the_last_moment_one_wins(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    here, there = await open_house(work=False), await open_house(work=False)
    for number in range(6):
        name = f"person{number}"
        async with client_of(here, f"203.0.113.{number + 10}") as client:
            held = await settled(here, client, name)
            await erase(client, held)
        token = await keep_token(here, f"{name}@example.org")
        clock.advance(days=14)

        # The keeper's own keeping has no end but the erasure itself.
        outcomes = await asyncio.gather(
            here.privacy.tend(HOUSE),
            there.privacy.tend(HOUSE),
            there.privacy.keep_for(KEEPER, held["user"]["id"]),
            here.privacy.keep(Caller(request_id="late"), token),
            return_exceptions=True,
        )

        erased, also, kept, late = outcomes
        assert isinstance(late, TokenSpent)
        assert [erased, also, kept].count(1) == 1, outcomes  # True is 1: it was kept, or erased, once
        account = await there.accounts.remembered(held["user"]["id"])
        assert (account is not None and account.is_alive) == bool(kept)
        await here.outbox.drain()


async def test_of_many_presses_on_one_link_one_keeps(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await asked(house, outside)
    token = await keep_token(house)
    answers = await asyncio.gather(*(keep(outside, token) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    assert (await journalled(house)).count("account.kept") == 1


async def test_a_password_changed_at_the_same_moment_is_the_one_that_counts(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    held = await settled(house, outside)
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    changed, erased = await asyncio.gather(
        outside.post(f"{API}/password/change", json=change, headers=bearer(held)), erase(outside, held)
    )

    assert {changed.status_code, erased.status_code} & {200}
    assert erased.status_code in (200, 401)


def test_the_grace_outlives_the_letter_about_a_changed_address(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"privacy\.grace"):
        Ostiary.at(tmp_path, privacy={"grace": timedelta(days=6)})
