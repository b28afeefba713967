"""What a verdict does at the front desk: letters, the second proof by mail, refusals that look like any other (R13)."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.contract.browser import Browser
from tests.house import API, PASSWORD, OpenHouse, client_of, letter_to, register, token_in
from tests.login.steps import ONE, ask_in, type_in, with_codes
from tests.passwords.lists import a_filter
from tests.protection.attempts import WRONG, attempt, device_cookie, looks
from tests.recovery.steps import unlock_token

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.protection.blocks import EVERYWHERE
from ostiary.risk import Records, replay
from ostiary.wiring import Ostiary

HOME, ABROAD = "203.0.113.7", "198.51.100.80"
CAREFUL = {"weights": {"new_device": 60}}
CLOSED = {"weights": {"new_device": 200}}


async def proven(house: Ostiary, client: httpx.AsyncClient, name: str = "mira") -> str:
    """Register somebody whose address is proven; return the device cookie of their browser."""
    await register(client, name)
    token = token_in(await letter_to(house, f"{name}@example.org"))
    assert (await client.post(f"{API}/email/verify", json={"token": token})).status_code == 200
    return await device_cookie(client, name)


async def sent(house: Ostiary, about: str) -> list[str]:
    await house.outbox.drain()
    return [letter.to for letter in house.post.letters if about in letter.subject]  # type: ignore[attr-defined]


async def ten_failures(house: Ostiary, clock: ManualClock) -> None:
    for number in range(10):
        async with client_of(house, f"198.51.100.{number}") as stranger:
            assert (await attempt(stranger, "mira")).status_code == 401
        if number == 4:
            clock.advance(minutes=61)


async def test_a_new_browser_is_let_in_and_its_owner_told(house: Ostiary, outside: httpx.AsyncClient) -> None:
    known = await proven(house, outside)
    before = len(await sent(house, "New sign-in"))

    assert (await attempt(outside, "mira", PASSWORD, cookie=known)).status_code == 200
    assert len(await sent(house, "New sign-in")) == before
    assert (await attempt(outside, "mira", PASSWORD)).status_code == 200
    assert len(await sent(house, "New sign-in")) == before + 1


async def test_an_address_that_is_not_proven_is_told_nothing(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await register(outside)

    assert (await attempt(outside, "mira", PASSWORD)).status_code == 200
    assert await sent(house, "New sign-in") == []


async def test_where_policy_wants_a_second_proof_the_link_in_the_letter_is_one(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    house = await open_house(work=False)
    async with client_of(house, HOME) as owner:
        await proven(house, owner)
    careful = await open_house(work=False, risk=CAREFUL)
    async with client_of(careful, ABROAD) as client:
        assert (await attempt(client, "mira", PASSWORD)).status_code == 401
        letter = await letter_to(careful, "mira@example.org", "refused a sign-in")
        browser = Browser(client)
        token = unlock_token(letter)
        answer = await browser.submit("/auth/unlock", at=f"/auth/unlock?token={token}", token=token)
        assert answer.status_code == 200

        device = next(text for text in answer.headers.get_list("set-cookie") if "device=" in text).partition(";")[0]
        client.cookies.clear()
        assert (await attempt(client, "mira", PASSWORD, cookie=device)).status_code == 200
        assert (await attempt(client, "mira", PASSWORD)).status_code == 401, "another browser is still a stranger"


@pytest.mark.parametrize("policy", [CAREFUL, CLOSED])
async def test_a_refused_right_password_looks_like_a_wrong_one(
    open_house: OpenHouse, policy: dict[str, object]
) -> None:
    house = await open_house(work=False)
    async with client_of(house, HOME) as owner:
        await proven(house, owner)
    careful = await open_house(work=False, risk=policy)

    async with client_of(careful, ABROAD) as client:
        assert looks(await attempt(client, "mira", PASSWORD)) == looks(await attempt(client, "mira", WRONG))


async def test_a_denied_sign_in_alerts_the_keeper_and_counts_as_a_failure(open_house: OpenHouse) -> None:
    house = await open_house(work=False)
    async with client_of(house, HOME) as owner:
        known = await proven(house, owner)
        careful = await open_house(work=False, risk=CLOSED)
        async with client_of(careful, ABROAD) as client:
            found = [(await attempt(client, "mira", PASSWORD)).status_code for _ in range(7)]

        assert found == [401] * 5 + [429, 423]
        assert [alert.kind for alert in await careful.alerts.listed()] == ["sign_in_denied"]
        assert (await attempt(owner, "mira", PASSWORD, cookie=known)).status_code == 200


async def test_after_ten_failures_the_account_is_under_review_and_judged_by_that(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await proven(house, outside)
    await ten_failures(house, clock)

    assert "account_under_review" in [alert.kind for alert in await house.alerts.listed()]
    clock.advance(minutes=61)
    await attempt(outside, "mira", PASSWORD)
    (line,) = await house.audit.listed(most=1, action="login.*")
    assert "account.under_review" in line.details["risk"]["reasons"]


async def test_a_lock_writes_to_its_owner_once(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await proven(house, outside)
    for number in range(20):
        async with client_of(house, f"198.51.100.{number}") as stranger:
            await attempt(stranger, "mira")
            await attempt(stranger, "nobody")

    assert await sent(house, "Wrong passwords") == ["mira@example.org"]


async def test_what_was_judged_at_the_desk_is_judged_the_same_again(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(work=False)
    async with client_of(house, HOME) as owner:
        known = await proven(house, owner)
        for day in range(12):
            clock.advance(hours=23)
            headers = {"cookie": known} if day % 3 else {}
            await attempt(owner, "mira", PASSWORD, **headers)

    outcome = await replay(Records(house.audit), house.risk.policy)

    assert outcome.signins == 13
    assert not outcome.examples


async def test_what_was_known_of_a_password_is_known_with_its_second_factor(
    open_house: OpenHouse, clock: ManualClock, tmp_path: Path
) -> None:
    """The counter is set back by the right password; the verdict that stands in the journal must not forget it."""
    leaked = a_filter(tmp_path / "leaked.filter", "another password")
    house = await open_house(work=False, passwords={"breach_filter": str(leaked), "change_breached": False})
    async with client_of(house, HOME) as owner:
        await with_codes(house, owner, ONE)
        await ten_failures(house, clock)
        a_filter(leaked, PASSWORD)
        clock.advance(minutes=61)

        answer = await ask_in(owner)
        assert answer.json()["mfa_required"]
        assert (await type_in(owner, answer.json()["ticket"], ONE)).status_code == 200

    asked = await Records(house.audit).find(answer.headers["x-request-id"])
    assert asked is not None
    assert (asked.action, asked.verdict.action) == ("factor.demanded", "challenge")
    (entered, *_) = [found async for found in Records(house.audit).all()]
    for found in (asked, entered):
        assert {"account.under_review", "password.guessed_at", "password.breached"} <= found.verdict.reasons.keys()
    outcome = await replay(Records(house.audit), house.risk.policy, since=clock.now())
    assert (outcome.signins, outcome.table["challenge"]["challenge"], outcome.examples) == (1, 1, {})


async def test_a_breached_password_that_need_not_be_replaced_is_weighed(
    open_house: OpenHouse, clock: ManualClock, tmp_path: Path
) -> None:
    leaked = a_filter(tmp_path / "leaked.filter", "another password")
    house = await open_house(work=False, passwords={"breach_filter": str(leaked), "change_breached": False})
    async with client_of(house) as outside:
        await register(outside)
        a_filter(leaked, PASSWORD)
        clock.advance(minutes=1)
        assert (await attempt(outside, "mira", PASSWORD)).status_code == 200

    (line,) = await house.audit.listed(most=1, action="login.*")
    assert line.details["risk"]["reasons"]["password.breached"] == 15


async def test_a_sign_in_while_the_house_is_on_guard_is_weighed(house: Ostiary, outside: httpx.AsyncClient) -> None:
    known = await proven(house, outside)
    await house.blocks.add(KEEPER, EVERYWHERE, reason="a test", lifetime=None, bars="unproven")

    assert (await attempt(outside, "mira", PASSWORD, cookie=known)).status_code == 200

    (line,) = await house.audit.listed(most=1, action="login.*")
    assert line.details["risk"]["reasons"] == {"server.under_attack": 10, "device.known": -10}
