"""In which language somebody is written to: their choice, else what the request asks for, else the default."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from tests.contract.browser import Browser
from tests.contract.test_register_and_login import assert_problem
from tests.house import API, NEW_PASSWORD, PASSWORD, OpenHouse, bearer, client_of, journalled, letter_to, register
from tests.privacy.steps import export
from tests.recovery.steps import ADDRESS, CALLER, ask, lock, prove, settled

from ostiary.accounts.models import accounts
from ostiary.core.caller import KEEPER, Caller
from ostiary.core.db import Query
from ostiary.incident import Cause
from ostiary.mail import KeptLetter
from ostiary.wiring import Ostiary

GERMAN = {"accept-language": "de-AT, en;q=0.5"}
GERMAN_CALLER = Caller(request_id="test", address="198.51.100.9", agent="curl/8", language="de")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
FORGET = Query(update(accounts).values(language=None))

on_one_database = pytest.mark.parametrize("storage", ["sqlite"], indirect=True)


async def choose(client: httpx.AsyncClient, held: dict[str, Any], language: object) -> httpx.Response:
    return await client.patch(f"{API}/me", json={"language": language}, headers=bearer(held))


async def change_password(client: httpx.AsyncClient, held: dict[str, Any], **headers: str) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answer = await client.post(f"{API}/password/change", json=body, headers=bearer(held) | headers)
    assert answer.status_code == 200, answer.text


async def newest(house: Ostiary, to: str = ADDRESS) -> KeptLetter:
    return await letter_to(house, to)


async def test_registration_keeps_the_language_that_the_browser_asks_for(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    outside.headers.update(GERMAN)
    held = await register(outside)

    assert held["user"]["language"] == "de"
    letter = await newest(house)
    assert (letter.language, letter.subject) == ("de", "Bestätigen Sie Ihre Adresse für Ostiary")
    assert "Der Link gilt 24 Stunden lang" in letter.text
    assert '<html lang="de"' in letter.html
    assert (await outside.get(f"{API}/me", headers=bearer(held))).json()["language"] == "de"
    assert (await export(outside, held)).json()["account"]["language"] == "de"


async def test_a_stored_choice_stands_over_what_the_browser_asks_for(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    held = await settled(house, outside)
    assert held["user"]["language"] is None

    answer = await choose(outside, held, "DE")

    assert answer.json() == (await outside.get(f"{API}/me", headers=bearer(held))).json()
    assert answer.json()["language"] == "de"
    assert answer.json()["full_name"] == held["user"]["full_name"]
    assert "account.profile_changed" in await journalled(house)
    await change_password(outside, held, **{"accept-language": "en"})
    assert (await newest(house)).subject == "Ihr Passwort bei Ostiary wurde geändert"


@on_one_database
async def test_without_a_choice_the_request_that_caused_the_letter_decides(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    outside.headers["user-agent"] = FIREFOX
    held = await settled(house, outside)
    assert (await choose(outside, held, "de")).status_code == 200
    assert (await choose(outside, held, None)).json()["language"] is None
    outside.headers.update(GERMAN)

    await ask(outside)  # a job that queues a job that writes
    assert (await newest(house)).subject == "Wählen Sie ein neues Passwort für Ostiary"
    await change_password(outside, held)
    letter = await newest(house)
    assert letter.language == "de"
    assert "Gerät:   Firefox unter Linux\n" in letter.text
    outside.headers["accept-language"] = "fr"
    await ask(outside)
    assert (await newest(house)).subject == "Choose a new password for Ostiary"


@on_one_database
async def test_a_stranger_does_not_choose_in_which_language_the_owner_is_warned(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    held = await settled(house, outside)
    account_id = held["user"]["id"]
    for kind in ("account_locked", "sign_in_refused", "new_sign_in", "session_stolen"):
        async with house.database.unit(GERMAN_CALLER) as unit:
            unit.later("letter", kind=kind, account_id=account_id, when=unit.now, agent="", address="unknown")
        letter = await newest(house)
        assert letter.language == "en", kind
    await choose(outside, held, "de")
    async with house.database.unit(CALLER) as unit:
        unit.later("letter", kind="new_sign_in", account_id=account_id, when=unit.now, agent="", address="unknown")

    letter = await newest(house)
    assert "Gerät:   Unbekannter Browser\nVon:     unbekannt\n" in letter.text


@on_one_database
async def test_a_claim_to_somebodys_address_is_told_in_the_language_of_its_holder(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    held = await settled(house, outside)
    outside.headers.update(GERMAN)
    await register(outside, "eve", email=ADDRESS)
    assert (await newest(house)).subject == "Your address already has an account at Ostiary"
    outside.headers["accept-language"] = "en"
    await choose(outside, held, "de")
    await register(outside, "eve2", email=ADDRESS)

    assert (await newest(house)).subject == "Mit Ihrer Adresse gibt es bei Ostiary schon ein Konto"


@on_one_database
async def test_keepers_are_told_in_the_language_of_the_deployment(open_house: OpenHouse) -> None:
    house = await open_house(work=False, alerts={"mail_to": ["keeper@example.org"]}, mail={"language": "de"})
    english = Caller(request_id="test", language="en")
    async with house.database.unit(english) as unit:
        await house.alerts.raise_(unit, "spraying_seen")

    letter = await newest(house, "keeper@example.org")

    assert letter.language == "de"
    assert "Wenige Passwörter werden an vielen Konten ausprobiert." in letter.text


@on_one_database
async def test_news_of_an_incident_and_an_account_from_before_come_in_the_default(open_house: OpenHouse) -> None:
    house = await open_house(work=False, mail={"language": "de"})
    async with client_of(house) as outside:
        held = await register(outside)
        assert (await newest(house)).language == "de"
        outside.headers["accept-language"] = "en"
        await outside.post(f"{API}/email/resend", headers=bearer(held))
        await prove(house, outside, ADDRESS)
        await house.database.run(FORGET)

    async def audience() -> AsyncIterator[str]:
        yield held["user"]["id"]

    await house.incident.notify(KEEPER, Cause("ada", "a drill"), "Nothing happened.", audience())
    letter = await newest(house)
    assert letter.subject == "Wichtige Nachricht zu Ihrem Konto bei Ostiary"


@on_one_database
async def test_a_lock_is_told_in_the_owners_own_language(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)
    await choose(outside, held, "de")
    await lock(house, held["user"]["id"])

    assert (await newest(house)).subject == "Falsche Passwörter für Ihr Konto bei Ostiary"


@on_one_database
async def test_no_language_that_there_are_no_letters_in(outside: httpx.AsyncClient) -> None:
    held = await register(outside)

    for language in ("fr", "de-DE", "deutsch", "../de", "x" * 36, 7, ["de"]):
        errors = assert_problem(await choose(outside, held, language), 422, "invalid-fields")["errors"]
        assert [error["field"] for error in errors] == ["language"]

    assert (await outside.get(f"{API}/me", headers=bearer(held))).json()["language"] is None


@on_one_database
async def test_letters_go_only_in_languages_that_are_set(open_house: OpenHouse) -> None:
    house = await open_house(work=False, mail={"languages": ["en"]})
    async with client_of(house) as outside:
        outside.headers.update(GERMAN)
        held = await register(outside)

        assert held["user"]["language"] == "en"  # the second that was asked for
        assert (await newest(house)).language == "en"
        assert_problem(await choose(outside, held, "de"), 422, "invalid-fields")


@on_one_database
async def test_the_language_is_chosen_on_the_account_page(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    browser = Browser(outside)
    await browser.sign_in()
    page = await browser.get("/auth/account")
    assert page.headers["content-language"] == "en"
    assert '<html lang="en">' in page.text
    assert '<option value="as-asked" selected>' in page.text
    assert '<option value="de" lang="de">Deutsch</option>' in page.text

    await browser.submit("/auth/account", at="/auth/account", full_name="Mira", language="de")
    assert '<option value="de" lang="de" selected>Deutsch</option>' in (await browser.get("/auth/account")).text
    await browser.submit("/auth/account", at="/auth/account", full_name="Mira Novak")  # a form from before
    assert '<option value="de" lang="de" selected>Deutsch</option>' in (await browser.get("/auth/account")).text
    refused = await browser.submit("/auth/account", at="/auth/account", full_name="Mira", language="xx")
    assert refused.status_code == 422
    assert "There are letters in de, en." in refused.text
    await browser.submit("/auth/account", at="/auth/account", full_name="Mira", language="as-asked")
    assert '<option value="as-asked" selected>' in (await browser.get("/auth/account")).text


@on_one_database
async def test_a_job_acts_in_the_language_of_its_request_and_its_handler_need_not_know(house: Ostiary) -> None:
    seen: list[tuple[dict[str, Any], str | None]] = []

    async def first(payload: dict[str, Any]) -> None:
        async with house.database.unit() as unit:
            seen.append((payload, unit.caller.language))
            unit.later("second", number=2)

    async def second(payload: dict[str, Any]) -> None:
        async with house.database.unit() as unit:
            seen.append((payload, unit.caller.language))

    house.outbox.on("first", first)
    house.outbox.on("second", second)
    async with house.database.unit(GERMAN_CALLER) as unit:
        unit.later("first", number=1)
    async with house.database.unit(CALLER) as unit:
        unit.later("first", number=3)
    await house.outbox.drain()

    told = [(payload["number"], language, set(payload)) for payload, language in seen]
    assert sorted(told, key=lambda one: (one[0], str(one[1]))) == [
        (1, "de", {"number"}), (2, None, {"number"}), (2, "de", {"number"}), (3, None, {"number"}),
    ]  # fmt: skip
