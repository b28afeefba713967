"""Everything about an account, for its owner: complete, readable, and without a single secret (R8)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select
from tests.attacks.raw import contents
from tests.contract.browser import Browser
from tests.contract.test_register_and_login import assert_problem
from tests.federation.steps import attach
from tests.house import API, PASSWORD, OpenHouse, bearer, journalled, letter_to, login, register, strengthened, token_in
from tests.login.steps import remembering
from tests.magiclinks.steps import asked
from tests.passkeys.steps import add
from tests.privacy.steps import export
from tests.recovery.steps import ADDRESS, CALLER, letters, lock, settled, unlock_token
from tests.roles.steps import OPERATOR
from tests.texts.steps import NUMBER, begin
from tests.texts.steps import add as add_phone
from tests.totp.steps import begin as begin_app
from tests.totp.steps import set_up as set_up_app

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.core.tables import journal
from ostiary.incident import Cause
from ostiary.migrations.tables import metadata
from ostiary.privacy.inventory import INVENTORY, Exported, Secret
from ostiary.wiring import Ostiary

COPY = "copy of your data"


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    """A house that also sends texts."""
    opened: Ostiary = await open_house(work=False, texts={"prefixes": ["+46"]})
    return opened


async def full(house: Ostiary, client: httpx.AsyncClient) -> tuple[dict[str, Any], list[str]]:
    """Let somebody leave a trace in every table; return their last sign-in, and every secret that was handed out."""
    held = await settled(house, client)
    account_id = held["user"]["id"]
    secrets = [PASSWORD, held["access_token"], held["refresh_token"]]
    await client.patch(f"{API}/me", json={"full_name": "Mira Novak"}, headers=bearer(held))
    made = await client.post(f"{API}/api-key", json={"name": "Backup"}, headers=bearer(held))
    secrets.append(made.json()["api_key"].rpartition("_")[2])
    change = {"email": "second@example.net", "current_password": PASSWORD}
    await client.post(f"{API}/email/change", json=change, headers=bearer(held))
    secrets.append(token_in(await letter_to(house, "second@example.net")))
    await lock(house, account_id)
    unlocking = unlock_token(await letter_to(house, ADDRESS, "Wrong passwords"))
    await Browser(client).submit("/auth/unlock", at=f"/auth/unlock?token={unlocking}", token=unlocking)
    client.cookies.clear()
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.permit(unit, account_id, "csp-reports:read")
    await house.roles.add(OPERATOR, "librarian", "", ["books:lend"])
    await house.roles.grant(OPERATOR, "librarian", account_id)
    async with house.database.unit(KEEPER) as unit:
        await house.alerts.raise_(unit, "account_under_review", account_id=account_id)
        unit.later("letter", kind="never_sent", account_id=account_id, when=0, run_at=2_000_000_000_000)

    async def audience() -> AsyncIterator[str]:
        yield account_id

    await house.incident.notify(KEEPER, Cause("ada", "a drill"), "Nothing happened.", audience())
    other = await register(client, "jonas")
    await house.privacy.erase_for(KEEPER, other["user"]["id"])
    held = await strengthened(house, await login(client))
    authenticator = await add(client, bearer(held))
    app, codes = await set_up_app(house, client, bearer(held))
    pending = await begin_app(client, bearer(held))
    secrets += [*codes, *(code.replace("-", "") for code in codes), app.secret.hex(), pending["secret"]]
    letter = await asked(house, client)
    secrets += [letter.token, letter.code, letter.cookie]
    await add_phone(house, client, bearer(held))
    await begin(client, bearer(held))
    held = await remembering(client, authenticator)
    await attach(house, account_id)
    secrets += [unlocking, held["access_token"], held["refresh_token"]]
    return held, secrets


def found_at(document: object, place: str) -> list[Any]:
    """Return what stands at a place of an export, in every record of a list."""
    here = [document]
    for name in place.split("."):
        records = [record for one in here for record in (one if isinstance(one, list) else [one])]
        here = [record[name] for record in records if isinstance(record, dict) and name in record]
    return here


async def test_every_column_that_shall_be_exported_is_in_the_export(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held, _ = await full(house, outside)
    document = (await export(outside, held)).json()
    # An erasure is not compatible with being signed in: the keeper's own command shows it.
    await house.privacy.erase_for(KEEPER, held["user"]["id"])
    parts = [part async for part in await house.privacy.export(KEEPER, held["user"]["id"])]
    closed = json.loads(b"".join(parts))

    missing = [
        f"{table}.{column} at {fate.place}"
        for table, columns in INVENTORY.items()
        for column, fate in columns.items()
        if isinstance(fate, Exported) and not found_at(closed, fate.place)
    ]

    assert not missing
    assert document["erasure"] is None
    assert document["format"] == "ostiary.personal/1"
    account = document["account"]
    assert (account["username"], account["full_name"], account["email"]) == ("mira", "Mira Novak", ADDRESS)
    assert [claim["email"] for claim in document["address_claims"]] == ["second@example.net"]
    assert document["permissions"] == ["books:lend", "csp-reports:read"]
    assert [role["name"] for role in document["roles"]] == ["librarian"]
    assert [notice["message"] for notice in document["notices"]] == ["Nothing happened."]
    assert [alert["kind"] for alert in document["alerts"]] == ["account_under_review"]
    assert document["phone"]["number"] == NUMBER
    assert [(code["purpose"], code["number"]) for code in document["text_codes"]] == [("add", NUMBER)]
    assert [link["address"] for link in document["sign_in_links"]] == ["203.0.113.7"]
    assert document["habits"]["learned"]["signins"] >= 1
    assert {session["address"] for session in document["sessions"]} == {"203.0.113.7"}
    assert len(document["sessions"]) == 3
    told = {entry["action"]: entry for entry in document["journal"]}
    assert told["address.proven"]["private"]["email"] == ADDRESS
    assert {"account.opened", "login.succeeded", "account.exported"} <= told.keys()


async def test_no_column_that_is_secret_is_in_the_export(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held, secrets = await full(house, outside)

    answer = await export(outside, held)

    secrets += [str(value) for value in await secret_values(house)]
    assert len(secrets) > 40
    for secret in secrets:
        assert secret not in answer.text


async def secret_values(house: Ostiary) -> set[str]:
    """Return every value of a column that must never be exported, in each way in which it could be written."""
    rows = await contents(house, without=frozenset())
    found: set[str] = set()
    for table in metadata.sorted_tables:
        for index, column in enumerate(table.columns):
            if not isinstance(INVENTORY[table.name][column.name], Secret):
                continue
            for row in rows[table.name]:
                value = row[index]
                if isinstance(value, bytes):
                    found |= {value.hex(), base64.b64encode(value).decode(), base64.urlsafe_b64encode(value).decode()}
                elif isinstance(value, str) and len(value) > 22:  # not an id of 22, to which a link is bound: no secret
                    found.add(value)
    return found


async def test_nothing_of_anybody_else_is_in_it(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await full(house, outside)
    other = await settled(house, outside, "jonas2")

    text = (await export(outside, other)).text

    for planted in ("mira", ADDRESS, "Mira Novak", "second@example.net", "Nothing happened."):
        assert planted not in text


async def test_it_comes_as_a_file_that_nobody_keeps(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)

    answer = await export(outside, held)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == 'attachment; filename="ostiary-account.json"'
    assert "account.exported" in await journalled(house)
    assert COPY in (await letter_to(house, ADDRESS, "data")).subject


async def test_it_wants_a_sign_in_just_now(house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock) -> None:
    held = await settled(house, outside)
    clock.advance(minutes=10)
    assert (await export(outside, held)).status_code == 200
    clock.advance(seconds=1)

    refused = await export(outside, held)

    assert refused.status_code == 401
    assert refused.json()["type"].endswith("/sign-in-too-old")
    assert 'error="insufficient_user_authentication"' in refused.headers["www-authenticate"]
    assert_problem(await outside.post(f"{API}/account/export"), 401, "not-signed-in")


async def test_five_a_day_and_no_letter_for_the_sixth(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    held = await settled(house, outside)
    answers = await asyncio.gather(*(export(outside, held) for _ in range(9)))

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 4
    await house.outbox.drain()
    assert len(letters(house, COPY)) == 5
    clock.advance(days=1)
    assert (await export(outside, await login(outside))).status_code == 200


async def test_a_link_on_another_site_exports_nothing(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    browser = Browser(outside)
    await browser.sign_in()
    assert (await browser.post(f"{API}/account/export")).status_code == 200

    looked = await browser.get(f"{API}/account/export")
    browser.origin, browser.fetch_site = "https://evil.example", "cross-site"
    refused = await browser.post(f"{API}/account/export")

    assert_problem(looked, 405, "method-not-allowed")
    assert_problem(refused, 403, "foreign-origin")
    await house.outbox.drain()
    assert len(letters(house, COPY)) == 1


async def test_the_button_on_the_account_page_gives_the_file(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    browser = Browser(outside)
    await browser.sign_in()

    answer = await browser.submit("/auth/account/export", at="/auth/account")

    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.json()["account"]["username"] == "mira"


async def test_pages_ask_for_another_sign_in_when_it_is_long_ago(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await settled(house, outside)
    browser = Browser(outside)
    await browser.sign_in()
    clock.advance(minutes=11)

    answer = await browser.get("/auth/account/erase")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/auth/step-up?next=/auth/account/erase"


class _Entry(msgspec.Struct, frozen=True):
    position: int


async def test_a_long_journal_is_streamed(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)
    async with house.database.unit(CALLER) as unit:
        for number in range(1000):
            unit.note("account.profile_changed", held["user"]["id"], private={"filler": "x" * 500}, number=number)

    parts = [part async for part in await house.privacy.export(KEEPER, held["user"]["id"])]

    assert max(map(len, parts)) < 4096
    document = json.loads(b"".join(parts))
    own = Query(select(journal.c.position).where(journal.c.account_id == held["user"]["id"]), _Entry)
    stored = {row.position for row in await house.database.all(own)}
    assert {entry["position"] for entry in document["journal"]} == stored
    assert len(stored) > 1000


async def test_who_is_not_there_has_no_export(house: Ostiary) -> None:
    with pytest.raises(Exception, match="no such account"):
        await house.privacy.export(KEEPER, "AAAAAAAAAAAAAAAAAAAAAA")
