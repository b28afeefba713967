"""One person with a browser, one program with a token: the same account, two ways in (spec section 2)."""

from __future__ import annotations

import httpx
from tests.contract.browser import ACCESS, CSRF, DEVICE, PAGE, REFRESH, Browser, set_cookies
from tests.contract.test_register_and_login import assert_problem
from tests.house import API, NEW_PASSWORD, PASSWORD, bearer, letter_to, token_in

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

BODY = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}


async def test_a_browser_lives_by_cookies_and_the_csrf_header(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    browser = Browser(outside)
    await browser.get(f"{API}/csrf")
    assert (await browser.post(f"{API}/register", json=BODY)).status_code == 201
    token = token_in(await letter_to(house, "mira@example.org"))
    assert (await browser.post(f"{API}/email/verify", json={"token": token})).status_code == 200
    assert (await browser.get(f"{API}/me")).json()["email_verified"] is True
    assert (await browser.request("PATCH", f"{API}/me", json={"full_name": "Mira"})).status_code == 200

    clock.advance(minutes=20)
    assert (await browser.get(f"{API}/me")).status_code == 401
    assert (await browser.post(f"{API}/refresh")).status_code == 200
    assert (await browser.get(f"{API}/me")).json()["full_name"] == "Mira"

    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert_problem(await browser.post(f"{API}/password/change", json=change), 401, "sign-in-too-old")
    assert (await browser.post(f"{API}/step-up", json={"password": PASSWORD})).status_code == 200
    assert (await browser.post(f"{API}/password/change", json=change)).status_code == 200
    (session,) = (await browser.get(f"{API}/sessions")).json()["sessions"]
    assert session["current"] is True
    assert (await browser.post(f"{API}/logout")).status_code == 200
    assert (await browser.get(f"{API}/me")).status_code == 401
    assert browser.cookies.keys() == {DEVICE}


async def test_a_program_lives_by_its_bearer_token_and_needs_no_csrf_header(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    signed_in = (await outside.post(f"{API}/register", json=BODY)).json()
    outside.cookies.clear()
    token = token_in(await letter_to(house, "mira@example.org"))
    assert (await outside.post(f"{API}/email/verify", json={"token": token})).status_code == 200

    clock.advance(minutes=20)
    assert (await outside.get(f"{API}/me", headers=bearer(signed_in))).status_code == 401
    answer = await outside.post(f"{API}/refresh", json={"refresh_token": signed_in["refresh_token"]})
    assert not set_cookies(answer)
    heir = answer.json()
    assert (await outside.patch(f"{API}/me", json={"full_name": "M"}, headers=bearer(heir))).status_code == 200
    assert (await outside.post(f"{API}/logout", headers=bearer(heir))).status_code == 200
    assert (await outside.get(f"{API}/me", headers=bearer(heir))).status_code == 401


async def test_the_hosted_pages_do_without_any_script(house: Ostiary, outside: httpx.AsyncClient) -> None:
    browser = Browser(outside)
    answer = await browser.submit(
        "/auth/register", username="mira", email="mira@example.org", password=PASSWORD, full_name=""
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/check-mail")
    link = f"/auth/confirm?token={token_in(await letter_to(house, 'mira@example.org'))}"
    looked = [await Browser(outside).get(link) for _ in range(3)]  # scanners look, and use nothing up
    assert [answer.status_code for answer in looked] == [200, 200, 200]
    token = link.partition("=")[2]
    assert (await browser.submit("/auth/confirm", at=link, token=token)).status_code == 200
    assert "Confirmed" in (await browser.get("/auth/account")).text
    assert (await browser.submit("/auth/sign-out", at="/auth/account")).headers["location"] == "/auth/signed-out"
    assert (await browser.get("/auth/account")).headers["location"] == "/auth/sign-in?next=/auth/account"

    answer = await browser.submit("/auth/sign-in", login="mira", password=PASSWORD, next="/auth/sessions")
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/sessions")
    assert (await browser.get("/auth/sessions")).status_code == 200


async def test_signing_out_on_the_page_clears_what_the_browser_kept(outside: httpx.AsyncClient) -> None:
    browser = Browser(outside)
    await browser.submit("/auth/register", username="mira", email="mira@example.org", password=PASSWORD, full_name="")

    answer = await browser.submit("/auth/sign-out", at="/auth/account")

    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert browser.cookies.keys() <= {DEVICE}
    # Any site could make a browser load this page: it must not empty anything (ASVS 3.5.3).
    assert "clear-site-data" not in (await browser.get("/auth/signed-out")).headers


async def test_a_page_outlives_its_access_cookie_by_its_own(outside: httpx.AsyncClient, clock: ManualClock) -> None:
    browser = Browser(outside)
    await browser.submit("/auth/register", username="mira", email="mira@example.org", password=PASSWORD, full_name="")
    clock.advance(minutes=20)

    answer = await browser.get("/auth/account")

    assert answer.status_code == 200
    assert set_cookies(answer).keys() >= {ACCESS}
    assert REFRESH not in set_cookies(answer)
    assert (await browser.get(f"{API}/me")).status_code == 200


async def test_of_two_cookies_with_one_name_neither_counts(outside: httpx.AsyncClient) -> None:
    browser = Browser(outside)
    await browser.get(f"{API}/csrf")
    await browser.post(f"{API}/register", json=BODY)
    planted = {name: f"{name}={value}" for name, value in browser.cookies.items()}
    everything = "; ".join(planted.values())
    assert (await outside.get(f"{API}/me", headers={"cookie": everything})).status_code == 200

    for value in ("planted", browser.cookies[ACCESS]):
        for cookie in (f"{ACCESS}={value}; {everything}", f"{everything}; {ACCESS}={value}"):
            assert_problem(await outside.get(f"{API}/me", headers={"cookie": cookie}), 401, "not-signed-in")
    doubled = f"{everything}; {REFRESH}={browser.cookies[REFRESH]}"
    headers = {"cookie": doubled, "x-csrf-token": browser.cookies[CSRF]}
    assert_problem(await outside.post(f"{API}/refresh", headers=headers), 401, "refresh-refused")
    page = f"{PAGE}=planted; {PAGE}={browser.cookies[PAGE]}"
    assert (await outside.get("/auth/account", headers={"cookie": page})).status_code == 303


async def test_cookies_do_not_act_beside_a_bearer_token(outside: httpx.AsyncClient) -> None:
    browser = Browser(outside)
    await browser.get(f"{API}/csrf")
    await browser.post(f"{API}/register", json=BODY)

    answer = await browser.get(f"{API}/me", headers={"authorization": "Bearer x.y.z"})
    assert_problem(answer, 401, "not-signed-in")
    answer = await browser.post(f"{API}/refresh", headers={"authorization": "Bearer x.y.z"})
    assert_problem(answer, 401, "refresh-refused")
    assert (await browser.get(f"{API}/me")).status_code == 200
