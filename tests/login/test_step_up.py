"""Proving anew who one is, in the session that one has (R21, RFC 9470)."""

from __future__ import annotations

import re

import httpx
import pytest
from tests.contract.browser import ACCESS, PAGE, REFRESH, Browser, set_cookies
from tests.house import API, NEW_PASSWORD, PASSWORD, bearer, journalled, login
from tests.login.steps import (
    ONE,
    THREE,
    TWO,
    WRONG,
    claims,
    give_codes,
    is_refused,
    owed,
    slug,
    touch,
    type_in,
    with_both,
    with_codes,
)
from tests.passkeys.steps import add, sign_in, stronger
from tests.recovery.steps import settled

from ostiary.client import ACCESS_TYP
from ostiary.client.jws import sign
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.testing.authenticator import Authenticator
from ostiary.wiring import Ostiary

REFUSED = (401, "second-factor-refused")
CHANGE = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}


@pytest.fixture
def storage() -> str:
    """One of the two: the writes are those of signing in, and the races are in `test_at_once`."""
    return "sqlite"


async def again(client: httpx.AsyncClient, headers: dict[str, str], password: str = PASSWORD) -> httpx.Response:
    """Show the password inside a session."""
    return await client.post(f"{API}/step-up", json={"password": password}, headers=headers)


async def asked(client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    """Show the password inside a session, be asked for more, and return the ticket."""
    answer = await again(client, headers)
    assert answer.json().keys() == {"mfa_required", "ticket", "methods"}, answer.text
    return str(answer.json()["ticket"])


async def living(house: Ostiary, account_id: str) -> list[str]:
    return sorted(session.id for session in await house.sessions.listed(account_id))


# What it does


async def test_a_password_makes_the_session_young_again_and_starts_no_other(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    held = await settled(house, outside)
    clock.advance(minutes=11)
    assert slug(await outside.post(f"{API}/password/change", json=CHANGE, headers=bearer(held))) == "sign-in-too-old"
    before = await living(house, held["user"]["id"])

    answer = await again(outside, bearer(held))

    assert answer.status_code == 200, answer.text
    old, new = claims(held), claims(answer.json())
    assert (new["sid"], new["amr"], new["acr"]) == (old["sid"], ["pwd"], "aal1")
    assert new["auth_time"] == old["auth_time"] + 660
    assert new["jti"] != old["jti"]
    assert await living(house, held["user"]["id"]) == before
    assert "session.strengthened" in await journalled(house)
    assert not set_cookies(answer)  # a program lives by its tokens
    done = await outside.post(f"{API}/password/change", json=CHANGE, headers=bearer(answer.json()))
    assert done.status_code == 200


async def test_where_there_is_more_the_password_alone_makes_nothing_younger(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    owner = await with_codes(house, outside, ONE, TWO)
    held = (await type_in(outside, await owed(outside), ONE)).json()
    clock.advance(minutes=11)

    ticket = await asked(outside, bearer(held))

    assert claims(await refreshed(outside, held))["auth_time"] == claims(held)["auth_time"]
    assert is_refused(await type_in(outside, ticket, "000000", headers=bearer(held)), *REFUSED)
    before = await living(house, owner.id)
    answer = await type_in(outside, ticket, TWO, headers=bearer(held))
    told = claims(answer.json())
    assert (told["sid"], told["acr"], told["amr"]) == (claims(held)["sid"], "aal2", ["pwd", "rc", "mfa"])
    assert told["auth_time"] == claims(held)["auth_time"] + 660
    assert await living(house, owner.id) == before
    assert is_refused(await type_in(outside, ticket, TWO, headers=bearer(held)), 401, "ticket-not-valid")


async def refreshed(client: httpx.AsyncClient, held: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = (await client.post(f"{API}/refresh", json={"refresh_token": held["refresh_token"]})).json()
    return found


async def test_a_passkey_alone_is_enough(house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock) -> None:
    await settled(house, outside)
    held = await login(outside)
    authenticator = await add(outside, bearer(held))
    clock.advance(minutes=2)

    headers = await stronger(outside, bearer(held), authenticator)

    told = claims({"access_token": headers["authorization"].removeprefix("Bearer ")})
    assert (told["sid"], told["acr"], told["amr"]) == (claims(held)["sid"], "phr", ["hwk", "user", "mfa"])
    assert told["auth_time"] == claims(held)["auth_time"] + 120


async def test_tokens_are_exchanged_with_it(house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock) -> None:
    """ASVS 7.2.4: whoever shows the last refresh token later is a thief, or was robbed."""
    held = await settled(house, outside)
    heir = (await again(outside, bearer(held))).json()
    assert heir["refresh_token"] != held["refresh_token"]
    clock.advance(seconds=11)

    assert (await outside.post(f"{API}/refresh", json={"refresh_token": held["refresh_token"]})).status_code == 401

    assert "session.theft_detected" in await journalled(house)
    assert (await outside.get(f"{API}/me", headers=bearer(heir))).status_code == 401


async def test_a_browser_gets_cookies_and_stays_in_its_session(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)
    browser = Browser(outside)
    await browser.sign_in()
    old = dict(browser.cookies)

    answer = await browser.post(f"{API}/step-up", json={"password": PASSWORD})

    assert {ACCESS, REFRESH, PAGE} <= set_cookies(answer).keys()
    assert browser.cookies[PAGE] == old[PAGE]
    assert browser.cookies[ACCESS] != old[ACCESS]
    forged = await browser.request("POST", f"{API}/step-up", csrf=False, json={"password": PASSWORD})
    assert (forged.status_code, slug(forged)) == (403, "csrf-token-missing")


# Who may not


async def test_whoever_holds_a_session_guesses_five_times(house: Ostiary, outside: httpx.AsyncClient) -> None:
    held = await settled(house, outside)

    said = [slug(await again(outside, bearer(held), WRONG)) for _ in range(6)]

    assert said == ["wrong-current-password"] * 5 + ["limit-reached"]
    assert (await again(outside, bearer(held))).status_code == 429


async def test_a_stranger_has_no_session_to_step_up(house: Ostiary, outside: httpx.AsyncClient) -> None:
    for path, body in (("", {"password": PASSWORD}), ("/passkey/begin", None)):
        answer = await outside.post(f"{API}/step-up{path}", json=body)
        assert (answer.status_code, slug(answer)) == (401, "not-signed-in")


async def test_a_ticket_for_a_session_is_good_in_that_session_alone(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """Else whoever sees a ticket and a code would be handed the tokens of somebody's session."""
    owner, authenticator = await with_both(house, outside, ONE, TWO)
    other = await type_in(outside, await owed(outside), TWO)
    eve = await with_codes(house, outside, THREE, name="eve")
    ticket = await asked(outside, owner.bearing)
    before = await living(house, owner.id)

    for headers in (None, bearer(other.json()), eve.bearing, {"authorization": "Bearer nothing"}):
        assert is_refused(await type_in(outside, ticket, ONE, headers=headers), 401, "ticket-not-valid")
        refused = await touch(outside, ticket, authenticator, headers=headers)
        assert is_refused(refused, 401, "ticket-not-valid")

    assert await living(house, owner.id) == before
    assert (await type_in(outside, ticket, ONE, headers=owner.bearing)).status_code == 200


async def test_a_ticket_for_a_new_session_starts_one_also_inside_another(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    owner = await with_codes(house, outside, ONE)

    answer = await type_in(outside, await owed(outside), ONE, headers=owner.bearing)

    assert claims(answer.json())["sid"] != claims(owner.held)["sid"]
    assert (await outside.get(f"{API}/me", headers=owner.bearing)).status_code == 200


async def test_a_session_that_ended_is_not_stepped_up(house: Ostiary, outside: httpx.AsyncClient) -> None:
    owner, authenticator = await with_both(house, outside, ONE)
    ticket = await asked(outside, owner.bearing)
    options = (await outside.post(f"{API}/step-up/passkey/begin", headers=owner.bearing)).json()["publicKey"]
    await house.sessions.end(KEEPER, owner.id, claims(owner.held)["sid"])
    before = await living(house, owner.id)

    assert (await type_in(outside, ticket, ONE, headers=owner.bearing)).status_code == 401
    body = {"credential": authenticator.show(options)}
    assert (await outside.post(f"{API}/step-up/passkey/finish", json=body, headers=owner.bearing)).status_code == 401
    assert await living(house, owner.id) == before


@pytest.mark.parametrize("whose", ["another session's challenge", "another account's passkey", "a sign-in's"])
async def test_a_passkey_answers_what_this_session_asked(
    house: Ostiary, outside: httpx.AsyncClient, whose: str
) -> None:
    owner, authenticator = await with_both(house, outside, ONE)
    other = (await sign_in(outside, authenticator)).json()
    eve, stranger = await with_codes(house, outside, name="eve"), Authenticator(handle=authenticator.handle)
    assert eve
    here, there = owner.bearing, bearer(other)
    begin = f"{API}/step-up/passkey/begin"
    if whose == "a sign-in's":
        options = (await outside.post(f"{API}/passkeys/sign-in/begin")).json()["publicKey"]
        outside.cookies.clear()
    else:
        headers = there if whose == "another session's challenge" else here
        options = (await outside.post(begin, headers=headers)).json()["publicKey"]
    shown = (stranger if whose == "another account's passkey" else authenticator).show(options)

    answer = await outside.post(f"{API}/step-up/passkey/finish", json={"credential": shown}, headers=here)

    assert is_refused(answer, 401, "passkey-refused")


# What asks for it


GRAVE = [
    ("POST", "password/change", CHANGE),
    ("POST", "email/change", {"email": "second@example.net", "current_password": PASSWORD}),
    ("POST", "account/export", None),
    ("POST", "account/erase", {"current_password": PASSWORD}),
    ("POST", "passkeys/register/begin", None),
    ("DELETE", f"passkeys/{'A' * 22}", None),
    ("GET", "../admin/csp-reports", None),
]


@pytest.mark.parametrize(("method", "path", "body"), GRAVE)
async def test_what_is_grave_asks_for_as_much_as_the_account_can_show(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock, method: str, path: str, body: object
) -> None:
    owner, authenticator = await with_both(house, outside, ONE)
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.permit(unit, owner.id, "csp-reports:read")
    max_age = 3600 if "admin" in path else 600
    url = f"/api/v1/{path[3:]}" if path.startswith("../") else f"{API}/{path}"

    async def does(headers: dict[str, str]) -> httpx.Response:
        return await outside.request(method, url, json=body, headers=headers)

    two = bearer((await type_in(outside, await owed(outside), ONE)).json())
    for weak in (owner.bearing, two):
        refused = await does(weak)
        assert is_refused(refused, 401, "sign-in-too-weak"), refused.text
        assert (refused.json()["acr_values"], refused.json()["max_age"]) == ("phr", max_age)
        challenge = refused.headers["www-authenticate"]
        assert challenge.startswith("Bearer ")
        told = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        assert told["error"] == "insufficient_user_authentication"
        assert (told["acr_values"], told["max_age"]) == ("phr", str(max_age))
    strong = await stronger(outside, owner.bearing, authenticator)
    clock.advance(seconds=max_age - 1 if max_age < 900 else 800)
    answer = await does(strong)
    assert slug(answer) == "no-such-passkey" if "AAAA" in path else answer.status_code == 200, answer.text
    if max_age < 900:
        clock.advance(seconds=2)
        late = await does(strong)
        assert late.status_code == 401


async def test_a_factor_that_was_just_added_is_asked_of_sessions_of_before(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await settled(house, outside)
    held = await login(outside)
    assert (await outside.post(f"{API}/account/export", headers=bearer(held))).status_code == 200
    await give_codes(house, held["user"]["id"], ONE)

    refused = await outside.post(f"{API}/account/export", headers=bearer(held))

    assert (slug(refused), refused.json()["acr_values"]) == ("sign-in-too-weak", "aal2")
    heir = await type_in(outside, await asked(outside, bearer(held)), ONE, headers=bearer(held))
    assert (await outside.post(f"{API}/account/export", headers=bearer(heir.json()))).status_code == 200


async def test_a_changed_password_makes_no_stronger_session_younger(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    """Else whoever has session and password could go on for ever by changing it every nine minutes."""
    await with_codes(house, outside, ONE)
    held = (await type_in(outside, await owed(outside), ONE)).json()
    clock.advance(minutes=9)
    assert (await outside.post(f"{API}/password/change", json=CHANGE, headers=bearer(held))).status_code == 200

    assert claims(await refreshed(outside, held))["auth_time"] == claims(held)["auth_time"]


async def test_tokens_of_before_strength_was_said_are_worth_any_sign_in(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """They live for minutes beside a newer version of the house."""
    held = await settled(house, outside)
    told = {name: value for name, value in claims(held).items() if name != "acr"}
    older = {"authorization": f"Bearer {sign(told, house.keys.signer(), ACCESS_TYP)}"}
    assert (await outside.post(f"{API}/account/export", headers=older)).status_code == 200

    await give_codes(house, held["user"]["id"], ONE)

    assert slug(await outside.post(f"{API}/account/export", headers=older)) == "sign-in-too-weak"
