"""An address belongs to an account only when proven (D4), as seen from outside."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from tests.contract.browser import Browser, set_cookies
from tests.contract.test_register_and_login import assert_problem
from tests.house import API, NEW_PASSWORD, PASSWORD, bearer, journalled, letter_to, login, register, token_in

from ostiary.core.caller import HOUSE
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

ADDRESS = "mira@example.org"


async def prove(house: Ostiary, client: httpx.AsyncClient, address: str = ADDRESS) -> dict[str, Any]:
    answer = await client.post(f"{API}/email/verify", json={"token": token_in(await letter_to(house, address))})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def shape(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return names and types, and every value that may not differ between two people."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return value if isinstance(value, (bool, int)) or value is None else type(value).__name__


async def test_a_known_address_is_answered_exactly_like_an_unknown_one(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await register(outside)
    await prove(house, outside)
    answers = []
    for username, address in (("eve", ADDRESS), ("ada", "ada@example.org")):
        body = {"username": username, "email": address, "password": NEW_PASSWORD}
        answers.append(await outside.post(f"{API}/register", json=body))
        outside.cookies.clear()

    known, unknown = answers
    assert known.status_code == unknown.status_code == 201
    assert shape(known.json()) == shape(unknown.json())
    assert [name for name, _ in known.headers.multi_items()] == [name for name, _ in unknown.headers.multi_items()]
    assert [(cookie.name, cookie.attributes) for cookie in set_cookies(known).values()] == [
        (cookie.name, cookie.attributes) for cookie in set_cookies(unknown).values()
    ]
    assert known.json()["user"]["status"] == unknown.json()["user"]["status"] == "provisional"
    for answer in answers:  # and all that the new account may do afterwards
        assert (await outside.post(f"{API}/email/resend", headers=bearer(answer.json()))).status_code == 200


async def test_only_the_letter_differs_and_only_its_reader_learns(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await register(outside)
    await prove(house, outside)

    await register(outside, "rumpelstiltskin", email=ADDRESS)

    warning = await letter_to(house, ADDRESS)
    assert "token=" not in warning.text + warning.html
    assert "rumpelstiltskin" not in warning.text  # the stranger's name is no word to send to people


async def test_an_unproven_claim_never_blocks_joins_or_inherits(house: Ostiary, outside: httpx.AsyncClient) -> None:
    squatter = await register(outside, "eve", email=ADDRESS, password=NEW_PASSWORD)
    await outside.patch(f"{API}/me", json={"full_name": "Eve"}, headers=bearer(squatter))
    first = token_in(await letter_to(house, ADDRESS))

    owner = await register(outside)  # does not block
    await prove(house, outside)

    assert owner["user"]["id"] != squatter["user"]["id"]  # does not join
    mine = (await outside.get(f"{API}/me", headers=bearer(owner))).json()
    assert (mine["full_name"], mine["email_verified"]) == ("", True)  # does not inherit
    theirs = (await outside.get(f"{API}/me", headers=bearer(squatter))).json()
    assert theirs["email_verified"] is False
    assert (await login(outside, ADDRESS))["user"]["id"] == owner["user"]["id"]
    answer = await outside.post(f"{API}/email/verify", json={"token": first})
    assert_problem(answer, 409, "address-taken")
    assert (await outside.get(f"{API}/me", headers=bearer(squatter))).json()["email_verified"] is False


async def test_nobody_signs_in_by_an_address_that_is_not_proven(outside: httpx.AsyncClient) -> None:
    await register(outside)

    by_claim = await outside.post(f"{API}/login", json={"login": ADDRESS, "password": PASSWORD})
    by_nobody = await outside.post(f"{API}/login", json={"login": "no@example.org", "password": PASSWORD})

    for answer in (by_claim, by_nobody):
        assert_problem(answer, 401, "wrong-password")
    assert by_claim.json() | {"request_id": ""} == by_nobody.json() | {"request_id": ""}
    await login(outside)  # the name works all the same


async def test_an_account_never_proven_lapses_and_frees_name_and_address(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    squatter = await register(outside)
    clock.advance(days=6, hours=23)
    assert await house.accounts.lapse(HOUSE) == 0

    clock.advance(hours=2)
    assert await house.accounts.lapse(HOUSE) == 1

    assert_problem(await outside.get(f"{API}/me", headers=bearer(squatter)), 401, "not-signed-in")
    refreshed = await outside.post(f"{API}/refresh", json={"refresh_token": squatter["refresh_token"]})
    assert_problem(refreshed, 401, "refresh-refused")
    answer = await outside.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})
    assert_problem(answer, 401, "wrong-password")
    heir = await register(outside)
    assert heir["user"]["id"] != squatter["user"]["id"]
    assert (await prove(house, outside))["id"] == heir["user"]["id"]
    assert "account.lapsed" in await journalled(house)


async def test_a_proven_account_never_lapses(house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock) -> None:
    await register(outside)
    await prove(house, outside)
    clock.advance(days=400)

    assert await house.accounts.lapse(HOUSE) == 0
    await login(outside)


async def test_of_two_who_prove_one_address_at_once_one_wins(house: Ostiary, outside: httpx.AsyncClient) -> None:
    rivals = [await register(outside, name, email=ADDRESS) for name in ("mira", "eve")]
    await house.outbox.drain()
    letters = [letter for letter in house.post.letters if letter.to == ADDRESS]  # type: ignore[attr-defined]
    tokens = [token_in(letter) for letter in letters]
    assert len(set(tokens)) == 2

    answers = await asyncio.gather(*(outside.post(f"{API}/email/verify", json={"token": token}) for token in tokens))

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (loser,) = (answer for answer in answers if answer.status_code == 409)
    assert_problem(loser, 409, "address-taken")
    owners = [(await outside.get(f"{API}/me", headers=bearer(rival))).json()["email_verified"] for rival in rivals]
    assert sorted(owners) == [False, True]
    (winner,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert (await login(outside, ADDRESS))["user"]["id"] == winner["id"]


async def test_one_token_used_by_many_at_once_works_once(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await register(outside)
    token = token_in(await letter_to(house, ADDRESS))

    answers = await asyncio.gather(*(outside.post(f"{API}/email/verify", json={"token": token}) for _ in range(12)))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 11


async def test_the_page_tells_the_loser_in_words(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await register(outside, "eve", email=ADDRESS)
    link = f"/auth/confirm?token={token_in(await letter_to(house, ADDRESS))}"
    browser = Browser(outside)
    await browser.get(link)
    await register(outside)
    await prove(house, outside)

    answer = await browser.submit("/auth/confirm", at=link, token=link.partition("=")[2])

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "another account" in answer.text


async def test_a_changed_claim_takes_the_place_of_the_older(house: Ostiary, outside: httpx.AsyncClient) -> None:
    signed_in = await register(outside, email="typo@example.org")
    first = token_in(await letter_to(house, "typo@example.org"))
    change = {"email": ADDRESS, "current_password": PASSWORD}
    assert (await outside.post(f"{API}/email/change", json=change, headers=bearer(signed_in))).status_code == 200

    assert_problem(await outside.post(f"{API}/email/verify", json={"token": first}), 401, "token-not-valid")
    assert (await prove(house, outside))["email"] == ADDRESS


async def test_an_address_cannot_be_moved_to_one_that_somebody_has_proven(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    await register(outside)
    await prove(house, outside)
    eve = await register(outside, "eve")
    change = {"email": ADDRESS, "current_password": PASSWORD}

    answer = await outside.post(f"{API}/email/change", json=change, headers=bearer(eve))

    assert answer.status_code == 200  # as for any other address
    assert "token=" not in (await letter_to(house, ADDRESS)).text
    assert (await outside.get(f"{API}/me", headers=bearer(eve))).json()["email"] == "eve@example.org"
