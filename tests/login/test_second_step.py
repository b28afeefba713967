"""A second factor after a password: what opens, what does not, and what is counted (D10, D13, R20)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select
from tests.contract.browser import DEVICE, PAGE, Browser
from tests.house import API, NEW_PASSWORD, PASSWORD, OpenHouse, bearer, client_of, journalled, letter_to, login
from tests.login.steps import (
    CODE,
    ONE,
    TWO,
    ask_in,
    claims,
    device_in,
    give_codes,
    is_refused,
    looked_at,
    owed,
    slug,
    touch,
    type_in,
    unused,
    with_both,
    with_codes,
    with_passkey,
)
from tests.passkeys.steps import add, sign_in, stronger
from tests.recovery.steps import confirm, disown_token, reset_token, settled
from tests.texts.steps import add as add_phone
from tests.texts.steps import code_in, offering, texts
from tests.texts.steps import owner as owner_with_phone

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.core.journal import Entry
from ostiary.core.tables import journal
from ostiary.login.tickets import LIFETIME, SECOND_FACTOR
from ostiary.wiring import Ostiary

SPENT, REFUSED = (401, "ticket-not-valid"), (401, "second-factor-refused")


@pytest.fixture
def storage() -> str:
    """One of the two: what the database decides is in `test_at_once`."""
    return "sqlite"


async def living(house: Ostiary, account_id: str) -> int:
    return len(await house.sessions.listed(account_id))


# What is asked, and what it is worth


async def test_a_right_password_asks_for_what_the_account_has(house: Ostiary, outside: httpx.AsyncClient) -> None:
    owner, _ = await with_both(house, outside, ONE)
    before = await living(house, owner.id)

    answer = await ask_in(outside)

    assert answer.status_code == 200
    ticket = answer.json()["ticket"]
    assert answer.json() == {"mfa_required": True, "ticket": ticket, "methods": ["passkey", "totp", CODE]}
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert await living(house, owner.id) == before
    assert "factor.demanded" in await journalled(house)
    rows = await house.database.all(Query(select(journal), Entry))
    assert not any(ticket in row.details for row in rows)


async def test_a_wrong_password_asks_for_nothing(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await with_codes(house, outside, ONE)

    assert is_refused(await ask_in(outside, password="not the battery"), 401, "wrong-password")
    assert "factor.demanded" not in await journalled(house)


async def test_a_code_ends_it_at_the_strength_of_two(house: Ostiary, outside: httpx.AsyncClient) -> None:
    owner = await with_codes(house, outside, ONE)

    answer = await type_in(outside, await owed(outside), ONE)

    assert answer.status_code == 200, answer.text
    told = claims(answer.json())
    assert (told["sub"], told["amr"], told["acr"]) == (owner.id, ["pwd", "rc", "mfa"], "aal2")
    assert "__Host-refresh_token" in answer.headers["set-cookie"]
    assert (await outside.get(f"{API}/me", headers=bearer(answer.json()))).status_code == 200
    heir = (await outside.post(f"{API}/refresh", json={"refresh_token": answer.json()["refresh_token"]})).json()
    assert claims(heir)["acr"] == "aal2"


async def test_a_passkey_ends_it_and_cannot_be_stolen_by_a_false_page(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    _, authenticator = await with_passkey(house, outside)

    answer = await touch(outside, await owed(outside), authenticator)

    assert answer.status_code == 200, answer.text
    assert (claims(answer.json())["amr"], claims(answer.json())["acr"]) == (["pwd", "hwk", "user", "mfa"], "phr")
    alone = claims((await sign_in(outside, authenticator)).json())
    assert (alone["amr"], alone["acr"]) == (["hwk", "user", "mfa"], "phr")


async def test_an_account_without_one_is_asked_for_nothing(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await settled(house, outside)

    assert (claims(await login(outside))["amr"], claims(await login(outside))["acr"]) == (["pwd"], "aal1")


async def test_wrong_codes_leave_the_ticket_good(house: Ostiary, outside: httpx.AsyncClient) -> None:
    owner = await with_codes(house, outside, ONE)
    ticket, before = await owed(outside), await living(house, owner.id)

    for _ in range(4):
        assert is_refused(await type_in(outside, ticket, "000000"), *REFUSED)

    assert await living(house, owner.id) == before
    assert (await type_in(outside, ticket, ONE)).status_code == 200


async def test_a_code_that_is_sent_is_good_for_its_attempt_alone(open_house: OpenHouse) -> None:
    house = await offering(open_house)
    async with client_of(house) as outside:
        await add_phone(house, outside, await owner_with_phone(house, outside))
        first, second = await owed(outside), await owed(outside)
        for ticket in (first, second):
            body = {"ticket": ticket, "method": "sms"}
            assert (await outside.post(f"{API}/mfa/send", json=body)).status_code == 200
        code = code_in(texts(house)[0])

        assert is_refused(await type_in(outside, first, code, "sms"), *REFUSED)
        done = await type_in(outside, second, code, "sms")
        assert (claims(done.json())["amr"], claims(done.json())["acr"]) == (["pwd", "sms", "mfa"], "aal2")


async def test_nothing_is_sent_for_a_factor_that_is_not_sent(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await with_codes(house, outside, ONE)

    nothing_sent = await outside.post(f"{API}/mfa/send", json={"ticket": await owed(outside), "method": CODE})

    assert (nothing_sent.status_code, slug(nothing_sent)) == (422, "invalid-fields")


@pytest.mark.parametrize("method", ["passkey", "sms", "nothing", "TOTP"])
async def test_a_method_that_the_account_has_not_costs_no_guess(
    house: Ostiary, outside: httpx.AsyncClient, method: str
) -> None:
    await with_codes(house, outside, ONE)
    ticket = await owed(outside)

    for _ in range(6):
        answer = await type_in(outside, ticket, ONE, method)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "method")

    assert (await type_in(outside, ticket, ONE)).status_code == 200


async def test_two_things_of_one_kind_are_one(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """A sign-in that began by a code is not ended by another: neither is known."""
    owner = await with_codes(house, outside, ONE)
    async with house.database.unit(KEEPER) as unit:
        account = await house.accounts.get(unit, owner.id)
        mark = await house.passwords.mark(unit, owner.id)
        subject = f'[{account.epoch},["sms"],"{mark}"]'
        ticket = await house.onetime.issue(unit, SECOND_FACTOR, owner.id, subject, LIFETIME)

    assert is_refused(await type_in(outside, ticket, ONE), *REFUSED)


# A new session, each time


async def test_signing_in_again_replaces_the_session_of_this_browser(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """ASVS 7.2.4: a new session at each sign-in, and the one that the browser came with is over."""
    owner = await with_codes(house, outside, ONE, TWO)
    browser, before = Browser(outside), await living(house, owner.id)
    for code in (ONE, TWO):
        await browser.get(f"{API}/csrf")
        asked = await browser.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})
        old = browser.cookies.get(PAGE)
        body = {"ticket": asked.json()["ticket"], "method": CODE, "code": code}
        answer = await browser.post(f"{API}/mfa/verify", json=body)
        assert answer.status_code == 200, answer.text
        assert browser.cookies[PAGE] != old

    assert await living(house, owner.id) == before + 1
    reasons = [session.end_reason async for session in house.sessions.of_account(owner.id) if session.end_reason]
    assert reasons == ["replaced"]


# Tickets that are none


async def wait(house: Ostiary, account_id: str, clock: ManualClock) -> None:
    clock.advance(minutes=10)


async def raise_epoch(house: Ostiary, account_id: str, clock: ManualClock) -> None:
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.raise_epoch(unit, account_id)


async def close(house: Ostiary, account_id: str, clock: ManualClock) -> None:
    async with house.database.unit(KEEPER) as unit:
        assert await house.accounts.set_status(unit, account_id, "active", "deactivated")


async def delete(house: Ostiary, account_id: str, clock: ManualClock) -> None:
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.delete(unit, account_id)


async def change(house: Ostiary, account_id: str, clock: ManualClock) -> None:
    hashed = await house.hasher.hash(NEW_PASSWORD)
    async with house.database.unit(KEEPER) as unit:
        assert await house.passwords.exchange(unit, account_id, await house.passwords.mark(unit, account_id), hashed)


async def forget(house: Ostiary, account_id: str, clock: ManualClock) -> None:
    async with house.database.unit(KEEPER) as unit:
        await house.passwords.forget(unit, account_id)


Befalls = Callable[[Ostiary, str, ManualClock], Awaitable[None]]


@pytest.mark.parametrize("befalls", [wait, raise_epoch, close, delete, change, forget])
async def test_what_changes_the_account_ends_its_tickets(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock, befalls: Befalls
) -> None:
    owner = await with_codes(house, outside, ONE)
    ticket = await owed(outside)

    await befalls(house, owner.id, clock)

    assert is_refused(await type_in(outside, ticket, ONE), *SPENT)
    assert await looked_at(house) == 0
    assert (await outside.post(f"{API}/mfa/passkey/begin", json={"ticket": ticket})).status_code == 401


async def test_a_password_that_changes_while_a_code_is_looked_at_ends_the_ticket(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await with_codes(house, outside, ONE)
    ticket, before, prove = await owed(outside), await living(house, owner.id), house.codes.prove

    async def slowly(*asked: object) -> object:
        found = await prove(*asked)  # type: ignore[arg-type]
        await change(house, owner.id, clock)
        return found

    monkeypatch.setattr(house.codes, "prove", slowly)

    assert is_refused(await type_in(outside, ticket, ONE), *SPENT)
    assert await living(house, owner.id) == before
    assert await unused(house, owner.id) == 1  # nothing is used up by what leads nowhere


async def test_a_used_ticket_is_used(house: Ostiary, outside: httpx.AsyncClient) -> None:
    _, authenticator = await with_both(house, outside, ONE, TWO)
    ticket = await owed(outside)
    asked = (await outside.post(f"{API}/mfa/passkey/begin", json={"ticket": ticket})).json()["publicKey"]
    assert (await type_in(outside, ticket, ONE)).status_code == 200

    assert is_refused(await type_in(outside, ticket, TWO), *SPENT)
    shown = {"ticket": ticket, "credential": authenticator.show(asked)}
    assert is_refused(await outside.post(f"{API}/mfa/passkey/finish", json=shown), *SPENT)


@pytest.mark.parametrize("cut", [0, 1, 42])
async def test_a_part_of_a_ticket_is_none(house: Ostiary, outside: httpx.AsyncClient, cut: int) -> None:
    await with_codes(house, outside, ONE)
    ticket = await owed(outside)

    answer = await type_in(outside, ticket[:cut], ONE)

    assert answer.status_code in (401, 422)
    assert (await type_in(outside, f"{ticket}A", ONE)).status_code == 401


async def test_a_ticket_answers_for_its_own_account_alone(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await with_codes(house, outside, ONE)
    eve, key = await with_passkey(house, outside, "eve")
    await give_codes(house, eve.id, TWO)
    ticket = await owed(outside, "mira")
    other = await owed(outside, "eve")

    assert is_refused(await type_in(outside, ticket, TWO), *REFUSED)
    assert (await outside.post(f"{API}/mfa/passkey/begin", json={"ticket": ticket})).status_code == 401
    # Eve's own passkey, for Eve's own ticket, handed in with Mira's.
    asked = (await outside.post(f"{API}/mfa/passkey/begin", json={"ticket": other})).json()["publicKey"]
    mixed = {"ticket": ticket, "credential": key.show(asked)}
    assert is_refused(await outside.post(f"{API}/mfa/passkey/finish", json=mixed), 401, "passkey-refused")
    assert claims((await type_in(outside, other, TWO)).json())["sub"] == eve.id
    assert claims((await type_in(outside, ticket, ONE)).json())["sub"] == mira.id


async def test_no_other_secret_is_a_ticket_and_a_ticket_is_no_other_secret(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    owner = await with_codes(house, outside, ONE)
    ticket = await owed(outside)
    async with house.database.unit(KEEPER) as unit:
        alive = await house.onetime.look(unit, SECOND_FACTOR, ticket)
        assert alive is not None
        others = [
            await house.onetime.issue(unit, purpose, owner.id, alive.subject, timedelta(minutes=5))
            for purpose in ("password.replace", "password.reset", "address.prove", "account.disown", "account.unlock")
        ]

    for other in (*others, owner.held["refresh_token"][:128], owner.held["jti"]):
        assert is_refused(await type_in(outside, other, ONE), *SPENT)
    body = {"ticket": ticket, "new_password": NEW_PASSWORD}
    assert is_refused(await outside.post(f"{API}/password/replace", json=body), *SPENT)
    body = {"token": ticket, "new_password": NEW_PASSWORD}
    assert (await outside.post(f"{API}/password-reset/confirm", json=body)).status_code == 401
    assert (await outside.get(f"{API}/me", headers={"authorization": f"Bearer {ticket}"})).status_code == 401
    assert (await type_in(outside, ticket, ONE)).status_code == 200


# Passkeys beside a password


async def test_only_the_accounts_own_passkeys_are_asked_for(house: Ostiary, outside: httpx.AsyncClient) -> None:
    owner, first = await with_passkey(house, outside)
    second = await add(outside, await stronger(outside, owner.bearing, first))
    await with_passkey(house, outside, "eve")
    ticket = await owed(outside)

    options = (await outside.post(f"{API}/mfa/passkey/begin", json={"ticket": ticket})).json()["publicKey"]

    allowed = {one["id"] for one in options["allowCredentials"]}
    assert allowed == {key.show(options)["id"] for key in (first, second)}
    assert options["userVerification"] == "required"
    assert ticket not in str(options)


async def test_a_passkey_need_not_say_whose_it_is_where_that_is_known(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    """WebAuthn Level 3, 7.2 step 6: the handle may be missing; if it is there, it must be right."""
    _, authenticator = await with_passkey(house, outside)
    ticket, handle = await owed(outside), authenticator.handle
    authenticator.handle = bytes(64)
    assert is_refused(await touch(outside, ticket, authenticator), 401, "passkey-refused")

    authenticator.handle = b""
    assert is_refused(await sign_in(outside, authenticator), 401, "passkey-refused")
    assert (await touch(outside, ticket, authenticator)).status_code == 200
    assert handle


@pytest.mark.parametrize("purpose", ["another attempt", "a sign-in without a name", "a step-up", "a registration"])
async def test_an_answer_is_for_what_was_asked(house: Ostiary, outside: httpx.AsyncClient, purpose: str) -> None:
    owner, authenticator = await with_passkey(house, outside)
    ticket = await owed(outside)
    headers = await stronger(outside, owner.bearing, authenticator)
    other = await owed(outside)
    asked: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
        "another attempt": lambda: outside.post(f"{API}/mfa/passkey/begin", json={"ticket": other}),
        "a sign-in without a name": lambda: outside.post(f"{API}/passkeys/sign-in/begin"),
        "a step-up": lambda: outside.post(f"{API}/step-up/passkey/begin", headers=headers),
        "a registration": lambda: outside.post(f"{API}/passkeys/register/begin", headers=headers),
    }
    options = (await asked[purpose]()).json()["publicKey"]
    outside.cookies.clear()

    body = {"ticket": ticket, "credential": authenticator.show(options)}
    answer = await outside.post(f"{API}/mfa/passkey/finish", json=body)

    assert is_refused(answer, 401, "passkey-refused")
    assert (await touch(outside, ticket, authenticator)).status_code == 200


async def test_a_copied_authenticator_is_told_of_and_the_ticket_stays(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    _, authenticator = await with_passkey(house, outside)
    assert (await touch(outside, await owed(outside), authenticator)).status_code == 200
    ticket, authenticator.count = await owed(outside), 0

    assert is_refused(await touch(outside, ticket, authenticator), 401, "passkey-refused")

    assert "passkey.copied" in await journalled(house)
    authenticator.count = 10
    assert (await touch(outside, ticket, authenticator)).status_code == 200


async def test_a_passkey_that_was_removed_is_none(house: Ostiary, outside: httpx.AsyncClient) -> None:
    owner, authenticator = await with_passkey(house, outside)
    ticket = await owed(outside)
    asked = (await outside.post(f"{API}/mfa/passkey/begin", json={"ticket": ticket})).json()["publicKey"]
    async with house.database.unit(KEEPER) as unit:
        await house.passkeys.forget_all(unit, owner.id)

    body = {"ticket": ticket, "credential": authenticator.show(asked)}
    assert (await outside.post(f"{API}/mfa/passkey/finish", json=body)).status_code == 401
    assert (await outside.post(f"{API}/mfa/passkey/begin", json={"ticket": ticket})).status_code == 401
    assert claims(await login(outside))["acr"] == "aal1"  # it has no other


# Guesses


async def test_the_limit_holds_for_another_sign_in_and_ends_by_itself(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await with_codes(house, outside, ONE)
    ticket = await owed(outside)
    for _ in range(5):
        await type_in(outside, ticket, "000000")

    assert (await type_in(outside, await owed(outside), ONE)).status_code == 429
    async with client_of(house, "198.51.100.9") as elsewhere:
        assert (await type_in(elsewhere, await owed(elsewhere), ONE)).status_code == 429
    letter = await letter_to(house, "mira@example.org", "Wrong second factors")
    assert "somebody knows your password" in letter.text
    clock.advance(minutes=10)
    assert (await type_in(outside, await owed(outside), ONE)).status_code == 200
    letters = [one for one in house.post.letters if "Wrong second factors" in one.subject]  # type: ignore[attr-defined]
    assert len(letters) == 1


async def test_twenty_a_day_and_no_sign_in_of_the_owner_gives_more(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    codes = [f"{number:06}" * 4 for number in range(10)]
    await with_codes(house, outside, *codes)
    for right in codes[:5]:
        ticket = await owed(outside)
        for _ in range(4):
            assert is_refused(await type_in(outside, ticket, "000000"), *REFUSED)
        assert (await type_in(outside, ticket, right)).status_code == (200 if right != codes[4] else 429)
        clock.advance(minutes=10)

    assert (await type_in(outside, await owed(outside), codes[5])).status_code == 429
    clock.advance(days=1)
    assert (await type_in(outside, await owed(outside), codes[5])).status_code == 200


async def test_a_known_browser_has_guesses_of_its_own(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """Whoever has the password cannot shut the owner out (D5)."""
    await with_codes(house, outside, ONE, TWO)
    known = device_in(await type_in(outside, await owed(outside), ONE))
    assert DEVICE in known
    ticket = await owed(outside)
    for _ in range(6):
        await type_in(outside, ticket, "000000")
    assert (await type_in(outside, ticket, TWO)).status_code == 429

    answer = await type_in(outside, await owed(outside, cookie=known), TWO, headers={"cookie": known})

    assert answer.status_code == 200


async def test_a_passkey_is_open_when_codes_are_not(house: Ostiary, outside: httpx.AsyncClient) -> None:
    _, authenticator = await with_both(house, outside, ONE)
    ticket = await owed(outside)
    for _ in range(6):
        await type_in(outside, ticket, "000000")

    assert (await touch(outside, ticket, authenticator)).status_code == 200


# Past it by no other way


async def test_a_new_password_by_letter_is_no_way_past_it(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await with_codes(house, outside, ONE)
    token = await reset_token(house, outside)

    done = await confirm(outside, token, NEW_PASSWORD)

    assert done.status_code == 200
    assert "access_token" not in done.text
    assert not [value for value in done.headers.get_list("set-cookie") if "-device=" not in value]
    ticket = await owed(outside, password=NEW_PASSWORD)
    assert (await type_in(outside, ticket, ONE)).status_code == 200


async def test_whoever_reads_the_mailbox_gets_past_it_by_no_letter(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    """ "This wasn't me" takes every factor, and so shuts an account that has had one for a while (R20)."""
    owner, authenticator = await with_passkey(house, outside)
    clock.advance(days=9)
    assert (await confirm(outside, await reset_token(house, outside), NEW_PASSWORD)).status_code == 200
    told = disown_token(await letter_to(house, "mira@example.org", "was reset"))
    page = await outside.get(f"/auth/not-me?token={told}")
    assert "it has a passkey" in page.text

    await house.recovery.disown(KEEPER, told)

    await outside.post(f"{API}/password-reset/request", json={"email": "mira@example.org"})
    await house.outbox.drain()
    letters = [one for one in house.post.letters if "Choose a new password" in one.subject]  # type: ignore[attr-defined]
    assert len(letters) == 1  # of before
    assert is_refused(await ask_in(outside, password=NEW_PASSWORD), 401, "wrong-password")
    assert is_refused(await sign_in(outside, authenticator), 401, "passkey-refused")
    async with house.database.unit(KEEPER) as unit:
        assert (await house.accounts.get(unit, owner.id)).status == "deactivated"


async def test_a_factor_that_a_thief_has_just_added_is_no_reason_to_shut_the_owner_out(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await with_passkey(house, outside)
    clock.advance(days=6)
    told = disown_token(await letter_to(house, "mira@example.org", "passkey was added"))

    await house.recovery.disown(KEEPER, told)

    assert (await confirm(outside, await reset_token(house, outside), NEW_PASSWORD)).status_code == 200
    assert claims(await login(outside, password=NEW_PASSWORD))["acr"] == "aal1"


async def test_policy_that_wants_a_second_proof_gets_it_here(open_house: OpenHouse) -> None:
    house = await open_house(work=False)
    careful = await open_house(work=False, risk={"weights": {"new_device": 60}})
    async with client_of(house) as outside, client_of(careful) as wary:
        await with_codes(house, outside, ONE)
        await settled(house, outside, "nils")

        assert (await type_in(wary, await owed(wary), ONE)).status_code == 200
        assert is_refused(await ask_in(wary, "nils"), 401, "wrong-password")  # who has none: by letter, as ever


async def test_policy_that_refuses_says_so_after_the_second_proof_alone(open_house: OpenHouse) -> None:
    house = await open_house(work=False)
    async with client_of(house) as outside:
        owner = await with_codes(house, outside, ONE)
        ticket, before = await owed(outside), await living(house, owner.id)
        closed = await open_house(work=False, risk={"weights": {"new_device": 200}})
        async with client_of(closed, "198.51.100.9") as elsewhere:
            assert is_refused(await ask_in(elsewhere), 401, "wrong-password")

            assert is_refused(await type_in(elsewhere, ticket, ONE), 403, "sign-in-refused")

        assert is_refused(await type_in(outside, ticket, ONE), *SPENT)
        assert await living(house, owner.id) == before
        assert {alert.kind for alert in await house.alerts.listed()} == {"sign_in_denied"}
