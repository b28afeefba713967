"""A letter proves the mailbox and nothing more: whoever reads it does not get past a second factor (R9, R20)."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from tests.contract.browser import Browser
from tests.house import API, journalled, login
from tests.login.steps import CODE, ONE, TWO, claims, give_codes, is_refused, type_in
from tests.magiclinks.steps import COOKIE, Letter, asked, open_link, type_code
from tests.recovery.steps import settled

from ostiary.core.caller import KEEPER
from ostiary.wiring import Ostiary


async def letter_of(house: Ostiary, client: httpx.AsyncClient) -> tuple[str, Letter]:
    """Be somebody with a second factor who has asked for a link; return the account's id and what the letter holds."""
    await settled(house, client)
    account_id = (await login(client))["user"]["id"]
    await give_codes(house, account_id, ONE, TWO)
    return account_id, await asked(house, client)


async def living(house: Ostiary, account_id: str) -> int:
    return len(await house.sessions.listed(account_id))


@pytest.mark.parametrize("by", ["link", "code"])
async def test_link_and_code_lead_to_the_factor_and_no_further(
    house: Ostiary, outside: httpx.AsyncClient, by: str
) -> None:
    account_id, letter = await letter_of(house, outside)
    before = await living(house, account_id)

    if by == "link":
        answer = await open_link(outside, letter.token, letter.cookie)
    else:
        answer = await type_code(outside, letter.code, letter.cookie)

    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"mfa_required", "ticket", "methods"}
    assert answer.json()["methods"] == ["totp", CODE]
    given = [text.partition("=")[0] for text in answer.headers.get_list("set-cookie")]
    assert set(given) <= {COOKIE}  # which is cleared: it is used up
    assert await living(house, account_id) == before
    assert (await journalled(house)).count("factor.demanded") == 1

    done = await type_in(outside, answer.json()["ticket"], ONE)
    assert (claims(done.json())["amr"], claims(done.json())["acr"]) == (["mail", "rc", "mfa"], "aal2")
    assert await living(house, account_id) == before + 1


async def test_of_many_who_show_the_letter_and_then_the_factor_at_once_one_gets_in(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    account_id, letter = await letter_of(house, outside)
    before = await living(house, account_id)

    shown = await asyncio.gather(*(open_link(outside, letter.token, letter.cookie) for _ in range(6)))
    (ticket,) = [answer.json()["ticket"] for answer in shown if answer.status_code == 200]
    answers = await asyncio.gather(*(type_in(outside, ticket, code) for code in (ONE, TWO, ONE, TWO)))

    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert await living(house, account_id) == before + 1


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_the_ticket_dies_with_the_password_and_with_everything(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    account_id, letter = await letter_of(house, outside)
    ticket = (await open_link(outside, letter.token, letter.cookie)).json()["ticket"]
    async with house.database.unit(KEEPER) as unit:
        await house.passwords.forget(unit, account_id)
    assert is_refused(await type_in(outside, ticket, ONE), 401, "ticket-not-valid")

    another = await asked(house, outside)
    ticket = (await open_link(outside, another.token, another.cookie)).json()["ticket"]
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.raise_epoch(unit, account_id)
    assert is_refused(await type_in(outside, ticket, ONE), 401, "ticket-not-valid")


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_the_page_asks_for_it_and_leads_on(house: Ostiary, outside: httpx.AsyncClient) -> None:
    account_id, letter = await letter_of(house, outside)
    browser = Browser(outside)
    browser.cookies[COOKIE] = letter.cookie
    before = await living(house, account_id)

    asked_for = await browser.submit(
        "/auth/magic-link", at=f"/auth/magic-link?token={letter.token}", token=letter.token
    )

    assert asked_for.status_code == 200
    assert "One more step" in asked_for.text
    assert await living(house, account_id) == before
    names = ("csrf_token", "ticket", "next", "login")
    filled = {name: re.findall(rf'name="{name}" value="([^"]*)"', asked_for.text)[-1] for name in names}
    done = await browser.post("/auth/second-factor", csrf=False, data=filled | {"method": CODE, "code": ONE})
    assert (done.status_code, done.headers["location"]) == (303, "/auth/account")
    assert (await browser.get(f"{API}/me")).json()["id"] == account_id
