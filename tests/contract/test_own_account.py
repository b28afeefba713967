"""GET and PATCH /me, /password/change, /password/check, /email/verify and /email/change (spec section 2)."""

from __future__ import annotations

import httpx
import pytest
from tests.contract.test_register_and_login import assert_problem
from tests.house import API, NEW_PASSWORD, PASSWORD, bearer, letter_to, login, register, token_in

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary


async def test_me_is_the_profile_and_nothing_but_the_profile(outside: httpx.AsyncClient) -> None:
    signed_in = await register(outside)

    answer = await outside.get(f"{API}/me", headers=bearer(signed_in))

    assert answer.status_code == 200
    assert answer.json() == signed_in["user"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer x.y.z"},
        {"authorization": "Basic bWlyYTpwdw=="},
        {"cookie": "__Host-access_token=x"},
    ],
)
async def test_whoever_proves_nothing_is_asked_to_sign_in(outside: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for method in ("GET", "PATCH"):
        answer = await outside.request(method, f"{API}/me", headers=headers, json={"full_name": "x"})
        if method == "PATCH" and "cookie" in headers:
            assert_problem(answer, 403, "csrf-token-missing")
            continue
        assert_problem(answer, 401, "not-signed-in")
        assert answer.headers["www-authenticate"] == 'Bearer realm="ostiary"'


async def test_the_scheme_of_a_bearer_token_is_read_in_any_case(outside: httpx.AsyncClient) -> None:
    token = (await register(outside))["access_token"]

    for scheme in ("Bearer", "bearer", "BEARER"):
        assert (await outside.get(f"{API}/me", headers={"authorization": f"{scheme} {token}"})).status_code == 200


async def test_an_access_token_lives_for_fifteen_minutes(outside: httpx.AsyncClient, clock: ManualClock) -> None:
    signed_in = await register(outside)
    clock.advance(minutes=14, seconds=59)
    assert (await outside.get(f"{API}/me", headers=bearer(signed_in))).status_code == 200

    clock.advance(minutes=2)
    assert_problem(await outside.get(f"{API}/me", headers=bearer(signed_in)), 401, "not-signed-in")


async def test_changing_the_profile_answers_with_the_profile(outside: httpx.AsyncClient) -> None:
    signed_in = await register(outside)

    answer = await outside.patch(f"{API}/me", json={"full_name": " <b>Mira</b>  Novak "}, headers=bearer(signed_in))

    assert answer.status_code == 200
    assert answer.json() == signed_in["user"] | {"full_name": "Mira Novak"}
    assert (await outside.get(f"{API}/me", headers=bearer(signed_in))).json() == answer.json()


@pytest.mark.parametrize("field", ["id", "username", "email", "email_verified", "status", "epoch", "permissions"])
async def test_nobody_changes_more_than_their_display_name(outside: httpx.AsyncClient, field: str) -> None:
    signed_in = await register(outside)

    answer = await outside.patch(f"{API}/me", json={"full_name": "M", field: True}, headers=bearer(signed_in))

    errors = assert_problem(answer, 422, "invalid-fields")["errors"]  # ASVS 15.3.3: mass assignment
    assert errors == [{"field": field, "message": "This field is not known here.", "code": "extra_forbidden"}]
    assert (await outside.get(f"{API}/me", headers=bearer(signed_in))).json() == signed_in["user"]


async def test_a_changed_password_ends_every_other_session(house: Ostiary, outside: httpx.AsyncClient) -> None:
    first = await register(outside)
    second = await login(outside)
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}

    answer = await outside.post(f"{API}/password/change", json=change, headers=bearer(second))

    assert answer.status_code == 200
    assert answer.json() == {"detail": "Your password is changed. Other devices are signed out."}
    assert (await outside.get(f"{API}/me", headers=bearer(second))).status_code == 200
    assert (await outside.get(f"{API}/me", headers=bearer(first))).status_code == 401
    assert (await outside.post(f"{API}/refresh", json={"refresh_token": first["refresh_token"]})).status_code == 401
    assert_problem(
        await outside.post(f"{API}/login", json={"login": "mira", "password": PASSWORD}), 401, "wrong-password"
    )
    await login(outside, password=NEW_PASSWORD)


async def test_a_password_is_changed_only_by_who_knows_it(outside: httpx.AsyncClient) -> None:
    signed_in = await register(outside)
    change = {"current_password": "something else", "new_password": NEW_PASSWORD}

    for _ in range(5):
        answer = await outside.post(f"{API}/password/change", json=change, headers=bearer(signed_in))
        errors = assert_problem(answer, 401, "wrong-current-password")["errors"]
        assert [error["field"] for error in errors] == ["current_password"]

    change["current_password"] = PASSWORD
    answer = await outside.post(f"{API}/password/change", json=change, headers=bearer(signed_in))
    assert_problem(answer, 429, "limit-reached")
    await login(outside)


async def test_a_weak_new_password_changes_nothing(outside: httpx.AsyncClient) -> None:
    signed_in = await register(outside)
    change = {"current_password": PASSWORD, "new_password": "mira mira mira"}

    answer = await outside.post(f"{API}/password/change", json=change, headers=bearer(signed_in))

    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"new_password"}
    await login(outside)


async def test_a_password_in_the_making_is_weighed(outside: httpx.AsyncClient) -> None:
    weak = await outside.post(f"{API}/password/check", json={"password": "qwertyuiop12"})
    strong = await outside.post(f"{API}/password/check", json={"password": PASSWORD, "username": "mira"})

    assert weak.status_code == strong.status_code == 200
    assert weak.json().keys() == {"acceptable", "score", "guesses", "reasons", "warnings", "suggestions"}
    assert weak.json()["acceptable"] is False
    assert weak.json()["reasons"]
    assert strong.json()["acceptable"] is True
    assert strong.json()["reasons"] == []


async def test_an_address_is_proven_by_the_secret_of_its_letter_once(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    signed_in = await register(outside)
    token = token_in(await letter_to(house, "mira@example.org"))

    answer = await outside.post(f"{API}/email/verify", json={"token": token})

    assert answer.status_code == 200
    assert answer.json() == signed_in["user"] | {"email_verified": True, "status": "active"}
    again = await outside.post(f"{API}/email/verify", json={"token": token})
    assert_problem(again, 401, "token-not-valid")
    assert (await outside.get(f"{API}/me", headers=bearer(signed_in))).json() == answer.json()


async def test_a_letters_secret_lives_for_a_day(house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock) -> None:
    await register(outside)
    token = token_in(await letter_to(house, "mira@example.org"))
    clock.advance(hours=24, seconds=1)

    assert_problem(await outside.post(f"{API}/email/verify", json={"token": token}), 401, "token-not-valid")


async def test_a_new_address_counts_once_proven_and_the_old_one_is_told(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    signed_in = await register(outside)
    await outside.post(f"{API}/email/verify", json={"token": token_in(await letter_to(house, "mira@example.org"))})
    change = {"email": "new@example.org", "current_password": PASSWORD}

    answer = await outside.post(f"{API}/email/change", json=change, headers=bearer(signed_in))

    assert answer.status_code == 200
    assert answer.json().keys() == {"detail"}
    assert (await outside.get(f"{API}/me", headers=bearer(signed_in))).json()["email"] == "mira@example.org"
    token = token_in(await letter_to(house, "new@example.org"))
    proven = await outside.post(f"{API}/email/verify", json={"token": token})
    assert proven.json()["email"] == "new@example.org"
    assert "new@example.org" not in (await letter_to(house, "mira@example.org", "changed")).subject
    await login(outside, "new@example.org")
    assert_problem(
        await outside.post(f"{API}/login", json={"login": "mira@example.org", "password": PASSWORD}),
        401,
        "wrong-password",
    )


async def test_an_address_is_changed_only_with_the_password(house: Ostiary, outside: httpx.AsyncClient) -> None:
    signed_in = await register(outside)
    wrong = {"email": "new@example.org", "current_password": "something else"}

    answer = await outside.post(f"{API}/email/change", json=wrong, headers=bearer(signed_in))
    assert_problem(answer, 401, "wrong-current-password")
    answer = await outside.post(f"{API}/email/change", json=wrong)
    assert_problem(answer, 401, "not-signed-in")

    with pytest.raises(AssertionError, match="no letter"):
        await letter_to(house, "new@example.org")


async def test_the_letter_is_sent_again_on_request(house: Ostiary, outside: httpx.AsyncClient) -> None:
    signed_in = await register(outside)
    first = token_in(await letter_to(house, "mira@example.org"))

    answer = await outside.post(f"{API}/email/resend", headers=bearer(signed_in))

    assert answer.status_code == 200
    assert answer.json().keys() == {"detail"}
    second = token_in(await letter_to(house, "mira@example.org"))
    assert second != first
    assert (await outside.post(f"{API}/email/verify", json={"token": second})).status_code == 200
